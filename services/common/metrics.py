"""Every metric of the mechanism, named once: what it measures, in which unit, and what a person does about it.

Labels are few and bounded: topics, queues, methods, codes; never an id. The instruments come from the global meter, which
does nothing until telemetry.configure has set one, so that a library call needs no meter in its signature.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

Labels = Mapping[str, str]

_PREFIX = "carbonbureau."


@dataclass(frozen=True)
class Metric:
    """One metric: `unit` in UCUM, `action` for the one who sees it out of order."""

    name: str
    unit: str
    meaning: str
    action: str

    @property
    def description(self) -> str:
        return f"{self.meaning} {self.action}"


class Counter(Metric):
    """Only rises."""

    @cached_property
    def _instrument(self) -> metrics.Counter:
        return metrics.get_meter(__name__).create_counter(_PREFIX + self.name, self.unit, self.description)

    def add(self, amount: int, labels: Labels | None = None) -> None:
        self._instrument.add(amount, labels)


@dataclass(frozen=True)
class Histogram(Metric):
    """A distribution with fixed bounds."""

    bounds: tuple[float, ...] = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

    @cached_property
    def _instrument(self) -> metrics.Histogram:
        return metrics.get_meter(__name__).create_histogram(
            _PREFIX + self.name, self.unit, self.description, explicit_bucket_boundaries_advisory=self.bounds
        )

    def record(self, value: float, labels: Labels | None = None) -> None:
        self._instrument.record(value, labels)


@dataclass(frozen=True)
class Gauge(Metric):
    """The last value set for each set of labels."""

    _values: dict[tuple[tuple[str, str], ...], float] = field(default_factory=dict, compare=False)

    @cached_property
    def _instrument(self) -> metrics.ObservableGauge:
        return metrics.get_meter(__name__).create_observable_gauge(_PREFIX + self.name, [self._observe], self.unit, self.description)

    def set(self, value: float, labels: Labels | None = None) -> None:
        self._instrument  # noqa: B018  (the first value registers the gauge)
        self._values[tuple(sorted((labels or {}).items()))] = value

    def replace(self, labels: Labels, varying: str, values: Mapping[str, float]) -> None:
        """Set one value for each value of the label `varying`, and stop reporting those that are not among them any more."""
        fixed = set(labels.items())
        for key in [key for key in self._values if fixed <= set(key) and dict(key).get(varying) not in values]:
            del self._values[key]
        for name, value in values.items():
            self.set(value, {**labels, varying: name})

    def _observe(self, options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(value, dict(labels)) for labels, value in list(self._values.items())]


TRANSACTION_DURATION = Histogram(
    "transaction.duration",
    "s",
    "Time from taking a connection to the end of the commit.",
    "Above 1 s: look for locks in pg_stat_activity.",
)
TRANSACTION_CONFLICTS = Counter(
    "transaction.conflicts", "{conflict}", "Units of work run again after a conflict.", "Rising with load: look for unsorted batches."
)
CLOCK_SKEW = Gauge(
    "clock.skew", "s", "This machine's clock against the database's.", "Above 1 s: ages and deadlines are wrong; mend the time service."
)
OUTBOX_PUBLISHED = Counter(
    "outbox.published", "{event}", "Events acknowledged by Kafka.", "Zero while outbox.age rises: Kafka is away or refuses."
)
OUTBOX_FAILED = Counter(
    "outbox.failed", "{event}", "Sends that failed and will be tried again.", "Read the log: denied, too large, or Kafka is away."
)
OUTBOX_AGE = Gauge(
    "outbox.age", "s", "Age of the oldest unpublished event.", "Above 10 s: Kafka is away, or one event cannot be sent and holds its key."
)
OUTBOX_STALE = Counter(
    "outbox.stale_leases", "{lease}", "Publishers that found their lease taken.", "Often: processes are paused or starved of CPU."
)
CONSUMER_RECORDS = Counter(
    "consumer.records", "{record}", "Records handled and committed.", "Zero while consumer.lag is above zero: read the log."
)
CONSUMER_LAG = Gauge(
    "consumer.lag", "{record}", "End offset minus database offset, by topic.", "Rising: add processes, or find the slow statement."
)
CONSUMER_DELAY = Histogram(
    "consumer.delay", "s", "Age of the oldest record of a batch when it was committed.", "Above 2 s: the path is behind."
)
CONSUMER_BATCH = Histogram("consumer.batch.duration", "s", "Time to handle and commit one batch.", "Above 5 s: make max_records smaller.")
CONSUMER_STUCK = Gauge(
    "consumer.stuck_partitions",
    "{partition}",
    "Partitions paused because their offset is gone or a batch cannot be read.",
    "Above zero is an alarm: records are missing or damaged. Decide by hand, then set next_offset in consumer_position.",
)
CONSUMER_RETRIES = Counter(
    "consumer.retries", "{batch}", "Batches rolled back to be read again.", "Steady: the database is away or the group is unstable."
)
CONSUMER_LOST = Counter(
    "consumer.lost_partitions", "{partition}", "Partitions another process had advanced.", "Steady: two consumers share a name."
)
EVENTS_REFUSED = Counter(
    "events.refused",
    "{event}",
    "Events that could not be taken, by topic.",
    "Above zero: read refused_event; the state of their subjects is behind until the publisher is mended and publishes them anew.",
)
WORK_WAIT = Histogram("work.wait", "s", "Time from due to claimed, by queue.", "Above 1 s: too few workers.")
WORK_FAILURES = Counter("work.failures", "{item}", "Items given back after a failure.", "See work_item.last_failure.")
LOOP_ERRORS = Counter("loop.errors", "{error}", "Recoverable errors that made a loop wait.", "Steady: see the log of the loop.")
RPC_DURATION = Histogram("rpc.duration", "s", "Time to answer a call, by method and code.", "Compare with transaction.duration.")

"""Makes the load of the intake bench: what the sandbox's province would publish, dealt out to more than a hundred providers.

The province's six providers become six for each of 22 groups of enterprises, so that there are 220 topics with all kinds, corrections,
repeats, refused and unreadable records among them, as the sandbox plants them. Pure but for the writing of the file for the phases.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from services.collector.domain.kinds import Kind as CollectorKind
from services.collector.domain.provider import Provider
from services.collector.domain.submission import BusinessKey
from services.collector.providers import Entry
from services.common.identifiers import derived_id
from services.sandbox import wire
from services.sandbox.domain.planning import Order, in_order, province_plans
from services.sandbox.domain.statements import Expected, PlannedSubmission, Submission
from services.sandbox.province import generator_of

SEED = 20261122
GROUPS = 22
PROVINCE = "shanxi"
VALUE_BYTES_MAX = 500

# What intake counts each expectation of the sandbox as.
_COUNTED_AS = {
    Expected.ACCEPTED: "accepted",
    Expected.PARKED_THEN_EFFECTIVE: "accepted",
    Expected.DUPLICATE: "duplicate",
    Expected.REJECTED: "rejected",
    Expected.QUARANTINED: "quarantined",
}

# What is kept of a record beside its bytes and its place: submission_id, subject_id, subject_code, provider_code, kind,
# record_number, record_revision, facility_number, value_sha256.
Prepared = tuple[UUID, UUID, str, str, str, str, int, str, bytes]


@dataclass(frozen=True, kw_only=True)
class Published:
    """One record as it is published."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


@dataclass(kw_only=True)
class Load:
    """Every record by topic, in the order of its offsets, what shall become of them, and the rows the floor writes."""

    records: dict[str, list[Published]] = field(default_factory=dict)
    prepared: dict[str, list[Prepared]] = field(default_factory=dict)
    expected: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        return self.expected.total()

    @property
    def submissions(self) -> int:
        """How many different business keys there are: so many rows has the floor's table in the end."""
        return len({row[0] for rows in self.prepared.values() for row in rows})

    def write_prepared(self, path: Path) -> None:
        path.write_bytes(pickle.dumps(self.prepared, protocol=pickle.HIGHEST_PROTOCOL))


def read_prepared(path: Path) -> dict[str, list[Prepared]]:
    """Read the file that this run's bench has written; nobody else writes there."""
    prepared: dict[str, list[Prepared]] = pickle.loads(path.read_bytes())
    return prepared


def make_load(*, subjects: int) -> Load:
    """Plan what all providers send about so many subjects, 36 months each: some 184 records a subject."""
    plans = list(province_plans(generator_of, seed=SEED, subjects=subjects))
    load = Load()
    for group in range(GROUPS):
        # Everything of January before everything of February, so that neighbours in a topic speak of different subjects.
        for planned in in_order([plan for plan in plans if plan.truth.subject.index % GROUPS == group], order=Order.BY_TIME):
            _add(load, planned, group)
    return load


def _add(load: Load, planned: PlannedSubmission, group: int) -> None:
    code = f"{planned.provider_code}-{group:02d}"
    domain = planned.topic.split(".")[1]
    topic = f"intake.{domain}.v1.{code}"
    value = wire.message_bytes(planned)
    if len(value) > VALUE_BYTES_MAX:
        raise AssertionError(f"a submission of {len(value)} bytes is no submission of this bench")
    record = Published(topic=topic, key=planned.key.encode(), value=value, headers=_headers(planned, code, value))
    load.records.setdefault(topic, []).append(record)
    load.prepared.setdefault(topic, []).append(_prepared(planned, code, value))
    load.expected[_COUNTED_AS[planned.expected]] += 1


def _headers(planned: PlannedSubmission, code: str, value: bytes) -> list[tuple[str, bytes]]:
    """CloudEvents headers as the sandbox's publisher sets them."""
    event_id = derived_id("bench-record", sha256=sha256(value).hexdigest(), send_order=planned.send_order)
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(event_id),
        "ce_source": f"/providers/{code}",
        "ce_type": wire.MESSAGE_TYPE,
        "ce_time": "2026-11-21T04:00:00.000000+00:00",
        "ce_subject": planned.key,
        "content-type": wire.CONTENT_TYPE,
        "traceparent": f"00-{event_id.hex}-{event_id.hex[:16]}-01",
    }
    return [(name, text.encode()) for name, text in headers.items()]


def _prepared(planned: PlannedSubmission, code: str, value: bytes) -> Prepared:
    digest = sha256(value).digest()
    match planned.message:
        case Submission() as message:
            subject_id = derived_id("subject", province=PROVINCE, first_code=message.subject_code)
            key = BusinessKey(
                provider_code=code,
                kind=CollectorKind(message.kind.value),
                record_number=message.record_number,
                record_revision=message.record_revision,
                subject_id=subject_id,
            )
            return (
                key.submission_id(),
                subject_id,
                message.subject_code,
                code,
                message.kind.value,
                message.record_number,
                message.record_revision,
                message.facility_number,
                digest,
            )
        case _:
            stand_in = derived_id("bench-unreadable", sha256=digest.hex(), send_order=planned.send_order)
            return (stand_in, stand_in, planned.key, code, "", "", 1, "", digest)


def directory_of(load: Load, shipped: Iterable[Entry]) -> list[Entry]:
    """Deal the sandbox's directory out to the groups: the same kinds and bases under a code for each group."""
    of_province = {code.rpartition("-")[0] for code in (topic.split(".", 3)[3] for topic in load.records)}
    return [
        replace(entry, provider=_of_group(entry.provider, group))
        for entry in shipped
        if entry.provider.code in of_province
        for group in range(GROUPS)
    ]


def _of_group(provider: Provider, group: int) -> Provider:
    return replace(provider, code=f"{provider.code}-{group:02d}", name=f"{provider.name} {group}")

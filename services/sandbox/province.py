"""Does the province: draws it, writes its truth, publishes it as its providers. Repeating a run sends the same bytes again."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import IO

from services.sandbox import truth_file
from services.sandbox.domain.chance import Generator
from services.sandbox.domain.planning import Order, SubjectPlan, in_order, province_plans
from services.sandbox.domain.statements import PlannedSubmission
from services.sandbox.publisher import Acknowledged, Publisher

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Province:
    """A planned province: what is true, and what will be sent in which order."""

    plans: tuple[SubjectPlan, ...]
    submissions: tuple[PlannedSubmission, ...]


def generator_of(label: str) -> Generator:
    """Make the generator of a label; the same label gives the same numbers on every machine (Mersenne Twister seeded by SHA-512)."""
    return Random(label)


def plan_province(*, seed: int, subjects: int, months: int, order: Order) -> Province:
    """Draw the province; takes about a second for the pilot's 1,122 subjects."""
    plans = tuple(province_plans(generator_of, seed=seed, subjects=subjects, months=months))
    return Province(plans=plans, submissions=tuple(in_order(plans, order=order)))


def write_truth(province: Province, path: Path, *, seed: int, months: int, order: Order) -> None:
    """Write the truth file, before anything is sent."""
    header = {"seed": seed, "subjects": len(province.plans), "months": months, "order": order.value}
    truth_file.write(path, truth_file.province_lines(province.plans, province.submissions, header=header))


def publish(
    publisher: Publisher,
    submissions: Sequence[PlannedSubmission],
    *,
    rate_per_second: float | None,
    journal: Path | None,
    say: Say,
) -> int:
    """Publish everything and wait for every acknowledgement; return how many records were acknowledged.

    The journal gets one JSON line per record as it is acknowledged: a bank that watches reads there when a subject's records
    were sent, and a checker where each came to lie.

    Raises:
        NotPublished: a record was not taken by the broker.
    """
    publisher.connect(sorted({planned.provider_code for planned in submissions}))
    total = len(submissions)

    def tell(done: int) -> None:
        say(f"published {done:,} of {total:,} records")

    if journal is None:
        return publisher.publish(submissions, rate_per_second=rate_per_second, say=tell)
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("a", encoding="utf-8") as file:
        return publisher.publish(submissions, rate_per_second=rate_per_second, seen=lambda one: _note(file, one), say=tell)


def _note(file: IO[str], one: Acknowledged) -> None:
    line = {
        "send_order": one.planned.send_order,
        "key": one.planned.key,
        "topic": one.topic,
        "partition": one.partition,
        "offset": one.offset,
        "sent_at": one.sent_at.isoformat(timespec="microseconds"),
        "acknowledged_at": one.acknowledged_at.isoformat(timespec="microseconds"),
    }
    file.write(json.dumps(line, separators=(",", ":")) + "\n")
    # Watchers follow the file; a line every so often in a full buffer would show them a burst.
    file.flush()

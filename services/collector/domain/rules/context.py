"""What a rule may look at, and how form rules speak of fields that could not be read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from services.collector.domain.account import AccountView
from services.collector.domain.finding import Suspicion
from services.collector.domain.kinds import Domain
from services.collector.domain.provider import Provider
from services.collector.domain.signature import ABSENT, Signature
from services.collector.domain.submission import Flaw, Received

CONTRACT = "carbonbureau.intake.v1.Submission"
DEFECTS_SHOWN_MAX = 5
NO_INNOCENT_EXPLANATION = "None that leaves the record usable: the sender's program writes it wrongly."


@dataclass(frozen=True, kw_only=True, slots=True)
class FormContext:
    """What a form rule may know beside the record: whose topic it came by, under which key, when, and how it was signed."""

    provider: Provider
    topic_domain: Domain
    record_key: str | None
    received_at: datetime
    signature: Signature = ABSENT


FormCheck = Callable[[Received, FormContext], str | None]
AccountCheck = Callable[[AccountView], Iterable[Suspicion]]


def defects(received: Received, *flaws: Flaw, only: str = "", but: tuple[str, ...] = ()) -> str | None:
    """Say what is wrong with every field that has one of these flaws, or None.

    `only` and `but` name fields by the last part of their path: of a list's items too.
    """
    if not received.defects:
        return None
    found = [
        f"{defect.field} {defect.flaw.value}" if defect.flaw is Flaw.MISSING else f"{defect.field} {defect.shown!r} {defect.flaw.value}"
        for defect in received.defects
        if defect.flaw in flaws and _last(defect.field) not in but and only in ("", _last(defect.field))
    ]
    return "; ".join(found[:DEFECTS_SHOWN_MAX]) if found else None


def _last(path: str) -> str:
    return path.rpartition(".")[2]

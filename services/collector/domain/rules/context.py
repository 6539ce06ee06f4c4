"""What a rule may look at, and how form rules speak of fields that could not be read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from services.collector.domain.account import AccountView
from services.collector.domain.finding import Suspicion
from services.collector.domain.provider import Provider
from services.collector.domain.submission import Domain, Flaw, Received

CONTRACT = "carbonbureau.intake.v1.Submission"
NO_INNOCENT_EXPLANATION = "None that leaves the record usable: the sender's program writes it wrongly."


@dataclass(frozen=True, kw_only=True, slots=True)
class FormContext:
    """What a form rule may know beside the record: whose topic it came by, under which key, and when."""

    provider: Provider
    topic_domain: Domain
    record_key: str | None
    received_at: datetime


FormCheck = Callable[[Received, FormContext], str | None]
AccountCheck = Callable[[AccountView], Iterable[Suspicion]]


def defects(received: Received, flaw: Flaw, says: str) -> str | None:
    """Say what is wrong with every field that has this flaw, or None."""
    found = [f"{defect.field} {defect.shown!r} {says}" for defect in received.defects if defect.flaw is flaw]
    return "; ".join(found[:5]) if found else None

"""What a planted case of an account rule is: submissions in which the rule must find something, and a near-miss in which it must not."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from carbonbureau.common.v1 import period_pb2
from carbonbureau.intake.v1 import submission_pb2 as intake
from google.protobuf import json_format

from services.collector.domain.account import AccountView, FormerOwner
from services.collector.domain.claims import History
from services.collector.domain.emissions import Book
from tests.unit.collector.submissions import Sent, entry, message, month, view_of

REGISTERED: Sent = ("ndrc-sx", entry())
STEEL: Sent = ("ndrc-sx", entry(industry="3120"))
# An industry for which no activity method holds: figures stand as reported.
FARM: Sent = ("ndrc-sx", entry(industry="0111"))
NEVER = period_pb2.Period()


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Submissions in which a rule must find something, and the same but for what it looks at, in which it must not.

    `count` is how many findings the rule makes of the planted case; `also` are rules that find it too and not the near-miss, because
    the same fact cannot be planted without them.
    """

    rule_id: str
    sent: Sequence[Sent]
    harmless: Sequence[Sent]
    what: str = ""
    count: int = 1
    also: Set[str] = frozenset()
    others: Sequence[History] = ()
    harmless_others: Sequence[History] = ()
    former_owners: Sequence[FormerOwner] = ()
    held_elsewhere: Set[UUID] = frozenset()
    book: Book | None = None

    def planted_view(self) -> AccountView:
        return view_of(self.sent, others=self.others, former_owners=self.former_owners, held_elsewhere=self.held_elsewhere, by=self.book)

    def harmless_view(self) -> AccountView:
        return view_of(self.harmless, others=self.harmless_others, former_owners=self.former_owners, by=self.book)

    def name(self) -> str:
        return f"{self.rule_id} {self.what}".strip()


def say(
    kind: str,
    *,
    period: period_pb2.Period | None = None,
    provider: str = "a",
    number: str | None = None,
    revision: int = 1,
    at: str = "",
    **content: Any,
) -> Sent:
    """Make what a provider sends of a kind, its fields as in the JSON mapping; a period of January 2024, or none with NEVER."""
    sent = message(record_number=number, record_revision=revision, facility_number=at)
    if period is not NEVER:
        sent.period.CopyFrom(period or month(2024, 1))
    body = getattr(sent, kind)
    body.SetInParent()
    json_format.ParseDict(content, body)
    return provider, sent


def pair(
    rule_id: str, what: str = "", *, before: Sequence[Sent] = (), finds: Sequence[Sent] | Sent, passes: Sequence[Sent] | Sent, **more: Any
) -> Planted:
    """Plant a case beside its near-miss; `before` stands in both."""
    return Planted(rule_id=rule_id, what=what, sent=[*before, *_list(finds)], harmless=[*before, *_list(passes)], **more)


def _list(sent: Sequence[Sent] | Sent) -> Sequence[Sent]:
    return [sent] if isinstance(sent, tuple) and isinstance(sent[1], intake.Submission) else sent  # type: ignore[list-item, return-value]

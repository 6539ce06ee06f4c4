"""Draws what providers may send about two subjects over time: every kind, corrections, withdrawals, early and misdirected ones.

Each business key stands once: of two records with one key and other bytes the first stays, which is the one thing that order decides.
"""

from __future__ import annotations

from carbonbureau.intake.v1 import submission_pb2 as intake
from hypothesis import strategies as st

from services.collector.domain.kinds import KINDS_WITHOUT_PERIOD, Kind
from tests.unit.collector.every_kind import example, rule_of, withdrawal
from tests.unit.collector.submissions import Sent, entry, month, owned

PROVIDERS = ("every-a", "every-b")
_FACILITIES = ("", "F1", "F2")
_AMOUNTS = ("0", "1", "12.5", "480.25", "99999.125")
# Kinds whose figures stand on an account are drawn as often as all others together.
_POSTED = (Kind.FUEL_USE, Kind.ELECTRICITY_USE, Kind.OUTPUT, Kind.REPORTED_EMISSIONS, Kind.REGISTRY_ENTRY, Kind.ALLOWANCE_TRANSACTION)


@st.composite
def histories(draw: st.DrawFn, *, codes: tuple[str, str], records_max: int = 12) -> list[Sent]:
    """Draw a history about two subjects, in no particular order."""
    sent: list[Sent] = []
    taken = set()
    for place in range(draw(st.integers(2, records_max))):
        provider = draw(st.sampled_from(PROVIDERS))
        kind = draw(st.sampled_from(_POSTED) | st.sampled_from(list(Kind)))
        number = f"{kind.value}-{place}"
        code = draw(st.sampled_from(codes))
        for revision in range(1, draw(st.sampled_from([1, 1, 1, 2, 3])) + 1):
            if draw(st.integers(0, 9)) == 0:
                # The revision never comes: later ones wait for it.
                continue
            # One in ten corrections names the other subject.
            about = codes[codes.index(code) - 1] if revision > 1 and draw(st.integers(0, 9)) == 0 else code
            if revision > 1 and draw(st.integers(0, 3)) == 0:
                one = withdrawal(kind.value, record_revision=revision, record_number=number, code=about)
            else:
                one = _record(draw, kind, about, number, revision)
            if (provider, kind, number, revision) not in taken:
                taken.add((provider, kind, number, revision))
                sent.append((provider, one))
    return sent


def _record(draw: st.DrawFn, kind: Kind, code: str, number: str, revision: int) -> intake.Submission:
    facility = draw(st.sampled_from(_FACILITIES))
    fields = {"record_number": number, "record_revision": revision, "code": code}
    if kind is Kind.REGISTRY_ENTRY:
        since = f"2024-0{draw(st.integers(1, 6))}-01"
        return entry(owned(draw(st.sampled_from(_FACILITIES[1:])), since), effective_date=since, **fields)
    if kind not in KINDS_WITHOUT_PERIOD:
        fields |= {"period": month(2024, draw(st.integers(1, 4))), "facility_number": facility}
    one = example(kind, **fields)
    content = getattr(one, kind.value.lower())
    for field, _ in content.ListFields():
        if field.type == field.TYPE_STRING and not field.is_repeated and rule_of(field) == "amount":
            setattr(content, field.name, draw(st.sampled_from(_AMOUNTS)))
    return one

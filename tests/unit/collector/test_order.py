"""An account is a function of the set of its submissions: of all kinds, with corrections and withdrawals, in whatever order."""

from __future__ import annotations

import random

from hypothesis import example as also
from hypothesis import given, settings
from hypothesis import strategies as st

from services.collector import accounts
from services.collector.domain.kinds import Kind
from tests.unit.collector.every_kind import example, withdrawal
from tests.unit.collector.histories import histories
from tests.unit.collector.submissions import CODE, Sent, code_of, rule_ids, view_of

OTHER = code_of(2)
EVERY_KIND: list[Sent] = [("a", example(kind, record_number=kind.value)) for kind in Kind]
EVERY_KIND += [("a", withdrawal(kind.value, record_number=kind.value)) for kind in list(Kind)[::2]]


def about(sent: list[Sent], code: str) -> list[Sent]:
    return [one for one in sent if one[1].subject_code == code]


def content(sent: list[Sent]) -> bytes:
    return accounts.state(view_of(sent), code=CODE).content_sha256


class TestAccounts:
    @settings(max_examples=120)
    @given(histories(codes=(CODE, OTHER)), st.integers(0, 2**32))
    @also(EVERY_KIND, 7)
    def test_are_the_same_in_any_order_of_arrival(self, sent: list[Sent], seed: int) -> None:
        own = about(sent, CODE)
        shuffled = own[:]
        random.Random(seed).shuffle(shuffled)
        assert content(shuffled) == content(own)

    def test_without_what_was_withdrawn_say_what_they_would_say_had_it_never_come(self) -> None:
        kept = [one for one in EVERY_KIND if not one[1].HasField("withdrawal")]
        withdrawn = {one.record_number for _, one in EVERY_KIND if one.HasField("withdrawal")}
        without = [one for one in kept if one[1].record_number not in withdrawn]
        assert content(EVERY_KIND) == content(without)
        assert content(EVERY_KIND) != content(kept)

    def test_of_a_withdrawal_before_its_record_wait_for_it(self) -> None:
        early: list[Sent] = [("a", withdrawal("REPORTED_EMISSIONS", record_number="R"))]
        assert "CORRECTION_PARKED" in rule_ids(view_of(early))
        both: list[Sent] = [*early, ("a", example(Kind.REPORTED_EMISSIONS, record_number="R"))]
        assert view_of(both).postings == []
        assert "CORRECTION_PARKED" not in rule_ids(view_of(both))

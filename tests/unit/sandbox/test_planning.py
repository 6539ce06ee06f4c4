"""What the providers send: the same bytes for the same seed, every kind of outcome, everything labelled."""

from collections import Counter, defaultdict
from dataclasses import fields
from decimal import Decimal

import pytest
from carbonbureau.intake.v1 import submission_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.amounts import parse_amount
from services.sandbox import wire
from services.sandbox.domain.falsification import Pattern
from services.sandbox.domain.mishaps import REFUSED_VARIETIES
from services.sandbox.domain.months import MONTHS
from services.sandbox.domain.planning import Order, in_order, province_plans
from services.sandbox.domain.statements import Expected, PlannedSubmission, Submission, Unreadable
from services.sandbox.province import generator_of

DOZEN = 12


def planned(*, seed: int = 3, subjects: int = DOZEN, months: int = MONTHS, order: Order = Order.BY_TIME) -> list[PlannedSubmission]:
    return in_order(province_plans(generator_of, seed=seed, subjects=subjects, months=months), order=order)


def business_key(record: PlannedSubmission) -> tuple[str, str, str, int]:
    assert isinstance(record.message, Submission)
    return (record.provider_code, record.message.kind.value, record.message.record_number, record.message.record_revision)


def readable(records: list[PlannedSubmission]) -> list[PlannedSubmission]:
    return [record for record in records if isinstance(record.message, Submission)]


class TestPlan:
    def test_is_the_same_bytes_for_the_same_seed(self) -> None:
        assert [wire.message_bytes(record) for record in planned()] == [wire.message_bytes(record) for record in planned()]

    @pytest.mark.parametrize("months", [1, 12, 24])
    def test_sends_the_same_bytes_when_it_sends_fewer_months(self, months: int) -> None:
        all_bytes = {wire.message_bytes(record) for record in planned()}
        fewer = planned(months=months)
        assert {wire.message_bytes(record) for record in fewer} <= all_bytes
        assert len(fewer) < len(all_bytes)

    def test_sends_the_same_records_in_either_order(self) -> None:
        by_time, by_subject = planned(order=Order.BY_TIME), planned(order=Order.BY_SUBJECT)
        assert Counter(map(wire.message_bytes, by_time)) == Counter(map(wire.message_bytes, by_subject))
        assert [record.send_order for record in by_subject] == list(range(len(by_subject)))

    def test_expects_every_class_of_outcome_from_a_dozen_subjects(self) -> None:
        assert {record.expected for record in planned()} == set(Expected)

    def test_plants_every_variety_of_refused_record_in_a_dozen_subjects(self) -> None:
        assert {record.note for record in planned() if record.expected is Expected.REJECTED} == set(REFUSED_VARIETIES)

    def test_plants_every_class_in_a_short_run_too(self) -> None:
        assert {record.expected for record in planned(months=6)} == set(Expected)

    @pytest.mark.parametrize("seed", range(5))
    def test_plants_both_patterns_of_falsification_and_labels_them(self, seed: int) -> None:
        plans = list(province_plans(generator_of, seed=seed, subjects=DOZEN))
        falsifications = [plan.falsification for plan in plans if plan.falsification is not None]
        assert {falsification.pattern for falsification in falsifications} == set(Pattern)
        for plan in plans:
            labelled = [draft for draft in plan.drafts if draft.falsification]
            assert bool(labelled) == (plan.falsification is not None)

    def test_copies_a_month_s_figures_exactly(self) -> None:
        (plan,) = (
            plan
            for plan in province_plans(generator_of, seed=3, subjects=DOZEN)
            if plan.falsification is not None and plan.falsification.pattern is Pattern.COPIED_MONTHS
        )
        assert plan.falsification is not None
        contents = defaultdict(set)
        for draft in plan.drafts:
            # A wrong first figure of a record that is corrected later is a mishap, not the copy.
            if draft.falsification and draft.expected is Expected.ACCEPTED and draft.note not in ("wrong_at_first", "overtaken_original"):
                contents[draft.submission.facility_number].add(draft.submission.content)
        assert all(len(copies) == 1 for copies in contents.values())

    @pytest.mark.parametrize("order", list(Order))
    def test_expects_exactly_what_the_order_of_each_topic_makes_true(self, order: Order) -> None:
        """A duplicate follows the same bytes, a conflict follows other bytes, a parked correction precedes its original."""
        first_bytes: dict[tuple[str, str, str, int], bytes] = {}
        parked: set[tuple[str, str, str]] = set()
        for record in readable(planned(subjects=60, order=order)):
            key, value = business_key(record), wire.message_bytes(record)
            match record.expected:
                case Expected.DUPLICATE:
                    assert first_bytes[key] == value
                    continue
                case Expected.REJECTED:
                    assert (key in first_bytes) == (record.note == "same_key_other_bytes")
                    assert first_bytes.get(key) != value
                    continue
                case Expected.PARKED_THEN_EFFECTIVE:
                    assert (*key[:3], 1) not in first_bytes
                    parked.add(key[:3])
                case _:
                    assert key[3] == 1 or (*key[:3], key[3] - 1) in first_bytes or key[:3] in parked
            assert key not in first_bytes
            first_bytes[key] = value
        assert all((*record, 1) in first_bytes for record in parked)

    def test_sends_every_record_on_a_topic_of_its_own_provider(self) -> None:
        assert all(record.topic.endswith(f".v1.{record.provider_code}") for record in planned())

    def test_refuses_a_number_of_months_that_the_history_does_not_have(self) -> None:
        with pytest.raises(ValueError, match="between 1 and 36"):
            planned(months=MONTHS + 1)


def amounts_of(message: Submission) -> list[Decimal]:
    values = (getattr(message.content, field.name) for field in fields(message.content))
    return [value for value in values if isinstance(value, Decimal)]


class TestWire:
    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(min_value=0, max_value=10_000))
    def test_writes_every_amount_as_a_decimal_string_of_the_contract(self, seed: int) -> None:
        for record in planned(seed=seed, subjects=3):
            if isinstance(record.message, Unreadable):
                continue
            message = submission_pb2.Submission.FromString(wire.message_bytes(record))
            content = getattr(message, str(message.WhichOneof("content")))
            for field, value in content.ListFields():
                if field.name.endswith(("_t", "_mwh", "_tco2e", "_yuan", "_per_unit", "_percent")):
                    parse_amount(value)

    def test_keeps_what_is_stated(self) -> None:
        for record in readable(planned(subjects=4)):
            assert isinstance(record.message, Submission)
            message = submission_pb2.Submission.FromString(wire.message_bytes(record))
            assert message.subject_code == record.message.subject_code
            assert message.record_number == record.message.record_number
            assert message.WhichOneof("content") == record.message.kind.value.lower()
            if record.message.period is not None:
                assert message.period.start_date == record.message.period.start.isoformat()
            texts = {str(value) for _, value in getattr(message, str(message.WhichOneof("content"))).ListFields()}
            assert all(f"{amount:f}" in texts for amount in amounts_of(record.message) if amount)

    def test_makes_unreadable_bytes_that_no_reader_reads(self) -> None:
        unreadable = [record for record in planned() if isinstance(record.message, Unreadable)]
        assert unreadable
        for record in unreadable:
            with pytest.raises(Exception, match=r"[Pp]ars"):
                submission_pb2.Submission.FromString(wire.message_bytes(record))

"""The bench's load touches each subject at most once at a time and always changes its account."""

from datetime import UTC, datetime
from random import Random

import pytest

from services.sandbox import wire
from services.sandbox.domain.bench_load import LiveLoad, bench_plans, history
from services.sandbox.domain.months import MONTHS
from services.sandbox.domain.planning import SubjectPlan
from services.sandbox.domain.statements import Kind, Submission
from services.sandbox.province import generator_of

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture(scope="module")
def plans() -> list[SubjectPlan]:
    return bench_plans(generator_of, seed=1, subjects=15)


class TestHistory:
    def test_has_36_months_of_output_and_emissions_or_energy_for_every_subject(self, plans: list[SubjectPlan]) -> None:
        for plan in plans:
            months = {kind: {draft.month for draft in plan.drafts if draft.kind is kind} for kind in Kind}
            assert len(months[Kind.OUTPUT]) == MONTHS
            assert MONTHS in (len(months[Kind.FUEL_USE]), len(months[Kind.REPORTED_EMISSIONS]))

    def test_has_every_kind(self, plans: list[SubjectPlan]) -> None:
        assert {draft.kind for plan in plans for draft in plan.drafts} == set(Kind)

    def test_sends_no_business_key_twice(self, plans: list[SubjectPlan]) -> None:
        values = [wire.message_bytes(one) for one in history(plans)]
        assert len(set(values)) == len(values)


class TestLiveLoad:
    def test_hands_out_each_subject_once_until_it_is_released(self, plans: list[SubjectPlan]) -> None:
        load = LiveLoad(Random(1), plans)
        taken = [load.take(compiled_time=NOW) for _ in plans]
        assert len({one.key for one in taken if one is not None}) == len(plans)
        assert load.take(compiled_time=NOW) is None
        assert taken[0] is not None
        load.release(taken[0].key)
        again = load.take(compiled_time=NOW)
        assert again is not None
        assert again.key == taken[0].key

    def test_corrects_records_in_an_unbroken_chain_with_new_figures(self, plans: list[SubjectPlan]) -> None:
        load = LiveLoad(Random(2), plans)
        latest = {
            (one.provider_code, one.message.kind, one.message.record_number): one.message
            for one in history(plans)
            if isinstance(one.message, Submission)
        }
        for _ in range(2_000):
            one = load.take(compiled_time=NOW)
            assert one is not None
            assert isinstance(one.message, Submission)
            key = (one.provider_code, one.message.kind, one.message.record_number)
            assert one.message.record_revision == latest[key].record_revision + 1
            assert one.message.content != latest[key].content
            latest[key] = one.message
            load.release(one.key)

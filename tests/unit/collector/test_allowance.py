"""The allowance account: replayed by day, stated by ETS year, and never dependent on the order in which records come."""

from __future__ import annotations

import random
from decimal import Decimal

from carbonbureau.accounts.v1 import account_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from services.collector import accounts
from services.collector.domain.allowance import EtsYear, Irregularity
from tests.unit.collector.market import ccer, holding, moved, verified
from tests.unit.collector.submissions import CODE, METERED, Sent, electricity, month, reported, rule_ids, view_of

MEE = "mee-registry"


def sent(*submissions: object) -> list[Sent]:
    return [(MEE, one) for one in submissions]  # type: ignore[misc]


def year_of(submissions: list[Sent], ets_year: int = 2023) -> EtsYear:
    (found,) = (one for one in view_of(submissions).allowances.years if one.ets_year == ets_year)
    return found


def irregular(submissions: list[Sent]) -> list[Irregularity]:
    return [one.what for one in view_of(submissions).allowances.irregular]


def stated(submissions: list[Sent]) -> account_pb2.AllowanceAccount:
    return accounts.state(view_of(submissions), code=CODE).message.allowances


class TestHoldings:
    def test_are_what_came_less_what_left(self) -> None:
        year = year_of(
            sent(
                moved("GRANTED", "100"),
                moved("BOUGHT", "20.5"),
                moved("SOLD", "10", on="2024-04-01"),
                moved("CANCELLED", "0.5", on="2024-04-02"),
            )
        )
        assert (year.granted_t, year.bought_t, year.sold_t, year.held_t) == (100, Decimal("20.5"), 10, 110)

    def test_within_a_day_take_the_order_that_is_best_for_the_subject(self) -> None:
        same_day = sent(moved("SOLD", "100"), moved("PLEDGED", "40", pledge="P"), moved("GRANTED", "140"))
        assert irregular(same_day) == []
        assert year_of(same_day).held_t == 40

    def test_as_the_registry_states_them_stand_from_their_day_on(self) -> None:
        records = sent(
            moved("GRANTED", "100"),
            holding("90", frozen="5", borrowed="3", on="2024-06-30"),
            moved("SOLD", "30", on="2024-07-01"),
        )
        year = year_of(records)
        assert (year.held_t, year.frozen_t, year.borrowed_t) == (60, 5, 3)
        assert irregular(records) == [Irregularity.HOLDING_CONTRADICTS]

    def test_of_before_the_records_begin_are_no_contradiction(self) -> None:
        assert irregular(sent(holding("90", pledged="10"), moved("SOLD", "80", on="2024-07-01"))) == []

    def test_pledged_before_the_records_begin_can_be_released_by_any_number(self) -> None:
        records = sent(holding("90", pledged="10"), moved("RELEASED", "10", on="2024-07-01", pledge="P-7"))
        assert irregular(records) == []
        assert year_of(records).pledged_t == 0

    def test_count_a_transaction_once_that_two_providers_tell_of(self) -> None:
        twice: list[Sent] = [(one, moved("GRANTED", "100", number="T-1")) for one in ("exchange", "registry")]
        assert year_of(twice).held_t == 100
        assert irregular(twice) == []


class TestPledges:
    def test_stand_by_their_number_until_they_are_released(self) -> None:
        records = sent(
            moved("GRANTED", "100"),
            moved("PLEDGED", "60", on="2024-04-01", pledge="P-1"),
            moved("PLEDGED", "30", on="2024-04-02", pledge="P-2"),
            moved("RELEASED", "20", on="2024-05-01", pledge="P-1"),
            moved("RELEASED", "30", on="2024-05-02", pledge="P-2"),
        )
        assert [(one.pledge_number, one.pledged_t) for one in stated(records).pledges] == [("P-1", "40.000000")]
        assert irregular(records) == []

    def test_of_what_is_pledged_already_are_found(self) -> None:
        records = sent(
            moved("GRANTED", "100"),
            moved("PLEDGED", "60", on="2024-04-01", pledge="P-1", lender=5),
            moved("PLEDGED", "41", on="2024-04-02", pledge="P-2", lender=6),
        )
        assert irregular(records) == [Irregularity.DOUBLE_PLEDGE]

    def test_released_between_are_no_double_pledge_even_when_the_release_comes_last(self) -> None:
        records = sent(
            moved("GRANTED", "100"),
            moved("PLEDGED", "60", on="2024-04-01", pledge="P-1"),
            moved("PLEDGED", "100", on="2024-04-03", pledge="P-2"),
            moved("RELEASED", "60", on="2024-04-02", pledge="P-1"),
        )
        assert irregular(records) == []

    def test_do_not_keep_allowances_of_another_vintage(self) -> None:
        records = sent(
            moved("GRANTED", "100"),
            moved("GRANTED", "100", ets_year=2024),
            moved("PLEDGED", "100", on="2024-04-01", pledge="P-1"),
            moved("SOLD", "100", on="2024-04-02", ets_year=2024),
        )
        assert irregular(records) == []


class TestSurrender:
    def test_takes_the_vintage_of_its_year_then_older_then_younger_ones(self) -> None:
        records = sent(
            moved("GRANTED", "10", ets_year=2021),
            moved("GRANTED", "10", ets_year=2022),
            moved("GRANTED", "10", ets_year=2023),
            moved("GRANTED", "10", ets_year=2024),
            moved("BORROWED", "10", ets_year=2024),
            moved("SURRENDERED", "33", on="2024-12-01", ets_year=2023),
        )
        assert [(one.ets_year, one.held_t) for one in view_of(records).allowances.years] == [(2021, 0), (2022, 0), (2023, 0), (2024, 17)]
        assert irregular(records) == []

    def test_never_takes_more_of_a_younger_vintage_than_was_borrowed(self) -> None:
        records = sent(
            moved("GRANTED", "5"),
            moved("GRANTED", "100", ets_year=2024),
            moved("BORROWED", "3", ets_year=2024),
            moved("SURRENDERED", "10", on="2024-12-01"),
        )
        assert irregular(records) == [Irregularity.OVERDRAWN]
        assert [(one.held_t, one.overdrawn_t) for one in view_of(records).allowances.years] == [(0, 2), (100, 0)]

    def test_of_allowances_that_nobody_told_of_is_no_overdraft(self) -> None:
        records = sent(verified("12"), moved("SURRENDERED", "12", on="2024-12-01"))
        assert irregular(records) == [Irregularity.HOLDINGS_UNKNOWN]
        assert (stated(records).overdrawn_t, stated(records).years[0].held_t, stated(records).years[0].overdrawn_t) == ("0.000000", "", "")
        assert year_of(records).surrender_gap_t == 0

    def test_uses_what_is_free_before_what_is_pledged(self) -> None:
        free_elsewhere = sent(
            moved("GRANTED", "10"),
            moved("PLEDGED", "10", pledge="P"),
            moved("GRANTED", "10", ets_year=2022),
            moved("SURRENDERED", "10", on="2024-12-01"),
        )
        assert irregular(free_elsewhere) == []
        assert irregular([*free_elsewhere, *sent(moved("SURRENDERED", "1", on="2024-12-02"))]) == [Irregularity.ENCUMBERED_USED]

    def test_of_more_than_there_is_overdraws_the_year_of_the_obligation(self) -> None:
        records = sent(moved("GRANTED", "10"), moved("SURRENDERED", "12", on="2024-12-01"))
        assert irregular(records) == [Irregularity.OVERDRAWN]
        assert stated(records).overdrawn_t == "2.000000"
        assert year_of(records).held_t == 0

    def test_leaves_the_gap_of_each_year_with_reductions_up_to_five_percent(self) -> None:
        records = sent(
            verified("100"),
            moved("GRANTED", "80"),
            moved("SURRENDERED", "80", on="2024-12-01"),
            ccer("BOUGHT", "10", on="2024-01-01"),
            ccer("RETIRED", "7"),
        )
        year = year_of(records)
        assert (year.offset_retired_t, year.offset_counted_t, year.surrender_gap_t) == (7, 5, 15)
        assert stated(records).offset_held_t == "3.000000"
        assert irregular(records) == [Irregularity.OFFSET_BEYOND_LIMIT]

    def test_of_a_year_that_nobody_verified_has_no_gap(self) -> None:
        figures = stated(sent(moved("GRANTED", "80"))).years[0]
        assert (figures.verified_t, figures.offset_counted_t, figures.surrender_gap_t) == ("", "", "")

    def test_is_overdue_when_a_record_speaks_of_a_later_day_than_the_last(self) -> None:
        due: list[Sent] = [*sent(verified("100")), ("grid", electricity("1", basis=METERED, period=month(2024, 12)))]
        assert irregular(due) == []
        later: Sent = ("grid", electricity("1", basis=METERED, period=month(2025, 1)))
        assert irregular([*due, later]) == [Irregularity.SURRENDER_OVERDUE]


class TestObligation:
    def test_is_the_sum_over_facilities_and_never_less_than_a_figure_of_the_whole(self) -> None:
        parts = sent(verified("30", facility_number="F1"), verified("40", facility_number="F2"))
        assert year_of(parts).verified_t == 70
        assert year_of([*parts, *sent(verified("75"))]).verified_t == 75

    def test_takes_the_larger_of_two_figures_and_says_that_they_differ(self) -> None:
        records = sent(verified("30"), verified("40"))
        assert year_of(records).verified_t == 40
        assert irregular(records) == [Irregularity.VERIFIED_DIFFERS]


class TestStatement:
    def test_without_anything_known_has_no_allowance_account(self) -> None:
        message = accounts.state(view_of([("eco", reported("1"))]), code=CODE).message
        assert not message.HasField("allowances")

    def test_of_sums_beyond_every_limit_leaves_the_year_out_and_says_so(self) -> None:
        largest = "1000000000000"
        records = sent(*(moved("GRANTED", largest) for _ in range(1001)), moved("GRANTED", "5", ets_year=2024))
        records += sent(*(moved("PLEDGED", largest, pledge="P") for _ in range(1001)), *(ccer("RETIRED", largest) for _ in range(1001)))
        assert [year.ets_year for year in stated(records).years] == [2024]
        assert stated(records).pledges == []
        assert "ALLOWANCES_BEYOND_LIMIT" in rule_ids(view_of(records))

    def test_of_every_year_is_an_amount_at_the_limit(self) -> None:
        records = sent(*(moved("SOLD", "100000000000", ets_year=year) for year in range(1990, 2101)))
        records += sent(*(moved("GRANTED", "0", ets_year=year) for year in range(1990, 2101)))
        assert stated(records).overdrawn_t == "11100000000000.000000"


MOVEMENTS = [
    "GRANTED",
    "BOUGHT",
    "SOLD",
    "BORROWED",
    "BORROWING_RETURNED",
    "PLEDGED",
    "RELEASED",
    "FROZEN",
    "UNFROZEN",
    "SURRENDERED",
    "CANCELLED",
]


@st.composite
def records(draw: st.DrawFn) -> list[Sent]:
    """Draw records of few days, years, numbers and pledges, so that they collide."""
    drawn: list[Sent] = []
    for place in range(draw(st.integers(1, 14))):
        provider = draw(st.sampled_from(["a", "b"]))
        on = f"2024-0{draw(st.integers(1, 4))}-01"
        ets_year, amount = draw(st.sampled_from([2022, 2023])), str(draw(st.integers(0, 9)))
        match draw(st.sampled_from(["moved", "moved", "moved", "holding", "ccer", "verified"])):
            case "moved":
                number, pledge = draw(st.sampled_from(["T1", f"T-{place}"])), draw(st.sampled_from(["P1", "P2"]))
                made = moved(draw(st.sampled_from(MOVEMENTS)), amount, on=on, ets_year=ets_year, number=number, pledge=pledge)
            case "holding":
                made = holding(
                    amount, on=on, ets_year=ets_year, pledged=draw(st.sampled_from(["", "3"])), overdrawn=draw(st.sampled_from(["", "1"]))
                )
            case "ccer":
                made = ccer(draw(st.sampled_from(["BOUGHT", "RETIRED", "SOLD"])), amount, on=on, ets_year=ets_year)
            case _:
                made = verified(amount, ets_year=ets_year)
        drawn.append((provider, made))
    return drawn


class TestAnyRecords:
    @settings(max_examples=150, deadline=None)
    @given(records(), st.integers(0, 2**32))
    def test_make_the_same_statement_and_findings_in_any_order(self, drawn: list[Sent], seed: int) -> None:
        shuffled = drawn[:]
        random.Random(seed).shuffle(shuffled)
        assert accounts.state(view_of(shuffled), code=CODE).content_sha256 == accounts.state(view_of(drawn), code=CODE).content_sha256

    @settings(max_examples=100, deadline=None)
    @given(records())
    def test_hold_no_negative_amount_and_balance(self, drawn: list[Sent]) -> None:
        drawn = [(one, record) for one, record in drawn if not record.HasField("allowance_holding")]
        account = view_of(drawn).allowances
        for year in account.years:
            assert min(year.figures()) >= 0
            assert not (year.held_t and year.overdrawn_t)
        if any(year.held_t is None for year in account.years):
            return
        net = sum(((year.held_t or 0) - (year.overdrawn_t or 0) for year in account.years), Decimal(0))
        once = {
            (one.transaction_number, one.movement, one.ets_year): one
            for _, record in sorted(drawn, key=lambda one: (one[0], one[1].record_number), reverse=True)
            for one in [record.allowance_transaction]
            if record.HasField("allowance_transaction")
        }
        into, out = {1, 2, 4}, {3, 5, 10, 11}
        expected = sum((Decimal(one.quantity_t) * ((one.movement in into) - (one.movement in out)) for one in once.values()), Decimal(0))
        assert net == expected

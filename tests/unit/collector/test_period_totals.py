"""Totals by month, quarter and year: nothing is cut, nothing counts twice, and what is missing is said."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.collector import accounts, events, statement_reading
from services.collector.domain.period_totals import ByPeriod, EmissionLine, Granularity, PeriodTotals, by_period
from services.collector.store.accounts import SealedRevision
from services.collector.totals_text import totals_json, totals_text
from services.common.civil_time import Period
from tests.unit.collector.market import moved, verified
from tests.unit.collector.submissions import (
    CODE,
    VERIFIED,
    Sent,
    days,
    electricity,
    entry,
    month,
    output,
    reported,
    tax_return,
    view_of,
    year,
)

KNOWN_AT = datetime(2026, 11, 21, tzinfo=UTC)


def sealed(sent: Iterable[Sent]) -> SealedRevision:
    exact = events.sealed(accounts.state(view_of(sent), code=CODE).message, account_revision=1, known_at=KNOWN_AT)
    return SealedRevision(account_revision=1, known_at=KNOWN_AT, statement=exact, statement_sha256=sha256(exact).digest())


def totals(sent: Iterable[Sent], granularity: Granularity) -> ByPeriod:
    message = accounts.state(view_of(sent), code=CODE).message
    return statement_reading.totals(message, granularity)


def amounts(found: ByPeriod) -> dict[str, Decimal]:
    """Give the total of all scopes by period."""
    return {one.name: one.totals[-1].amount_tco2e for one in found.periods if one.totals}


def missing(found: ByPeriod) -> dict[str, list[str]]:
    return {one.name: list(one.missing) for one in found.periods if one.missing}


def months(number: int, amount: str = "10") -> list[Sent]:
    return [("eco", reported(amount, period=month(2024, one))) for one in range(1, number + 1)]


class TestTotals:
    def test_stand_in_every_granularity_that_holds_the_figure(self) -> None:
        sent = months(12)
        assert amounts(totals(sent, Granularity.MONTH)) == {f"2024-{number:02d}": 10 for number in range(1, 13)}
        assert amounts(totals(sent, Granularity.QUARTER)) == {f"2024-Q{number}": 30 for number in range(1, 5)}
        assert amounts(totals(sent, Granularity.YEAR)) == {"2024": 120}
        assert all(not missing(totals(sent, granularity)) for granularity in Granularity)

    def test_are_told_by_scope_and_carrier_with_the_worst_quality(self) -> None:
        (found,) = totals(
            [
                ("eco", reported("7", "2", carrier="coal")),
                ("eco", reported("1", carrier="gas", basis=VERIFIED)),
            ],
            Granularity.MONTH,
        ).periods
        told = [(one.scope, one.carrier, one.amount_tco2e, one.data_quality) for one in found.totals]
        assert told == [(1, "coal", 7, 4), (1, "gas", 1, 1), (1, None, 8, 4), (2, "coal", 2, 4), (2, None, 2, 4), (None, None, 10, 4)]

    def test_combine_uncertainties_in_quadrature_and_name_the_bound(self) -> None:
        """Two lines of 30 t and 40 t, each ±15 %: 7.5 t of 70 t, at most 10.5 t."""
        (found,) = totals([("eco", reported("30", carrier="coal")), ("eco", reported("40", carrier="gas"))], Granularity.MONTH).periods
        total = found.totals[-1]
        assert (total.standard_uncertainty_percent, total.uncertainty_bound_percent) == (Decimal("10.71"), Decimal("15.00"))

    def test_of_nothing_are_certain(self) -> None:
        (found,) = totals([("eco", reported("0"))], Granularity.MONTH).periods
        assert found.totals[-1].standard_uncertainty_percent == 0


class TestFiguresThatCrossABorder:
    def test_stand_in_the_coarser_period_and_the_finer_ones_say_so(self) -> None:
        sent: list[Sent] = [
            ("eco", reported("300", period=days("2024-01-01", "2024-04-01"))),
            ("eco", reported("9", period=month(2024, 4))),
        ]
        by_month = totals(sent, Granularity.MONTH)
        assert amounts(by_month) == {"2024-04": 9}
        assert list(missing(by_month)) == ["2024-01", "2024-02", "2024-03"]
        assert missing(by_month)["2024-02"][0] == "a figure of 2024-01-01 to 2024-04-01 is not divided"
        assert [one.stands_in for one in by_month.elsewhere] == ["quarter 2024-Q1"]
        assert amounts(totals(sent, Granularity.QUARTER)) == {"2024-Q1": 300, "2024-Q2": 9}

    def test_of_every_period_stand_apart(self) -> None:
        found = totals([("cer", reported("12", period=days("2023-07-01", "2024-07-01")))], Granularity.YEAR)
        assert amounts(found) == {}
        assert list(missing(found)) == ["2023", "2024"]
        assert [(one.stands_in, one.line.amount_tco2e) for one in found.elsewhere] == [("", 12)]

    def test_of_a_leap_day_belong_to_its_month(self) -> None:
        assert amounts(totals([("eco", reported("1", period=days("2024-02-29", "2024-03-01")))], Granularity.MONTH)) == {"2024-02": 1}


class TestCompleteness:
    def test_is_denied_where_a_month_has_not_come(self) -> None:
        found = totals(months(11), Granularity.YEAR)
        assert missing(found) == {"2024": ["emissions of 2024-12 are not all there"]}

    def test_is_denied_where_something_is_known_that_is_not_posted(self) -> None:
        """Electricity of 2020 has no grid factor: the year is not complete, whatever else was posted."""
        sent: list[Sent] = [("ndrc", entry()), ("grid", electricity("5", period=month(2020, 1)))]
        sent += [("eco", reported("5", carrier="coal", period=year(2020)))]
        (reason,) = missing(totals(sent, Granularity.YEAR))["2020"]
        assert "does not stand on the account" in reason


class TestIntensity:
    def intensities(self, sent: Iterable[Sent], granularity: Granularity = Granularity.YEAR) -> dict[str, tuple[str, int]]:
        (found,) = totals(sent, granularity).periods
        return {one.per: (str(one.tco2e_per_unit), one.data_quality) for one in found.intensities}

    def test_is_given_by_output_value_added_and_tax_where_all_is_there(self) -> None:
        sent = months(12)
        sent += [("stats", output("5", product="coke", period=month(2024, number))) for number in range(1, 13)]
        sent += [("tax", tax_return("20000", added="300000", period=month(2024, number))) for number in range(1, 13)]
        assert self.intensities(sent) == {
            "output of coke": ("2.000000", 4),
            "value added": ("0.333333", 4),
            "tax paid": ("5.000000", 4),
        }

    @pytest.mark.parametrize("gone", [1, 6, 12])
    def test_is_not_given_where_a_month_of_the_denominator_is_missing(self, gone: int) -> None:
        sent = months(12)
        sent += [("stats", output("5", period=month(2024, number))) for number in range(1, 13) if number != gone]
        sent += [("tax", tax_return("20000", added="1", period=month(2024, number))) for number in range(1, 13) if number != gone]
        assert self.intensities(sent) == {}

    def test_by_value_added_is_not_given_where_one_return_leaves_it_out_or_it_is_negative(self) -> None:
        sent = [*months(1), ("tax", tax_return("20000"))]
        assert set(self.intensities(sent, Granularity.MONTH)) == {"tax paid"}
        sent = [*months(1), ("tax", tax_return("20000", added="-5"))]
        assert set(self.intensities(sent, Granularity.MONTH)) == {"tax paid"}

    def test_is_not_given_for_emissions_that_are_incomplete(self) -> None:
        sent = [*months(11), ("tax", tax_return("20000", period=year(2024)))]
        assert self.intensities(sent) == {}


class TestWritten:
    SENT: tuple[Sent, ...] = (
        *months(12),
        ("mee", verified("100", ets_year=2024)),
        ("mee", moved("SURRENDERED", "80", on="2025-12-01", ets_year=2024)),
    )

    def test_as_json_is_the_same_whenever_it_is_asked(self) -> None:
        first, second = (totals_json(sealed(sent), Granularity.ETS_YEAR) for sent in (self.SENT, self.SENT[::-1]))
        assert first == second
        (period,) = json.loads(first)["periods"]
        assert period["obligation"] == {
            "verified_t": "100.000000",
            "surrendered_t": "80.000000",
            "offset_counted_t": "0.000000",
            "surrender_gap_t": "20.000000",
        }

    @pytest.mark.parametrize("granularity", list(Granularity))
    def test_as_text_names_every_period(self, granularity: Granularity) -> None:
        sent = [*self.SENT, ("eco", reported("1", facility_number="F", period=days("2023-12-31", "2024-01-02")))]
        text = totals_text(sealed(sent), granularity)
        for name in amounts(totals(sent, granularity)):
            assert name in text
        assert "stands in no period" in text


@st.composite
def lines(draw: st.DrawFn) -> list[EmissionLine]:
    made = []
    for _ in range(draw(st.integers(0, 12))):
        start = date(2023, 1, 1) + timedelta(days=draw(st.integers(0, 800)))
        if draw(st.booleans()):
            start = start.replace(day=1)
        made.append(
            EmissionLine(
                facility_id=UUID(int=draw(st.integers(1, 2))),
                period=Period(
                    start=start, end=start + timedelta(days=draw(st.sampled_from([1, 28, 30, 31, 90, 366]))), zone="Asia/Shanghai"
                ),
                scope=draw(st.sampled_from([1, 2])),
                energy_carrier=draw(st.sampled_from(["", "coal"])),
                amount_tco2e=Decimal(draw(st.integers(-5, 1000))).scaleb(-1),
                data_quality=draw(st.integers(1, 5)),
                standard_uncertainty_percent=Decimal(draw(st.integers(0, 100))),
                treatment=draw(st.sampled_from(["IN_TOTAL", "IN_TOTAL", "BIOMASS"])),
            )
        )
    return made


def added(drawn: list[EmissionLine], granularity: Granularity) -> ByPeriod:
    return by_period(granularity=granularity, lines=drawn, outputs=[], fiscal=[], incomplete=[], industry_code="")


def whole(period: PeriodTotals) -> Decimal:
    return sum((one.amount_tco2e for one in period.totals if one.scope is not None and one.carrier is None), Decimal(0))


class TestAnyLines:
    @settings(max_examples=150)
    @given(lines(), st.sampled_from(list(Granularity)), st.randoms(use_true_random=False))
    def test_count_each_exactly_once_in_whatever_order(self, drawn: list[EmissionLine], granularity: Granularity, chance: object) -> None:
        found = added(drawn, granularity)
        counted = sum((whole(one) for one in found.periods), Decimal(0))
        assert counted + sum((one.line.amount_tco2e for one in found.elsewhere), Decimal(0)) == sum(
            (line.amount_tco2e for line in drawn), Decimal(0)
        )
        shuffled = drawn[:]
        chance.shuffle(shuffled)  # type: ignore[attr-defined]
        again = added(shuffled, granularity)
        assert again.periods == found.periods

    @settings(max_examples=50)
    @given(st.lists(st.integers(-50, 10_000), min_size=12, max_size=12), st.sets(st.integers(0, 11), max_size=2))
    def test_complete_months_add_up_to_their_year(self, grams: list[int], gone: set[int]) -> None:
        drawn = [
            EmissionLine(
                facility_id=UUID(int=1),
                period=Granularity.MONTH.around(date(2024, number + 1, 5), "Asia/Shanghai"),
                scope=1,
                energy_carrier="coal",
                amount_tco2e=Decimal(amount).scaleb(-6),
                data_quality=2,
                standard_uncertainty_percent=Decimal(5),
            )
            for number, amount in enumerate(grams)
            if number not in gone
        ]
        by_month, (of_year,) = added(drawn, Granularity.MONTH).periods, added(drawn, Granularity.YEAR).periods
        assert of_year.totals[-1].amount_tco2e == sum((one.totals[-1].amount_tco2e for one in by_month), Decimal(0))
        assert bool(of_year.missing) == bool(gone)

    @settings(max_examples=100)
    @given(lines())
    def test_never_show_a_better_quality_than_the_worst_line_nor_more_certainty_than_the_bound(self, drawn: list[EmissionLine]) -> None:
        for period in added(drawn, Granularity.YEAR).periods:
            for total in period.totals:
                inside = [
                    line
                    for line in drawn
                    if period.period.start <= line.period.start
                    and line.period.end <= period.period.end
                    and line.treatment == total.treatment
                    and total.scope in (None, line.scope)
                    and total.carrier in (None, line.energy_carrier)
                ]
                assert total.data_quality == max(line.data_quality for line in inside)
                assert total.standard_uncertainty_percent <= total.uncertainty_bound_percent

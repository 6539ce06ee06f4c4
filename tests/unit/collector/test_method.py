"""The accounting methods: worked examples by hand in rational arithmetic, and what becomes of missing and doubled factors."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from carbonbureau.intake.v1 import submission_pb2 as intake

from services.collector.domain.account import AccountView
from services.collector.domain.emissions import Book
from services.collector.domain.method import Factor, FactorGap, MethodKind, MethodPack
from services.collector.domain.posting import Posting
from services.common.civil_time import Period
from tests.unit.collector.submissions import (
    DECLARED,
    INVOICED,
    METERED,
    VERIFIED,
    electricity,
    entry,
    fuel,
    month,
    reported,
    rule_ids,
    the_book,
    view_of,
    year,
)

POWER = next(pack for pack in the_book().packs if pack.code == "fossil-power-generation")
NEEDED = frozenset({"ncv_gj_per_unit", "grid_tco2_per_mwh"})
ONE_KILOGRAM = Fraction(1, 1000)


def only(view: AccountView) -> Posting:
    (posting,) = in_total(view)
    return posting


def in_total(view: AccountView) -> list[Posting]:
    return [posting for posting in view.postings if posting.in_total()]


def power(*sent: intake.Submission, provider: str = "ent-sx") -> AccountView:
    return view_of([("ndrc-sx", entry()), *((provider, one) for one in sent)])


def the_factor(key: str, unit: str, *, region: str = "140400", start: date, end: date, pack: MethodPack = POWER) -> Factor | FactorGap:
    return pack.factor(key=key, unit=unit, region=region, period=Period(start=start, end=end, zone="Asia/Shanghai"), needed=NEEDED)


# E = FC × NCV × CC × OF × 44/12, by the guideline's defaults unless measured. The first by hand, step by step: 26.7 GJ/t × 0.03085
# tC/GJ = 0.823695 tC/t; × 0.99 = 0.81545805; × 44/12 = 2.99001285 tCO2/t; × 123,456.789 t = 369,137.38553 tCO2.
CARBON_TO_CO2 = Fraction(44, 12)
WORKED = [
    (
        "coal by the defaults from 2023 on",
        fuel("123456.789", period=month(2024, 1)),
        Fraction("123456.789") * Fraction("26.7") * Fraction("0.03085") * Fraction("0.99") * CARBON_TO_CO2,
        369_137_386,
    ),
    (
        "coal by the older default until 2022",
        fuel("1000", period=month(2022, 12)),
        1000 * Fraction("26.7") * Fraction("0.03356") * Fraction("0.99") * CARBON_TO_CO2,
        3_252_669,
    ),
    (
        "coal with measured heat and carbon",
        fuel("5000.5", period=month(2024, 6), ncv="21.456", carbon="0.02674"),
        Fraction("5000.5") * Fraction("21.456") * Fraction("0.02674") * Fraction("0.99") * CARBON_TO_CO2,
        10_414_303,
    ),
    (
        "natural gas in ten thousand cubic metres",
        fuel("", volume="77.25", fuel_code="natural_gas", period=month(2023, 3)),
        Fraction("77.25") * Fraction("389.31") * Fraction("0.01532") * Fraction("0.99") * CARBON_TO_CO2,
        1_672_474,
    ),
    (
        "diesel for starting up",
        fuel("33.333", fuel_code="diesel", period=month(2023, 3)),
        Fraction("33.333") * Fraction("42.652") * Fraction("0.0202") * Fraction("0.98") * CARBON_TO_CO2,
        103_196,
    ),
    (
        "fuel oil",
        fuel("10", fuel_code="fuel_oil"),
        10 * Fraction("41.816") * Fraction("0.0211") * Fraction("0.98") * CARBON_TO_CO2,
        31_705,
    ),
    (
        "gasoline",
        fuel("10", fuel_code="gasoline"),
        10 * Fraction("43.07") * Fraction("0.0189") * Fraction("0.98") * CARBON_TO_CO2,
        29_250,
    ),
    ("electricity of 2021", electricity("1000", period=month(2021, 5)), 1000 * Fraction("0.7222"), 722_200),
    ("electricity of 2022", electricity("1000", period=month(2022, 5)), 1000 * Fraction("0.7096"), 709_600),
    ("electricity of 2023", electricity("1000", period=month(2023, 5)), 1000 * Fraction("0.6634"), 663_400),
    ("electricity of 2025, by the factor carried forward", electricity("1000", period=month(2025, 5)), 1000 * Fraction("0.6634"), 663_400),
]


class TestWorkedExamples:
    @pytest.mark.parametrize(("what", "sent", "by_hand", "kilograms"), WORKED, ids=[what for what, *_ in WORKED])
    def test_agree_to_the_kilogram(self, what: str, sent: intake.Submission, by_hand: Fraction, kilograms: int) -> None:
        amount = Fraction(only(power(sent)).amount_tco2e)
        assert abs(amount - by_hand) < ONE_KILOGRAM
        # Beside the formula, a figure in kilograms that was worked out apart from it.
        assert abs(amount * 1000 - kilograms) <= 1

    def test_agree_with_the_printed_factors_of_the_guideline(self) -> None:
        """The product per unit of fuel, as transcriptions of the guideline print it (tCO2 per t; per 10^4 Nm3)."""
        printed = [
            ("coal", month(2024, 1), "2.990013"),
            ("coal", month(2021, 1), "3.252669"),
            ("fuel_oil", month(2024, 1), "3.170461"),
            ("diesel", month(2024, 1), "3.095910"),
            ("gasoline", month(2024, 1), "2.925056"),
        ]
        for code, period, factor in printed:
            assert only(power(fuel("1", fuel_code=code, period=period))).amount_tco2e == Decimal(factor)

    def test_round_once_half_to_even(self) -> None:
        # Three figures are summed before the one rounding.
        sent = [fuel("0.1", record_number=str(number), basis=INVOICED) for number in range(3)]
        by_hand = 3 * Fraction("0.1") * Fraction("26.7") * Fraction("0.03085") * Fraction("0.99") * CARBON_TO_CO2
        amount = only(power(*sent)).amount_tco2e
        assert abs(Fraction(amount) - by_hand) <= Fraction(1, 2 * 10**6)
        assert amount.as_tuple().exponent == -6


class TestDataQuality:
    @pytest.mark.parametrize(("basis", "quality"), [(VERIFIED, 1), (METERED, 2), (INVOICED, 3), (DECLARED, 4), (0, 4)])
    def test_follows_the_basis(self, basis: int, quality: int) -> None:
        assert only(power(fuel("1", basis=basis))).data_quality == quality

    def test_is_one_step_worse_with_a_factor_carried_forward(self) -> None:
        assert only(power(electricity("1", period=month(2023, 5)))).data_quality == 2
        assert only(power(electricity("1", period=month(2024, 5)))).data_quality == 3

    def test_comes_with_an_uncertainty_that_combines_data_and_factor(self) -> None:
        # Metered coal: 2 % and 8 %, √(4 + 64) = 8.246…
        assert only(power(fuel("1", basis=METERED))).standard_uncertainty_percent == Decimal("8.25")


class TestMeasuredValues:
    def test_of_a_provider_that_was_passed_over_are_used_with_the_better_quantity(self) -> None:
        view = view_of(
            [
                ("ndrc-sx", entry()),
                ("tax-sx", fuel("100", basis=INVOICED)),
                ("ent-sx", fuel("101", basis=DECLARED, ncv="20", carbon="0.025")),
            ]
        )
        by_hand = 100 * Fraction(20) * Fraction("0.025") * Fraction("0.99") * CARBON_TO_CO2
        assert abs(Fraction(only(view).amount_tco2e) - by_hand) < ONE_KILOGRAM
        assert len(only(view).evidence) == 2

    def test_of_the_chosen_provider_come_first(self) -> None:
        view = view_of(
            [
                ("ndrc-sx", entry()),
                ("a", fuel("100", basis=METERED, ncv="22")),
                ("b", fuel("100", basis=DECLARED, ncv="20", carbon="0.025")),
            ]
        )
        by_hand = 100 * Fraction(22) * Fraction("0.025") * Fraction("0.99") * CARBON_TO_CO2
        assert abs(Fraction(only(view).amount_tco2e) - by_hand) < ONE_KILOGRAM


class TestWhichMethod:
    def test_power_subjects_are_accounted_by_activity_and_compared_with_what_is_reported(self) -> None:
        view = power(fuel("1000"), reported("2000", "", basis=METERED))
        assert only(view).method_code == POWER.method_code
        assert "REPORTED_DIFFERS_FROM_ACTIVITY" in rule_ids(view)

    def test_a_yearly_report_over_monthly_activity_is_not_posted(self) -> None:
        view = power(*(fuel("1000", period=month(2024, number)) for number in range(1, 13)), reported("35880", "5", period=year(2024)))
        assert {posting.method_code for posting in in_total(view) if posting.scope == 1} == {POWER.method_code}
        assert {posting.amount_tco2e for posting in in_total(view) if posting.scope == 2} == {Decimal(5)}
        assert {"REPORTED_NOT_POSTED"} == rule_ids(view) & {"REPORTED_NOT_POSTED", "REPORTED_DIFFERS_FROM_ACTIVITY"}

    def test_a_tonne_in_one_month_does_not_displace_a_verified_year(self) -> None:
        view = power(fuel("1", basis=DECLARED), reported("3000000", "", period=year(2024), basis=VERIFIED))
        assert [one.amount_tco2e for one in in_total(view)] == [Decimal(3000000)]
        assert "ACTIVITY_NOT_POSTED" in rule_ids(view)

    def test_activity_of_worse_quality_does_not_displace_what_was_verified(self) -> None:
        view = power(fuel("1000", basis=DECLARED), reported("2000", "", basis=VERIFIED))
        assert [one.amount_tco2e for one in in_total(view)] == [Decimal(2000)]
        assert {"ACTIVITY_NOT_POSTED", "REPORTED_DIFFERS_FROM_ACTIVITY"} <= rule_ids(view)

    def test_activity_with_a_fuel_that_cannot_be_computed_does_not_displace_a_report(self) -> None:
        view = power(fuel("1000"), fuel("1000", fuel_code="peat"), reported("5000", ""))
        assert [one.amount_tco2e for one in in_total(view)] == [Decimal(5000)]

    def test_reported_figures_are_posted_for_the_months_without_activity(self) -> None:
        view = power(fuel("1000"), reported("3000", period=month(2024, 1)), reported("2900", period=month(2024, 2)))
        assert [posting.method_code for posting in in_total(view)] == [POWER.method_code, "emissions-as-reported/1"]

    def test_other_industries_post_as_reported(self) -> None:
        view = view_of([("ndrc-sx", entry(industry="3120")), ("ent-sx", fuel("1000")), ("eco-sx", reported("2000", "300"))])
        assert [(posting.scope, posting.amount_tco2e) for posting in in_total(view)] == [(1, Decimal(2000)), (2, Decimal(300))]

    def test_a_scope_that_is_not_stated_is_not_zero(self) -> None:
        view = view_of([("eco-sx", reported("2000", ""))])
        assert [posting.scope for posting in in_total(view)] == [1]

    def test_a_reported_zero_stands_on_the_account(self) -> None:
        view = view_of([("eco-sx", reported("0", "0.0", carrier="wind"))])
        assert [(posting.scope, posting.amount_tco2e) for posting in in_total(view)] == [(1, 0), (2, 0)]


class TestFactors:
    def test_of_two_years_are_not_mixed_within_one_period(self) -> None:
        assert the_factor("grid_electricity", "MWh", start=date(2022, 12, 20), end=date(2023, 1, 20)) is FactorGap.MISSING

    def test_of_another_province_are_not_borrowed(self) -> None:
        assert the_factor("grid_electricity", "MWh", region="130100", start=date(2023, 1, 1), end=date(2023, 2, 1)) is FactorGap.MISSING

    def test_are_not_carried_forward_for_ever(self) -> None:
        assert the_factor("grid_electricity", "MWh", start=date(2028, 1, 1), end=date(2028, 2, 1)) is FactorGap.MISSING

    def test_need_the_unit_of_the_method(self) -> None:
        assert the_factor("natural_gas", "t", start=date(2024, 1, 1), end=date(2024, 2, 1)) is FactorGap.OTHER_UNIT

    def test_are_quoted_with_source_and_confidence(self) -> None:
        assert all(factor.source and factor.confidence in ("transcription", "partly", "unverified") for factor in POWER.factors)

    def test_found_twice_for_a_day_are_an_answer_and_not_a_choice(self) -> None:
        coal = next(factor for factor in POWER.factors if factor.key == "coal" and factor.valid_from == date(2023, 1, 1))
        doubled = MethodPack(**{**vars(POWER), "factors": (*POWER.factors, coal)})
        assert the_factor("coal", "t", start=date(2024, 1, 1), end=date(2024, 2, 1), pack=doubled) is FactorGap.AMBIGUOUS
        reported_pack = next(pack for pack in the_book().packs if pack.kind is MethodKind.AS_REPORTED)
        view = view_of(
            [("ndrc-sx", entry()), ("ent-sx", fuel("1"))],
            by=Book(packs=(doubled, reported_pack), recognised_everywhere=frozenset(), recognised_by_industry={}),
        )
        assert in_total(view) == []
        assert "FACTOR_AMBIGUOUS" in rule_ids(view)


def test_amounts_beyond_any_account_are_not_posted() -> None:
    view = power(fuel("999999999999", ncv="999999999999"), reported("999999999999", "1", period=month(2024, 2)))
    assert [(posting.scope, posting.amount_tco2e) for posting in in_total(view)] == [(2, 1)]
    assert "FIGURE_BEYOND_LIMIT" in rule_ids(view)


def test_a_subject_without_entry_has_no_activity_method() -> None:
    view = view_of([("ent-sx", fuel("1000")), ("grid-sx", electricity("1"))])
    assert in_total(view) == []
    assert "SUBJECT_NOT_IN_DIRECTORY" in rule_ids(view)

"""What sector methods make of submissions: balances that stand whole or not at all, lines beside the total, measured values, quality."""

from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from carbonbureau.intake.v1 import emissions_pb2, energy_pb2, production_pb2
from carbonbureau.intake.v1 import submission_pb2 as intake

from services.collector.domain.account import AccountView
from services.collector.domain.posting import Posting, Treatment
from tests.unit.collector.submissions import (
    DECLARED,
    METERED,
    Sent,
    electricity,
    entry,
    fuel,
    message,
    month,
    output,
    reported,
    rule_ids,
    view_of,
    year,
)

CO2_PER_C = Fraction(44, 12)
CHARGED = 1000 * Fraction("26.344") * Fraction("0.0254") * CO2_PER_C
IN_COKE = 660 * Fraction("28.446") * Fraction("0.0294") * CO2_PER_C
IN_GAS = 26 * Fraction("173.854") * Fraction("0.0136") * CO2_PER_C


def feedstock(tonnes: str, code: str = "washed_coal", **fields: Any) -> intake.Submission:
    sent = fuel(tonnes, fuel_code=code, **fields)
    sent.fuel_use.purpose = energy_pb2.FUEL_PURPOSE_FEEDSTOCK
    return sent


def material(code: str, tonnes: str, *, carbon: str = "", route: str = "", **fields: Any) -> intake.Submission:
    used = production_pb2.MaterialUse(material_code=code, mass_t=tonnes, carbon_content_percent=carbon, process_route=route, basis=METERED)
    return message(period=month(2024, 1), material_use=used, **fields)


def gas_made(volume: str, **fields: Any) -> intake.Submission:
    made = production_pb2.Output(product_code="coke_oven_gas", volume_ten_thousand_nm3=volume, basis=METERED)
    return message(period=fields.pop("period", month(2024, 1)), output=made, **fields)


def coke(tonnes: str, **fields: Any) -> intake.Submission:
    return output(tonnes, product="coke", route="", **fields)


def accounted(industry: str, *sent: intake.Submission) -> AccountView:
    all_sent: list[Sent] = [("ndrc-sx", entry(industry=industry)), *(("ent-sx", one) for one in sent)]
    return view_of(all_sent)


def lines(view: AccountView, treatment: Treatment = Treatment.IN_TOTAL) -> dict[str, Decimal]:
    return {line.energy_carrier: line.amount_tco2e for line in view.postings if line.treatment is treatment}


def total(view: AccountView, treatment: Treatment = Treatment.IN_TOTAL) -> Fraction:
    return sum((Fraction(amount) for amount in lines(view, treatment).values()), Fraction(0))


def is_kilogram(one: Fraction, other: Fraction) -> bool:
    return abs(one - other) <= Fraction(1, 1000)


class TestBalances:
    def test_give_what_went_in_less_what_left(self) -> None:
        view = accounted("2521", feedstock("1000"), coke("660"), gas_made("26"))
        assert set(lines(view)) == {"washed_coal_charged", "coke_made", "oven_gas_made"}
        assert is_kilogram(total(view), CHARGED - IN_COKE - IN_GAS)
        assert "BALANCE_INCOMPLETE" not in rule_ids(view)

    @pytest.mark.parametrize("missing", ["coal", "coke", "gas"])
    def test_post_nothing_where_a_side_is_missing_and_say_so(self, missing: str) -> None:
        sides = {"coal": feedstock("1000"), "coke": coke("660"), "gas": gas_made("26")}
        view = accounted("2521", *(one for name, one in sides.items() if name != missing))
        assert lines(view) == {}
        assert "BALANCE_INCOMPLETE" in rule_ids(view)

    def test_leave_a_month_incomplete_that_lacks_a_side(self) -> None:
        sent = []
        for number in range(1, 13):
            sent += [feedstock("1000", period=month(2024, number)), gas_made("26", period=month(2024, number))]
            sent += [coke("660", period=month(2024, number))] if number != 5 else []
        view = accounted("2521", *sent)
        assert len([line for line in view.postings if line.in_total()]) == 11 * 3
        (window,) = view.annual_figures
        assert window.months_covered == 11
        assert window.intensity_tco2e_per_unit is None

    def test_stand_over_different_periods_where_all_days_are_known(self) -> None:
        coal = [feedstock("100", period=month(2024, number)) for number in range(1, 13)]
        whole = accounted("2521", *coal, coke("792", period=year(2024)), gas_made("31", period=year(2024)))
        assert len(lines(whole)) == 3
        # A month of coal less, and the coke of the year cannot stand; nor can the other months' coal without it.
        broken = accounted("2521", *coal[:-1], coke("792", period=year(2024)), gas_made("31", period=year(2024)))
        assert lines(broken) == {}

    def test_fall_whole_where_a_member_cannot_be_computed(self) -> None:
        view = accounted("2521", feedstock("1000"), feedstock("10", code="peat"), coke("660"), gas_made("26"))
        assert lines(view) == {}
        assert {"BALANCE_INCOMPLETE", "FUEL_UNKNOWN"} <= rule_ids(view)

    def test_that_are_not_whole_leave_the_reported_figure_in_its_place(self) -> None:
        view = accounted("2521", feedstock("1000"), coke("660"), reported("900", "", basis=DECLARED))
        assert lines(view) == {"": Decimal(900)}
        # Nothing is lost: what was emitted is known as a whole.
        assert "BALANCE_INCOMPLETE" not in rule_ids(view)

    def test_that_are_whole_stand_instead_of_a_reported_figure(self) -> None:
        view = accounted("2521", feedstock("1000"), coke("660"), gas_made("26"), reported("350", "", basis=DECLARED))
        assert is_kilogram(total(view), CHARGED - IN_COKE - IN_GAS)
        assert "REPORTED_DIFFERS_FROM_ACTIVITY" in rule_ids(view)

    def test_fall_on_the_days_of_a_reported_figure_that_stands_and_with_them_what_shares_days(self) -> None:
        """A verified month stands; the year of coke loses a month, so the coal of the other months cannot stand either."""
        coal = [feedstock("100", period=month(2024, number)) for number in range(1, 13)]
        verified = reported("50", "", period=month(2024, 2), basis=4)
        view = accounted("2521", *coal, coke("792", period=year(2024)), gas_made("31", period=year(2024)), verified)
        assert lines(view) == {"": Decimal(50)}
        assert "BALANCE_INCOMPLETE" in rule_ids(view)

    def test_of_output_alone_take_nothing_off_an_account(self) -> None:
        view = accounted("3120", output("1000", product="crude_steel", route="bf_bof"), reported("1800"))
        assert lines(view) == {"": Decimal(1800)}

    def test_of_a_network_are_its_loss(self) -> None:
        sold = message(period=month(2024, 1), electricity_sale=energy_pb2.ElectricitySale(sold_mwh="480", basis=METERED))
        view = accounted("4420", electricity("500"), sold)
        assert is_kilogram(total(view), 20 * Fraction("0.6634"))
        assert lines(accounted("4420", electricity("500"))) == {}


class TestSectors:
    def test_mine_methane_counts_what_is_neither_used_nor_flared(self) -> None:
        methane = emissions_pb2.MineMethane(
            ventilated_ten_thousand_nm3="300", drained_ten_thousand_nm3="200", utilised_ten_thousand_nm3="120", basis=METERED
        )
        view = accounted("0610", message(period=month(2024, 1), mine_methane=methane))
        assert is_kilogram(total(view), (300 + 200 - 120) * Fraction("7.17") * 28)
        assert {line.gas for line in view.postings} == {"CH4"}

    def test_coal_without_a_word_about_methane_is_incomplete(self) -> None:
        view = accounted("0610", output("1000", product="raw_coal", route="high_gas"))
        assert lines(view) == {}
        assert "BALANCE_INCOMPLETE" in rule_ids(view)

    def test_measured_carbon_comes_before_the_default(self) -> None:
        by_default = accounted("3120", material("purchased_pig_iron", "100"))
        measured = accounted("3120", material("purchased_pig_iron", "100", carbon="4.2"))
        assert lines(by_default) == {"purchased_pig_iron": Decimal("17.2")}
        assert is_kilogram(total(measured), 100 * Fraction("0.042") * CO2_PER_C)
        assert [line.factor_codes for line in measured.postings] == [()]

    def test_the_same_fuel_has_other_figures_in_other_guidelines(self) -> None:
        steel = accounted("3120", fuel("1", fuel_code="anthracite"))
        bricks = accounted("3031", fuel("1", fuel_code="anthracite"))
        assert lines(steel) == {"anthracite": Decimal("1.923781")}
        assert lines(bricks) == {"anthracite": Decimal("2.322768")}

    def test_a_use_that_the_method_does_not_know_is_told(self) -> None:
        view = accounted("3031", feedstock("100"))
        assert (lines(view), "FUEL_UNKNOWN" in rule_ids(view)) == ({}, True)

    def test_storage_is_charged_with_what_it_loses(self) -> None:
        discharged = energy_pb2.ElectricityGeneration(source=energy_pb2.GENERATION_SOURCE_STORAGE, generated_mwh="860", basis=METERED)
        sent = message(period=month(2024, 1), electricity_generation=discharged)
        view = accounted("4416", electricity("1000"), sent)
        assert is_kilogram(total(view), 140 * Fraction("0.6634"))
        assert is_kilogram(total(view, Treatment.MARKET_BASED), 140 * Fraction("0.6096"))
        alone = accounted("4416", sent)
        assert [line for line in alone.postings if line.amount_tco2e < 0] == []

    def test_generation_from_the_sun_is_zero_by_nature(self) -> None:
        made = energy_pb2.ElectricityGeneration(source=energy_pb2.GENERATION_SOURCE_SOLAR, generated_mwh="860", basis=METERED)
        assert lines(accounted("4416", message(period=month(2024, 1), electricity_generation=made))) == {"renewable": Decimal(0)}

    def test_electricity_delivered_is_taken_off_where_it_is_no_product(self) -> None:
        sold = message(period=month(2024, 1), electricity_sale=energy_pb2.ElectricitySale(sold_mwh="400", basis=METERED))
        assert is_kilogram(total(accounted("3011", electricity("100"), sold)), -300 * Fraction("0.6634"))
        assert is_kilogram(total(accounted("4411", electricity("100"), sold)), 100 * Fraction("0.6634"))


class TestBesideTheTotal:
    def test_biomass_is_no_fossil_fuel(self) -> None:
        view = accounted("3011", fuel("100", fuel_code="straw"))
        assert lines(view) == {}
        assert is_kilogram(total(view, Treatment.BIOMASS), 100 * Fraction("11.6") * Fraction("0.0273") * CO2_PER_C)
        assert "FUEL_UNKNOWN" not in rule_ids(view)
        assert view.annual_figures == []

    def test_certificates_reduce_the_market_based_view_alone(self) -> None:
        certificates = energy_pb2.GreenPowerCertificate(
            certificate_mwh="40",
            first_certificate_number="A1",
            last_certificate_number="A40",
            generation_year_month="2024-01",
            bundled=True,
        )
        view = accounted("3011", electricity("100"), message(period=month(2024, 1), green_power_certificate=certificates))
        assert is_kilogram(total(view), 100 * Fraction("0.6634"))
        assert is_kilogram(total(view, Treatment.MARKET_BASED), 60 * Fraction("0.6096"))
        (window,) = view.annual_figures
        assert (window.scope2_tco2e, window.scope2_market_based_tco2e) == (Decimal("66.34"), Decimal("36.576"))

    def test_a_market_based_view_of_a_part_is_not_given(self) -> None:
        view = accounted("3011", electricity("100"), reported("", "70", period=month(2024, 2)))
        (window,) = view.annual_figures
        assert (window.scope2_tco2e, window.scope2_market_based_tco2e) == (Decimal("136.34"), None)

    def test_goods_by_money_are_of_the_worst_quality(self) -> None:
        by_mass = production_pb2.PurchasedGoods(goods_code="pig_iron", mass_t="10", basis=METERED)
        by_money = production_pb2.PurchasedGoods(goods_code="pig_iron", spend_yuan="30000", basis=METERED)
        freight = production_pb2.FreightTransport(mode_code="rail", transport_tkm="100000", basis=METERED)
        sent = [message(period=month(2024, 1), purchased_goods=one) for one in (by_mass, by_money)]
        view = accounted("3110", *sent, message(period=month(2024, 1), freight_transport=freight))
        chain = {(line.category, line.amount_tco2e, line.data_quality) for line in view.postings if line.scope == 3}
        assert chain == {(1, Decimal("14.3"), 4), (1, Decimal(3), 5), (4, Decimal(1), 4)}

    def test_upstream_of_coal_and_electricity_is_category_3(self) -> None:
        view = accounted("4411", fuel("1000"), electricity("10"))
        assert lines(view, Treatment.VALUE_CHAIN) == {"coal": Decimal("157.0212"), "electricity": Decimal("0.899")}
        (window,) = view.annual_figures
        assert window.scope3_tco2e == Decimal("157.9202")
        assert window.scope1_tco2e == Decimal("2990.01285")

    def test_lines_are_told_apart_by_their_digest(self) -> None:
        view = accounted("3011", electricity("100"))
        digests = {line.digest() for line in view.postings}
        assert len(digests) == len(view.postings) == 3

    def test_nothing_is_asked_of_months_that_only_the_value_chain_knows(self) -> None:
        """Scope 3 of a month is no reason to miss scope 1 and 2 of it."""
        goods = production_pb2.PurchasedGoods(goods_code="pig_iron", mass_t="10", basis=METERED)
        sent = [electricity("100", period=month(2024, number)) for number in range(1, 13)]
        sent += [output("100", product="cement", route="", period=month(2024, number)) for number in range(1, 13)]
        view = accounted("3011", *sent, message(period=month(2025, 1), purchased_goods=goods))
        (window,) = view.annual_figures
        assert window.months_covered == 12


def test_every_line_of_the_account_names_where_it_counts() -> None:
    view = accounted("3011", electricity("1"), fuel("1", fuel_code="straw"), fuel("1", fuel_code="coke"))
    found: set[tuple[int, str]] = {(line.scope, line.treatment.value) for line in view.postings if isinstance(line, Posting)}
    assert found == {(1, "IN_TOTAL"), (2, "IN_TOTAL"), (1, "BIOMASS"), (2, "MARKET_BASED"), (3, "VALUE_CHAIN")}


@pytest.mark.parametrize("seed", range(5))
def test_the_account_does_not_depend_on_the_order_of_what_was_sent(seed: int) -> None:
    sent: list[Sent] = [("ndrc-sx", entry(industry="2521", record_number="E"))]
    for number in range(1, 7):
        of_month: dict[str, Any] = {"period": month(2024, number)}
        sent += [
            ("ent-sx", feedstock("1000", record_number=f"F{number}", **of_month)),
            ("ent-sx", coke("660", record_number=f"C{number}", **of_month)),
            ("ent-sx", gas_made("26", record_number=f"G{number}", **of_month)),
            ("tax-sx", electricity("50", record_number=f"T{number}", **of_month)),
            ("ent-sx", reported("300", "40", record_number=f"R{number}", **of_month)),
        ]
    shuffled = Random(seed).sample(sent, len(sent))
    assert [line.digest() for line in view_of(sent).postings] == [line.digest() for line in view_of(shuffled).postings]
    assert rule_ids(view_of(sent)) == rule_ids(view_of(shuffled))

"""The account that the checkers make by hand is right by sums done on paper, and near to what is true."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

import pytest
from carbonbureau.intake.v1 import basis_pb2, emissions_pb2, energy_pb2, registry_pb2, submission_pb2

from services.sandbox import wire
from services.sandbox.domain.planning import Order, SubjectPlan, in_order
from services.sandbox.domain.reporting import originals
from services.sandbox.domain.sectors import Sector
from services.sandbox.domain.truth import SubjectTruth, province
from services.sandbox.province import generator_of
from tests import account_by_hand
from tests.account_by_hand import Effective, Line
from tests.checkers import merkle_root

JANUARY = (date(2024, 1, 1), date(2024, 2, 1))
BASIS = basis_pb2.Basis


def effective(provider_code: str, **content: object) -> Effective:
    message = submission_pb2.Submission(**content)  # type: ignore[arg-type]
    if not message.HasField("registry_entry"):
        message.period.start_date, message.period.end_date = "2024-01-01", "2024-02-01"
    return Effective(provider_code, "1", b"", message)


POWER_PLANT = effective(
    "ndrc", registry_entry=registry_pb2.RegistryEntry(effective_date="2023-01-01", industry_code="4411", city_code="140400")
)


def fuel(provider_code: str, mass_t: str, basis: BASIS.ValueType, ncv: str = "") -> Effective:
    return effective(provider_code, fuel_use=energy_pb2.FuelUse(fuel_code="coal", mass_t=mass_t, ncv_gj_per_unit=ncv, basis=basis))


def emissions(provider_code: str, scope1: str, scope2: str, basis: BASIS.ValueType, carrier: str = "") -> Effective:
    content = emissions_pb2.ReportedEmissions(scope1_tco2e=scope1, scope2_tco2e=scope2, energy_carrier=carrier, basis=basis)
    return effective(provider_code, reported_emissions=content)


def in_total(submissions: list[Effective]) -> list[Line]:
    return [line for line in account_by_hand.lines(submissions) if line.treatment == "IN_TOTAL"]


class TestLines:
    def test_multiplies_fuel_by_its_parameters(self) -> None:
        # 1000 t × 26.7 GJ/t × 0.03085 tC/GJ × 0.99 × 44/12
        lines = in_total([POWER_PLANT, fuel("tax", "1000", BASIS.BASIS_INVOICED)])
        assert lines == [Line(JANUARY, 1, "coal", Decimal("2990.012850"))]

    def test_takes_the_invoiced_tonnes_and_the_heat_that_the_plant_measured(self) -> None:
        # 1000 t × 20 GJ/t × 0.03085 tC/GJ × 0.99 × 44/12
        figures = [POWER_PLANT, fuel("tax", "1000", BASIS.BASIS_INVOICED), fuel("ent", "900", BASIS.BASIS_DECLARED, ncv="20")]
        assert in_total(figures) == [Line(JANUARY, 1, "coal", Decimal("2239.710000"))]

    def test_takes_reported_emissions_only_for_scopes_that_no_activity_covers(self) -> None:
        figures = [POWER_PLANT, fuel("tax", "1000", BASIS.BASIS_INVOICED), emissions("eco", "1", "7.5", BASIS.BASIS_METERED)]
        assert in_total(figures)[1:] == [Line(JANUARY, 2, "", Decimal("7.500000"))]

    def test_stand_beside_the_total_for_what_lies_upstream_and_for_contracts(self) -> None:
        # 1000 t × 8.37 m3 × 0.67 kg × 28; 10 MWh × (0.6205 − 0.5306); 10 MWh × 0.6096.
        electricity = effective("grid", electricity_use=energy_pb2.ElectricityUse(purchased_mwh="10", basis=BASIS.BASIS_METERED))
        entry = registry_pb2.RegistryEntry(effective_date="2023-01-01", industry_code="2521", city_code="140400")
        figures = [effective("ndrc", registry_entry=entry), fuel("tax", "1000", BASIS.BASIS_INVOICED), electricity]
        assert {line for line in account_by_hand.lines(figures) if line.treatment != "IN_TOTAL"} == {
            Line(JANUARY, 3, "coal", Decimal("157.021200"), "VALUE_CHAIN"),
            Line(JANUARY, 3, "electricity", Decimal("0.899000"), "VALUE_CHAIN"),
            Line(JANUARY, 2, "electricity", Decimal("6.096000"), "MARKET_BASED"),
        }

    def test_takes_the_best_basis_and_of_equals_the_smaller_provider_code(self) -> None:
        figures = [
            emissions("b", "2", "", BASIS.BASIS_METERED),
            emissions("a", "1", "", BASIS.BASIS_METERED),
            emissions("0", "9", "", BASIS.BASIS_DECLARED),
        ]
        assert list(account_by_hand.lines(figures)) == [Line(JANUARY, 1, "", Decimal("1.000000"))]

    def test_leaves_out_a_total_beside_its_parts(self) -> None:
        figures = [emissions("a", "5", "", BASIS.BASIS_METERED, carrier=carrier) for carrier in ("", "coal", "gas")]
        assert {line.carrier for line in account_by_hand.lines(figures)} == {"coal", "gas"}


class TestAgainstTheTruth:
    @pytest.mark.parametrize("sector", [Sector.COAL_POWER, Sector.STEEL, Sector.COKING])
    def test_is_within_five_percent_of_a_true_year(self, sector: Sector) -> None:
        truth = next(one for one in province(generator_of, seed=8, subjects=30) if one.subject.route.sector is sector)
        for year, (computed, true) in yearly(truth).items():
            assert abs(computed / true - 1) < Decimal("0.05"), year


def yearly(truth: SubjectTruth) -> dict[int, tuple[Decimal, Decimal]]:
    """Give scope 1 by year: from what the providers honestly report, and as it truly was."""
    plan = SubjectPlan(truth=truth, falsification=None, drafts=tuple(originals(generator_of("by hand"), truth)))
    submissions = []
    for planned in in_order([plan], order=Order.BY_TIME):
        message = submission_pb2.Submission.FromString(wire.message_bytes(planned))
        # Later revisions of a plan are no figures.
        submissions.append(Effective(planned.provider_code, message.record_number, b"", message))
    sums: dict[int, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for line in account_by_hand.lines(submissions):
        sums[line.days[0].year][0] += line.amount if line.scope == 1 else 0
    for month in truth.activity:
        sums[month.month.start.year][1] += month.scope1_tco2e
    return {year: (computed, true) for year, (computed, true) in sums.items()}


# The leaves and roots that Certificate Transparency implementations test with.
LEAVES = [
    bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]


class TestMerkleRoot:
    @pytest.mark.parametrize(
        ("count", "root"),
        [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ],
    )
    def test_is_that_of_the_known_vectors(self, count: int, root: str) -> None:
        assert merkle_root(LEAVES[:count]).hex() == root

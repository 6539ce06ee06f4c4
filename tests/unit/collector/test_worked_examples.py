"""Every worked example of every method file, to 1 kg: by the engine, as printed in the file, and by rational arithmetic written here.

The last knows nothing of the engine: figures and formulas are set down anew, after the guidelines, so that a formula that was
mistyped in a file is not confirmed by itself.
"""

from collections import defaultdict
from fractions import Fraction

import pytest

from services.collector import method_files
from services.collector.domain.pack_file import Example
from services.collector.domain.pack_set import LinkedPack
from services.collector.domain.worked_example import computed_lines, sum_name

F = Fraction
CO2_PER_C = F(44, 12)
CH4_GWP, SF6_GWP = 28, 23500
SHANXI, RESIDUAL, ETS_2015 = F("0.6634"), F("0.6096"), F("0.6101")


def burnt(mass: str, ncv: str, carbon: str, oxidation: str = "1") -> Fraction:
    return F(mass) * F(ncv) * F(carbon) * F(oxidation) * CO2_PER_C


def bought(mwh: int) -> dict[str, Fraction]:
    return {"scope_2": mwh * SHANXI, "scope_2_market": mwh * RESIDUAL}


# By method and title of the example; sums in tCO2e.
BY_HAND: dict[tuple[str, str], dict[str, Fraction]] = {
    ("fuels-general/2015", "Anthracite and natural gas by the defaults"): {
        "scope_1": burnt("1000", "24.515", "0.02749", "0.94")
        + burnt("12.5", "389.31", "0.0153", "0.99")
        + burnt("8.2", "42.9", "0.0202", "0.98")
    },
    ("fuels-biomass/2006", "Straw burnt for heat"): {"biomass": burnt("500", "11.6", "0.0273")},
    ("carbonates/2015", "Limestone for desulphurisation"): {"scope_1": 2000 * F(9, 10) * F("0.44")},
    ("purchased-energy/2025", "Electricity of 2023 with green certificates for a part, and steam"): {
        "scope_2": 10_000 * SHANXI + 2500 * F("0.11"),
        "scope_2_market": (10_000 - 4_000) * RESIDUAL + 2500 * F("0.11"),
    },
    ("purchased-energy/2025", "Electricity of 2019, when no factor of the province was announced"): {
        "scope_2": 10_000 * ETS_2015,
        "scope_2_market": 10_000 * ETS_2015,
    },
    ("exported-energy/2025", "A works that sells more heat than it buys electricity"): {
        "scope_2": (1000 - 250) * SHANXI - 9000 * F("0.11"),
        "scope_2_market": (1000 - 250) * RESIDUAL - 9000 * F("0.11"),
    },
    ("sulphur-hexafluoride/2015", "Switchgear topped up with 120 kg, 20 kg recovered"): {"scope_1": F(100, 1000) * SF6_GWP},
    ("fossil-power-generation/2022", "A month of a coal plant, carbon not measured"): {
        "scope_1": burnt("123456.789", "26.7", "0.03085", "0.99") + burnt("33.333", "42.652", "0.0202", "0.98"),
        "scope_2": 1000 * SHANXI,
    },
    ("fossil-power-generation/2022", "Calorific value and carbon content measured"): {
        "scope_1": burnt("5000.5", "21.456", "0.02674", "0.99")
    },
    ("grid/2015", "A month of a city network that loses 4 %"): {"scope_1": F(50, 1000) * SF6_GWP, "scope_2": 20_000 * SHANXI},
    ("iron-and-steel/2013", "A month of a works with blast furnaces"): {
        "scope_1": burnt("10000", "20.304", "0.02749", "0.94")
        + burnt("50000", "28.447", "0.0295", "0.93")
        + 8000 * F("0.44")
        + 40 * F("3.663")
        + 1000 * F("0.042") * CO2_PER_C
        - 100_000 * F("0.0154"),
        **bought(20_000),
    },
    ("coking/2014", "A month of ovens charged with washed coal"): {
        # Carbon in, less carbon in coke, tar, benzene and gas; then the gas that heats the ovens.
        "scope_1": (
            150_000 * F("26.344") * F("0.0254")
            - 100_000 * F("28.446") * F("0.0294")
            - 4_000 * F("33.453") * F("0.022")
            - 1_000 * F("41.816") * F("0.0227")
            - 4_000 * F("173.854") * F("0.0136")
            + 1_900 * F("173.854") * F("0.0136") * F("0.99")
        )
        * CO2_PER_C,
        **bought(2_500),
    },
    ("coal-mining/2014", "A month of a gassy mine that uses and flares what it drains"): {
        # 300 ventilated and 200 drained, of which 120 are used and 98 % of 30 flared; each tonne of CH4 flared is 44/16 t of CO2.
        "scope_1": (300 + 200 - 120 - F("0.98") * 30) * F("7.17") * CH4_GWP
        + F("0.98") * 30 * F("7.17") * F(44, 16)
        + 250_000 * 3 * F("0.67") / 1000 * CH4_GWP
        + burnt("60", "43.33", "0.0202", "0.98")
    },
    ("coal-chemistry/2013", "A month of methanol from coal"): {
        "scope_1": (30_000 * F("24.1") * F("0.02618") - 20_000 * F("0.375")) * CO2_PER_C
    },
    ("coal-chemistry/2013", "A month of ammonia and urea"): {
        "scope_1": (18_000 * F("24.515") * F("0.02749") - 9_000 * F("0.2")) * CO2_PER_C
    },
    ("coal-chemistry/2013", "A month of calcium carbide"): {
        "scope_1": (6_000 * F("28.446") * F("0.0294") - 10_000 * F("0.314")) * CO2_PER_C
    },
    ("aluminium/2013", "A month of a smelter"): {
        # 1.50304 t of CO2 and 0.26316 t CO2e of perfluorocarbons per tonne, as printed.
        "scope_1": 20_000 * (F("1.50304") + F("0.26316")),
        **bought(270_000),
    },
    ("magnesium/2013", "A month of a Pidgeon works"): {
        "scope_1": 11_000 * F("0.98") * F("0.477") + F("0.1") * SF6_GWP + burnt("900", "173.854", "0.0136", "0.99")
    },
    ("cement/2013", "A month of a kiln"): {
        "scope_1": 80_000 * F("0.535") + burnt("11000", "23.204", "0.02618", "0.93"),
        "biomass": burnt("300", "11.6", "0.0273"),
    },
    ("general-industry/2015", "A month of a brick works"): {
        "scope_1": burnt("700", "15.373", "0.0254", "0.9") + 12 * F("0.9") * F("0.415"),
        "scope_2": 300 * F("0.11"),
        "scope_2_market": 300 * F("0.11"),
        "biomass": burnt("50", "15.6", "0.0305"),
    },
    ("renewable-generation/1", "A month of a solar plant with storage"): {"scope_1": F(0), **bought(140)},
    ("recycling-and-environmental-services/1", "A month of a waste-to-energy plant"): {
        "scope_1": 30_000 * F("0.2") * F("0.39") * F("0.95") * CO2_PER_C,
        "biomass": 30_000 * F("0.2") * F("0.61") * F("0.95") * CO2_PER_C,
        **bought(-9_000),
    },
    ("recycling-and-environmental-services/1", "A month of a landfill that catches gas, and of waste water"): {
        # A tonne of waste gives off 0.15 × 0.5 × 0.5 × 16/12 = 0.05 t of CH4; a tenth of what is not caught is oxidised on the way.
        "scope_1": (10_000 * F("0.05") - 40 * F("7.17") / 2) * F("0.9") * CH4_GWP + 500 * F("0.25") * F("0.165") * CH4_GWP,
        "biomass": 40 * F("7.17") / 2 * F(44, 16),
    },
    ("value-chain/1", "A month of a works' upstream"): {
        "scope_3_category_1": 2_000 * F("1.43") + F(3_500_000, 10_000),
        "scope_3_category_3": 10_000 * F("0.0899") + 130_000 * F("8.37") * F("0.67") / 1000 * CH4_GWP,
        "scope_3_category_4": 12_000_000 * F("0.129") / 1000 + 40_000_000 * F("0.01") / 1000,
    },
}

LINKED = method_files.load()
EXAMPLES = [(one, placed.entry) for one in LINKED for placed in one.own_examples]


def by_engine(linked: LinkedPack, example: Example) -> dict[str, Fraction]:
    sums: dict[str, Fraction] = defaultdict(F)
    for formula, _, amount in computed_lines(linked.pack, example):
        sums[sum_name(formula)] += F(amount)
    return sums


class TestWorkedExamples:
    @pytest.mark.parametrize(("linked", "example"), EXAMPLES, ids=[f"{one.pack.code}: {example.title}" for one, example in EXAMPLES])
    def test_agree_to_the_kilogram_with_arithmetic_of_their_own(self, linked: LinkedPack, example: Example) -> None:
        by_hand = BY_HAND[linked.pack.method_code, example.title]
        computed = by_engine(linked, example)
        assert computed.keys() == by_hand.keys() == example.totals.keys()
        for name, amount in sorted(by_hand.items()):
            printed, engine = F(example.totals[name]), computed[name]
            row = f"{linked.pack.method_code:<42} {name:<20} {float(printed):>16,.3f} {float(engine):>16,.3f} {float(amount):>16,.3f}"
            print(f"{row}  {example.title}")
            assert abs(engine - amount) <= F(1, 1000), row
            assert abs(printed - amount) <= F(1, 1000), row

    def test_stand_in_every_file_that_computes_anything(self) -> None:
        computing = {one.pack.method_code for one in LINKED if one.pack.formulas}
        assert computing == {one.pack.method_code for one, _ in EXAMPLES} == {code for code, _ in BY_HAND}
        assert len(BY_HAND) == len(EXAMPLES)

    def test_of_own_formulas_leave_none_out(self) -> None:
        """A formula that no example computes would never have been looked at."""
        computed = {formula.name for linked, example in EXAMPLES for formula, _, _ in computed_lines(linked.pack, example)}
        written = {formula.name for linked in LINKED for formula in linked.pack.formulas}
        assert written - computed == {"after_mining_other"}

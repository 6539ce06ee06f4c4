"""What a method file is refused for, each with file, line and reason; and what loading all of them takes."""

import time
from decimal import Decimal
from fractions import Fraction

import pytest

from services.collector import method_files
from services.collector.domain.expression import ExpressionError, degrees, parse_expression
from services.collector.domain.pack_file import PackRefusedError

TEXTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(method_files.METHODS.glob("*.toml"))}
POWER, COKING, FUELS, STEEL = "fossil_power_generation.toml", "coking.toml", "fuels_general.toml", "iron_and_steel.toml"
MINING, CHAIN, CEMENT, GRID = "coal_mining.toml", "value_chain.toml", "cement.toml", "grid_factors.toml"


def refused(name: str, old: str, new: str) -> PackRefusedError:
    """Change one place of one file and load them all."""
    assert TEXTS[name].count(old) >= 1, f"{old!r} is not in {name}"
    with pytest.raises(PackRefusedError) as raised:
        method_files.checked({**TEXTS, name: TEXTS[name].replace(old, new, 1)})
    return raised.value


def line_of(text: str, part: str) -> int:
    """Find the line on which a part of a text stands first."""
    return text[: text.index(part)].count("\n") + 1


# What is written instead of what, the line that the refusal names (by a text that stands on it), and what it says.
FAULTS = [
    ("no edition", POWER, 'edition = "2022"\n', "", None, "edition is missing"),
    ("not TOML", POWER, "scope = 1", "scope = ", "scope = 1", "not TOML"),
    ("an unknown key", POWER, 'gas = "CO2"', 'gass = "CO2"', '[[formula]]\nname = "fuel_combustion"', "gas is missing"),
    ("a key too many", COKING, 'name = "oven_carbon"', 'name = "oven_carbon"\nweight = 1', "weight = 1", "no place here"),
    ("an unknown kind", POWER, 'kind = "FUEL_USE"', 'kind = "FUEL_BURNT"', 'kind = "FUEL_USE"', "'FUEL_BURNT' is not known"),
    ("a kind without activity", POWER, 'kind = "FUEL_USE"', 'kind = "PENALTY"', 'kind = "FUEL_USE"', "states no activity data"),
    ("an exponent", POWER, '"0.03085"', '"3.085e-2"', '"0.03085"', "not a decimal"),
    ("a number without quotation marks", POWER, '"0.03085"', "0.03085", '"0.03085"', "not an amount in quotation marks"),
    (
        "a factor without source",
        POWER,
        'source = "发电设施指南: natural gas"\n',
        "",
        '[[factor]]\ncode = "CN_POWER_NATURAL_GAS"',
        "source is missing",
    ),
    (
        "a confidence of no kind",
        POWER,
        'confidence = "unverified"',
        'confidence = "certain"',
        'confidence = "certain"',
        "'certain' is none of",
    ),
    (
        "a factor that ends before it begins",
        POWER,
        "valid_until = 2023-01-01",
        "valid_until = 2018-01-01",
        "valid_until = 2023-01-01",
        "ends before it begins",
    ),
    ("provisional without reasoning", "renewable_generation.toml", "reasoning = ", "reason = ", None, "reasoning is missing"),
    ("an unknown term", POWER, "* oxidation_rate *", "* oxidation *", '[[formula]]\nname = "fuel_combustion"', "nothing gives oxidation"),
    ("a call", POWER, "fuel_burnt * ncv", "max(fuel_burnt, 1) * ncv", 'expression = "fuel_burnt * ncv', "only names, numbers"),
    ("a power", POWER, "fuel_burnt * ncv", "fuel_burnt ** 2 * ncv", 'expression = "fuel_burnt * ncv', "only names, numbers"),
    (
        "a square",
        POWER,
        "fuel_burnt * ncv",
        "fuel_burnt * fuel_burnt * ncv",
        '[[formula]]\nname = "fuel_combustion"',
        "not linear in fuel_burnt",
    ),
    (
        "a constant beside the quantity",
        POWER,
        '* co2_per_carbon"',
        '* co2_per_carbon + 5"',
        '[[formula]]\nname = "fuel_combustion"',
        "not linear",
    ),
    ("44/12 forgotten", POWER, ' * co2_per_carbon"', '"', '[[formula]]\nname = "fuel_combustion"', "comes out in tC, not tCO2e or tCO2"),
    (
        "the calorific value forgotten",
        COKING,
        '"coal_charged * ncv_gj_per_unit * ',
        '"coal_charged * ',
        '[[formula]]\nname = "carbon_charged"',
        "t*tCO2/GJ",
    ),
    (
        "the warming potential forgotten",
        MINING,
        "ventilated * methane_density * gwp_ch4",
        "ventilated * methane_density",
        '[[formula]]\nname = "methane_ventilated"',
        "comes out in tCH4, not tCO2e",
    ),
    (
        "kilograms taken for tonnes",
        "aluminium.toml",
        "cf4_kg_per_t * tonnes_per_kilogram *",
        "cf4_kg_per_t *",
        '[[formula]]\nname = "anode_effect_cf4"',
        "kgCF4",
    ),
    (
        "CO2 taken from CO2e",
        CHAIN,
        "grid_tco2_per_mwh * gwp_co2",
        "grid_tco2_per_mwh",
        '[[formula]]\nname = "electricity_upstream"',
        "is added to or taken from",
    ),
    ("a unit of no kind", FUELS, '"GJ/{unit}"', '"kcal/{unit}"', '[[formula]]\nname = "fuel_combustion"', "'kcal' is not known"),
    ("a value without unit", FUELS, 'oxidation_rate = "1"\n', "", '[[factor]]\ncode = "CN_GEN_ANTHRACITE"', "no unit of oxidation_rate"),
    (
        "two factors for a day",
        POWER,
        "valid_until = 2023-01-01\nvalues",
        "valid_until = 2023-02-01\nvalues",
        '[[factor]]\ncode = "CN_POWER_COAL_UNMEASURED"\n',
        "both hold on 2023-01-01",
    ),
    (
        "a day without factor",
        POWER,
        "valid_from = 2023-01-01",
        "valid_from = 2023-02-01",
        '[[formula]]\nname = "fuel_combustion"',
        "no factor of coal holds on 2023-01-01",
    ),
    (
        "a validity beyond the factors",
        CEMENT,
        "effective_until = 2028-01-01",
        "effective_until = 2029-01-01",
        '[[formula]]\nname = "clinker"',
        "holds on 2028-01-01",
    ),
    ("a declared gap that is none", POWER, "valid_until = 2021-01-01", "valid_until = 2021-02-01", None, "has a factor"),
    (
        "an undeclared gap",
        POWER,
        "valid_until = 2021-01-01",
        "valid_until = 2020-12-01",
        '[[formula]]\nname = "purchased_electricity"',
        "no factor of grid_electricity holds on 2020-12-01",
    ),
    ("a factor given twice by name", STEEL, 'code = "CN_STEEL_COKE"', 'code = "CN_STEEL_TAR"', None, "CN_STEEL_TAR is given at"),
    ("an include of nothing", CEMENT, '"fuels-general/2015"', '"fuels-general/2014"', "includes =", "there is no fuels-general/2014"),
    ("an include of a sector", CEMENT, '"fuels-general/2015"', '"coking/2014"', "includes =", "is no library"),
    (
        "a balance without its formula",
        COKING,
        'requires = ["coal_charged"',
        'requires = ["coal_stored"',
        "[[balance]]",
        "no formula computes coal_stored",
    ),
    (
        "a formula of no activity",
        COKING,
        'activity = "coke_made"',
        'activity = "coke_sold"',
        '[[formula]]\nname = "carbon_in_coke"',
        "no activity coke_sold",
    ),
    ("a quantity counted twice", COKING, 'kind = "FUEL_USE"\nuses = ["FEEDSTOCK"]', 'kind = "FUEL_USE"', None, "count the same quantity"),
    ("an industry with two methods", CEMENT, 'industry_codes = ["3011"]', 'industry_codes = ["3216"]', None, "has a method already"),
    (
        "a warming potential of no report",
        MINING,
        'warming_potentials = "AR5"',
        'warming_potentials = "AR9"',
        'warming_potentials = "AR5"',
        "no table of AR9",
    ),
    (
        "scope 3 without category",
        CHAIN,
        "category = 4\n",
        "",
        'scope = 3\ntreatment = "VALUE_CHAIN"\ngas = "CO2e"\nexpression = "freight',
        "scope 3 is treated as",
    ),
    (
        "a printed figure off by 2 kg",
        POWER,
        'tco2e = "663.400"',
        'tco2e = "663.402"',
        'line = "purchased_electricity"',
        "663.402 is printed",
    ),
    ("a step with another sum", POWER, '"1000 × 0.6634"', '"1000 × 0.6643"', 'line = "purchased_electricity"', "the sum is 664.300 t"),
    (
        "a formula that the example knows better",
        MINING,
        "-utilised * methane",
        "utilised * methane",
        'line = "methane_utilised"',
        "computes 24091.200 t",
    ),
    ("no worked example", "grid.toml", "[[example]]", "[[examples]]", "[[examples]]", "no place here"),
]


class TestFaultyFiles:
    @pytest.mark.parametrize(("what", "name", "old", "new", "at", "says"), FAULTS, ids=[fault[0] for fault in FAULTS])
    def test_are_refused_by_file_line_and_reason(self, what: str, name: str, old: str, new: str, at: str | None, says: str) -> None:
        error = refused(name, old, new)
        assert says in error.reason
        assert str(error).startswith(f"{error.place.file_name}:{error.place.line}: ")
        if at is not None:
            changed = TEXTS[name].replace(old, new, 1)
            assert (error.place.file_name, error.place.line) == (name, line_of(changed if at in changed else TEXTS[name], at))


class TestSoundFiles:
    def test_are_read_and_checked_within_a_second_of_start_up(self) -> None:
        before = time.process_time()
        method_files.load()
        assert time.process_time() - before < 0.7

    def test_name_standard_source_and_confidence_of_everything(self) -> None:
        for linked in method_files.load():
            assert linked.pack.standard
            assert linked.pack.standard_edition
            assert all(factor.source and factor.confidence in ("transcription", "partly", "unverified") for factor in linked.pack.factors)

    def test_keep_the_same_fuel_apart_by_guideline(self) -> None:
        ncv = {
            linked.pack.code: factor.values["ncv_gj_per_unit"]
            for linked in method_files.load()
            for factor in linked.pack.factors
            if factor.key == "anthracite" and "ncv_gj_per_unit" in factor.values
        }
        assert ncv["fuels-general"] == ncv["cement"] == Fraction("24.515")
        assert ncv["iron-and-steel"] == Fraction("20.304")

    def test_take_warming_potentials_from_the_report_they_name(self) -> None:
        changed = {**TEXTS, MINING: TEXTS[MINING].replace('"AR5"', '"AR6"')}
        with pytest.raises(PackRefusedError, match=r"coal_mining\.toml:\d+: methane_ventilated computes 60012.900 t"):
            method_files.checked(changed)


class TestExpressions:
    @pytest.mark.parametrize("text", ["1e3", "0x10", "True", "'a'", "a.b", "a[0]", "(a, b)", "lambda: 1", "a if b else c", "1_000", ""])
    def test_hold_nothing_but_names_numbers_and_four_operations(self, text: str) -> None:
        with pytest.raises(ExpressionError):
            parse_expression(text)

    def test_are_evaluated_exactly(self) -> None:
        value = parse_expression("a * (1 - 0.1 - b) / 3").exactly({"a": Fraction(7), "b": Fraction(Decimal("0.2"))})
        assert value == Fraction(49, 30)

    @pytest.mark.parametrize(("text", "powers"), [("q * a", {1}), ("-q / a", {1}), ("q * (1 - a)", {1}), ("q + a", {0, 1}), ("q * q", {2})])
    def test_tell_the_powers_of_the_quantity(self, text: str, powers: set[int]) -> None:
        assert degrees(parse_expression(text), "q") == powers

    def test_are_refused_when_divided_by_the_quantity(self) -> None:
        with pytest.raises(ExpressionError, match="divided by the activity quantity"):
            degrees(parse_expression("a / q"), "q")

"""Every figure that a method file quotes is the one of the collection it was quoted from, confidence and all."""

import csv
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from services.collector import method_files
from services.collector.domain.method import Factor

REPOSITORY = Path(__file__).parents[3]
FILE = REPOSITORY.parent / "shared" / "data" / "factors.csv"
FACTORS = {factor.entry.code: factor.entry for one in method_files.load() for factor in one.factors}
# The collection gives their product; the file gives what it is a product of.
PRODUCTS = {"CN_CMM_POST_HIGH", "CN_CMM_POST_LOW", "CN_AL_ANODE", "CN_AL_PFC"}

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"{FILE.name} is not beside this checkout")


def rows() -> dict[str, dict[str, str]]:
    with FILE.open(encoding="utf-8") as lines:
        return {row["code"]: row for row in csv.DictReader(lines)}


def written(text: str) -> Fraction:
    """Read a figure of the collection, which binary fractions have left with noise in the 17th digit."""
    return Fraction(Decimal(text).quantize(Decimal("1e-9"), rounding=ROUND_HALF_EVEN))


def row_of(factor: Factor, collection: dict[str, dict[str, str]]) -> dict[str, str] | None:
    name = factor.code.removesuffix("_CARRIED_FORWARD").removeprefix("CHAIN_")
    return collection.get(name) or collection.get(name.replace("_BY_PRODUCT", "_BY-PRODUCT"))


class TestQuotedFactors:
    def test_are_those_of_the_collection(self) -> None:
        collection = rows()
        compared = 0
        for code, factor in FACTORS.items():
            row = row_of(factor, collection)
            if row is None or code in PRODUCTS:
                continue
            compared += 1
            if row["ncv_gj_per_unit"]:
                names = ("ncv_gj_per_unit", "carbon_content_tc_per_gj", "oxidation_rate")
                assert [factor.values[name] for name in names] == [written(row[name]) for name in names], code
            else:
                assert abs(written(row["factor_tco2e_per_unit"])) in factor.values.values(), code
            assert factor.confidence == row["confidence"], code
        assert compared >= 100

    def test_that_are_not_from_it_say_whose_they_are(self) -> None:
        """What the collection does not hold is ours, of IPCC or of a guideline read elsewhere: never of high confidence."""
        collection = rows()
        others = {code: factor for code, factor in FACTORS.items() if row_of(factor, collection) is None}
        assert {code.split("_")[0] for code in others} == {"OURS", "IPCC", "CHEM", "CHAIN"}
        assert {factor.confidence for factor in others.values()} == {"unverified"}

"""Published parameter files: readable, consistent, never edited."""

import hashlib
from decimal import Decimal
from pathlib import Path

import pytest

import services.scoring
from services.scoring.domain.parameters import ParameterError, Ramp, References
from services.scoring.parameter_files import load_parameters, load_references
from tests.unit.scoring.subjects import PARAMETERS

DOMAIN = Path(services.scoring.__file__).parent / "domain"

# What was published stays as it was: an assessment names the version only. A change is a new file with a line of its own here.
PUBLISHED = {
    "weights/2026.1.toml": "f82e7abb4d9b90bcd632b53e4e1de1d9c3a38fb767f5a07197e7f607c5ece16c",
    "references/2026.1.toml": "1df867588441274d721a1b10d8bf61b43510149f2383528a4434d0c6edb89f7e",
}


class TestPublishedFiles:
    @pytest.mark.parametrize("name", PUBLISHED)
    def test_are_what_was_published(self, name: str) -> None:
        assert hashlib.sha256((DOMAIN / name).read_bytes()).hexdigest() == PUBLISHED[name]

    def test_are_all_accounted_for(self) -> None:
        assert {f"{path.parent.name}/{path.name}" for path in DOMAIN.glob("*/*.toml")} == set(PUBLISHED)

    def test_name_the_version_they_are(self) -> None:
        assert load_parameters("2026.1").version == "2026.1"
        assert load_references("2026.1").version == "2026.1"

    def test_give_every_reference_a_source_and_a_confidence(self) -> None:
        for entry in PARAMETERS.references.entries:
            assert entry.source
            assert entry.confidence in {"transcription", "partly", "unverified", "ours"}

    def test_mark_the_references_of_renewables_as_ours(self) -> None:
        for route in ("wind", "solar", "hydro"):
            entry = PARAMETERS.references.of_route("4415", process_route=route, output_unit="MWh")
            assert entry is not None
            assert (entry.confidence, entry.intensity) == ("ours", Decimal("0.02"))


class TestReferences:
    @pytest.mark.parametrize(
        ("industry", "route", "unit", "intensity"),
        [
            ("4411", "coal", "MWh", "0.8177"),
            ("4411", "gas", "MWh", "0.3901"),
            ("3120", "bf_bof", "t", "2.0"),
            ("3120", "eaf", "t", "0.6"),
            ("3110", "unheard_of", "t", "1.8"),
            ("2521", "byproduct_recovery", "t", "0.35"),
        ],
    )
    def test_are_keyed_by_industry_and_route(self, industry: str, route: str, unit: str, intensity: str) -> None:
        entry = PARAMETERS.references.of_route(industry, process_route=route, output_unit=unit)
        assert entry is not None
        assert entry.intensity == Decimal(intensity)

    def test_refuse_two_for_one_peer_group(self) -> None:
        entries = PARAMETERS.references.entries
        with pytest.raises(ParameterError, match="two references"):
            References(version="x", entries=(*entries, entries[0]))


class TestRamp:
    def test_runs_straight_between_points_and_flat_outside(self) -> None:
        ramp = Ramp(points=((Decimal(0), Decimal(0)), (Decimal(2), Decimal(100))))
        assert [ramp.value(Decimal(figure)) for figure in (-1, 0, 1, 2, 3)] == [0, 0, 50, 100, 100]

    @pytest.mark.parametrize("points", [[(0, 0)], [(0, 0), (0, 1)], [(1, 0), (0, 1)], [(0, 0), (1, 5), (2, 3)]])
    def test_refuses_what_is_no_scale(self, points: list[tuple[int, int]]) -> None:
        with pytest.raises(ParameterError):
            Ramp(points=tuple((Decimal(figure), Decimal(value)) for figure, value in points))

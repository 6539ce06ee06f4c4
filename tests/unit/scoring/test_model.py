"""The loader takes exactly what was released; everything else is refused and the process lives on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from services.common.settings import Profile
from services.scoring import artefact
from services.scoring.artefact import Artefact, ArtefactError
from services.scoring.domain.features import FEATURE_NAMES
from services.scoring.domain.not_rated import Comparable, comparable
from services.scoring.domain.score import model_contributions
from services.scoring.model import ModelRefusedError, load
from services.scoring.panel import read_panel
from services.scoring.training import train
from tests.unit.scoring.subjects import PARAMETERS, observed, statement, window, write_panel


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    panel = read_panel(write_panel(tmp_path_factory.mktemp("model") / "panel.csv", subjects=200))
    return train(panel, parameters=PARAMETERS, seed=1, profile=Profile.SANDBOX)


def refused(content: bytes, *, profile: Profile = Profile.SANDBOX) -> str:
    with pytest.raises(ModelRefusedError) as caught:
        load(content, sha256=artefact.sha256_of(content), profile=profile)
    return caught.value.reason


def tampered(content: bytes, change: Callable[[Artefact], Artefact]) -> bytes:
    return artefact.write(change(artefact.read(content)))


class TestLoad:
    def test_takes_what_was_released(self, content: bytes) -> None:
        model = load(content, sha256=artefact.sha256_of(content), profile=Profile.SANDBOX)
        assert model.version == artefact.read(content).card["name"]

    def test_refuses_another_hash(self, content: bytes) -> None:
        with pytest.raises(ModelRefusedError, match="SHA256_MISMATCH"):
            load(content, sha256="00" * 32, profile=Profile.SANDBOX)

    def test_survives_a_truncated_model(self, content: bytes) -> None:
        for part in (2, 3, 10):
            cut = tampered(content, lambda one, part=part: replace(one, model_text=one.model_text[: len(one.model_text) // part]))  # type: ignore[misc]
            assert refused(cut) in {"CANARY_DIED", "UNREADABLE_MODEL", "GOLDEN_VECTORS_MISSED", "FEATURE_NAMES_MISMATCH"}

    def test_survives_a_model_that_kills_its_reader(self, content: bytes) -> None:
        text = artefact.read(content).model_text
        cut = text[: text.index("Tree=1") + 40]
        assert refused(tampered(content, lambda one: replace(one, model_text=cut))) in {"CANARY_DIED", "UNREADABLE_MODEL"}

    def test_refuses_swapped_feature_names(self, content: bytes) -> None:
        first, second = FEATURE_NAMES[0], FEATURE_NAMES[1]
        swap = {first: second, second: first}

        def change(one: Artefact) -> Artefact:
            lines = one.model_text.splitlines()
            at = next(number for number, line in enumerate(lines) if line.startswith("feature_names="))
            names = lines[at].removeprefix("feature_names=").split(" ")
            lines[at] = "feature_names=" + " ".join(swap.get(name, name) for name in names)
            return replace(one, model_text="\n".join(lines) + "\n")

        assert refused(tampered(content, change)) == "FEATURE_NAMES_MISMATCH"

    def test_refuses_features_of_another_meaning(self, content: bytes) -> None:
        changed = tampered(content, lambda one: replace(one, card={**one.card, "feature_schema_sha256": "00" * 32}))
        assert refused(changed) == "FEATURE_SCHEMA_MISMATCH"

    def test_refuses_changed_leaves(self, content: bytes) -> None:
        def change(one: Artefact) -> Artefact:
            head, line, rest = one.model_text.partition("leaf_value=")
            values, _, tail = rest.partition("\n")
            # The same length, as the text names the sizes of its trees; every leaf says the opposite.
            opposite = " ".join(value[1:] + "0" if value.startswith("-") else "-" + value[:-1] for value in values.split())
            return replace(one, model_text=head + line + opposite + "\n" + tail)

        assert refused(tampered(content, change)) == "GOLDEN_VECTORS_MISSED"

    def test_refuses_a_changed_calibration(self, content: bytes) -> None:
        changed = tampered(content, lambda one: replace(one, calibration_intercept=one.calibration_intercept + 0.01))
        assert refused(changed) == "GOLDEN_VECTORS_MISSED"

    def test_refuses_an_artefact_with_nothing_to_check(self, content: bytes) -> None:
        assert refused(tampered(content, lambda one: replace(one, golden_vectors=()))) == "GOLDEN_VECTORS_MISSING"

    def test_refuses_a_sandbox_model_in_production(self, content: bytes) -> None:
        assert refused(content, profile=Profile.PRODUCTION) == "SANDBOX_MODEL"

    @pytest.mark.parametrize("junk", [b"", b"{}", b"\x00\xff", b"[1]", b'{"format": "other"}', b'"text"'])
    def test_refuses_what_is_no_artefact(self, junk: bytes) -> None:
        with pytest.raises(ArtefactError):
            artefact.read(junk)
        assert refused(junk) == "UNREADABLE_ARTEFACT"

    def test_holds_no_number_that_json_could_write_two_ways(self, content: bytes) -> None:
        def numbers(part: object) -> list[object]:
            if isinstance(part, dict):
                return [one for value in part.values() for one in numbers(value)]
            if isinstance(part, list):
                return [one for value in part for one in numbers(value)]
            return [part] if isinstance(part, int | float) else []

        assert numbers(json.loads(content)) == []


class TestPredict:
    def test_splits_the_index_into_parts_that_add_up(self, content: bytes) -> None:
        model = load(content, sha256=artefact.sha256_of(content), profile=Profile.SANDBOX)
        index = next(one for one in PARAMETERS.indices if one.code == "reduction_probability")
        for newest in ("0.60", "0.75", "0.80", "0.84", "0.85", "0.90"):
            seen = observed(statement([window(2023), window(2024, intensity="0.87"), window(2025, intensity=newest)]))
            says = model.predict(model_row=seen.model_row, credited_row=seen.credited_row)
            at_baseline, parts = model_contributions(says, index=index, headroom=seen.headroom)
            assert abs(at_baseline + sum(parts.values()) - index.ramp.value(says.credited)) < Decimal("0.5")

    def test_never_credits_more_than_it_believes(self, content: bytes) -> None:
        model = load(content, sha256=artefact.sha256_of(content), profile=Profile.SANDBOX)
        for newest in ("0.70", "0.85", "0.90", "1.00"):
            seen = observed(statement([window(2023), window(2024), window(2025, intensity=newest)]))
            says = model.predict(model_row=seen.model_row, credited_row=seen.credited_row)
            assert Decimal(0) < says.credited <= says.probability + Decimal("0.02") < 1

    def test_takes_less_than_five_milliseconds(self, content: bytes) -> None:
        model = load(content, sha256=artefact.sha256_of(content), profile=Profile.SANDBOX)
        of = statement()
        assert isinstance(comparable(of, references=PARAMETERS.references), Comparable)
        seen = observed(of)
        times = []
        for _ in range(50):
            started = time.perf_counter()
            model.predict(model_row=seen.model_row, credited_row=seen.credited_row)
            times.append(time.perf_counter() - started)
        assert sorted(times)[len(times) // 2] < 0.005

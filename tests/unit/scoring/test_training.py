"""Training: the same panel and seed give the same artefact, the past never sees the future, and the card tells the truth."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.common.settings import Profile
from services.scoring import artefact, evaluation
from services.scoring.domain.features import schema_hash
from services.scoring.panel import COLUMNS, Panel, PanelError, read_panel, samples
from services.scoring.training import MONOTONE_RISING, TrainingError, train, walk
from tests.unit.scoring.subjects import PARAMETERS, write_panel


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Panel:
    return read_panel(write_panel(tmp_path_factory.mktemp("panel") / "panel.csv"))


@pytest.fixture(scope="module")
def content(panel: Panel) -> bytes:
    return train(panel, parameters=PARAMETERS, seed=1, profile=Profile.SANDBOX)


@pytest.fixture(scope="module")
def card(content: bytes) -> Mapping[str, Any]:
    return artefact.read(content).card


class TestTrain:
    def test_gives_the_same_artefact_for_the_same_panel_and_seed(self, panel: Panel, content: bytes) -> None:
        again = train(panel, parameters=PARAMETERS, seed=1, profile=Profile.SANDBOX)
        assert artefact.sha256_of(again) == artefact.sha256_of(content)

    def test_gives_another_artefact_for_another_seed(self, panel: Panel, content: bytes) -> None:
        assert train(panel, parameters=PARAMETERS, seed=2, profile=Profile.SANDBOX) != content

    def test_writes_a_canonical_artefact(self, content: bytes) -> None:
        assert artefact.write(artefact.read(content)) == content

    def test_is_as_good_as_such_a_panel_allows_and_no_better(self, card: Mapping[str, Any]) -> None:
        assert 0.60 <= float(card["test"]["auc"]) <= 0.78
        assert float(card["test"]["brier"]) < float(card["test"]["brier_constant"])
        assert 0.5 <= float(card["test"]["calibration_slope"]) <= 1.8

    def test_tells_where_the_model_comes_from(self, panel: Panel, card: Mapping[str, Any]) -> None:
        assert card["profile"] == "sandbox"
        assert card["data"]["panel_sha256"] == panel.sha256
        assert card["data"]["rows"] == str(panel.rows)
        assert card["feature_schema_sha256"] == schema_hash()
        assert card["training"]["seed"] == "1"
        assert set(card["libraries"]) == {"lightgbm", "numpy", "python"}
        assert set(card["segments"]) == {"4411/coal", "4411/gas"}

    def test_tests_on_years_after_those_it_learnt_and_calibrated_on(self, card: Mapping[str, Any]) -> None:
        data = card["data"]
        assert max(data["learnt_years"]) < min(data["calibrated_years"]) < min(data["tested_years"])

    def test_keeps_the_promised_directions(self, card: Mapping[str, Any]) -> None:
        assert card["monotonicity_sweep"]["features"] == list(MONOTONE_RISING)
        assert card["monotonicity_sweep"]["violations"] == "0"

    def test_makes_a_score_that_polluting_does_not_raise(self, card: Mapping[str, Any]) -> None:
        sweep = card["policy_sweep"]
        # Trees move in steps: a rare small rise is one, an incentive would show in many subjects.
        assert int(sweep["rises_beyond_tolerance"]) <= 0.01 * int(sweep["comparisons"])
        assert float(sweep["largest_rise_points"]) < 1.5

    def test_refuses_a_panel_of_too_few_years(self, tmp_path: Path) -> None:
        short = read_panel(write_panel(tmp_path / "short.csv", subjects=20, years=4))
        with pytest.raises(TrainingError, match="2 years"):
            train(short, parameters=PARAMETERS, seed=1, profile=Profile.SANDBOX)


class TestSamples:
    def test_hold_nothing_of_a_later_window_but_their_outcome(self, panel: Panel) -> None:
        cut = replace(panel, subjects={key: rows[:-1] for key, rows in panel.subjects.items()})
        whole = {(one.subject_key, one.year): one for one in samples(panel, parameters=PARAMETERS)}
        for one in samples(cut, parameters=PARAMETERS):
            assert whole[one.subject_key, one.year] == one

    def test_fold_forward_only(self, panel: Panel) -> None:
        for fold in walk(samples(panel, parameters=PARAMETERS)):
            assert max(one.year for one in fold.learnt) < min(one.year for one in fold.calibrated) < min(one.year for one in fold.tested)


class TestReadPanel:
    def write(self, path: Path, **changes: str) -> Path:
        row = dict.fromkeys(COLUMNS, "1") | {"period_start": "2020-01-01", "period_end": "2021-01-01"} | changes
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerow(row)
        return path

    def test_reads_a_row(self, tmp_path: Path) -> None:
        assert read_panel(self.write(tmp_path / "p.csv")).rows == 1

    @pytest.mark.parametrize(
        "changes",
        [
            {"scope1_tco2e": "1e3"},
            {"output_amount": ""},
            {"period_end": "2020-12-31"},
            {"period_start": "20-01-01"},
            {"data_quality": "x"},
        ],
    )
    def test_names_the_line_it_cannot_read(self, tmp_path: Path, changes: dict[str, str]) -> None:
        with pytest.raises(PanelError, match="line 2"):
            read_panel(self.write(tmp_path / "p.csv", **changes))

    def test_refuses_other_columns(self, tmp_path: Path) -> None:
        (tmp_path / "p.csv").write_text("a,b\n1,2\n")
        with pytest.raises(PanelError, match="columns"):
            read_panel(tmp_path / "p.csv")


class TestEvaluation:
    def test_auc_counts_ties_half(self) -> None:
        outcomes = np.array([True, False, True, False])
        assert evaluation.auc(np.array([0.9, 0.1, 0.8, 0.2]), outcomes) == 1.0
        assert evaluation.auc(np.array([0.5, 0.5, 0.5, 0.5]), outcomes) == 0.5
        assert evaluation.auc(np.array([0.1, 0.9, 0.2, 0.8]), outcomes) == 0.0

    def test_logistic_line_finds_what_made_the_outcomes(self) -> None:
        chance = np.random.default_rng(3)
        margins = chance.normal(size=20_000)
        outcomes = chance.random(20_000) < evaluation.sigmoid(1.5 * margins - 0.4)
        slope, intercept = evaluation.logistic_line(margins, outcomes.astype(float))
        assert abs(slope - 1.5) < 0.1
        assert abs(intercept + 0.4) < 0.05

    @pytest.mark.parametrize("outcomes", [[1.0] * 6, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]])
    def test_logistic_line_refuses_what_has_no_finite_fit(self, outcomes: list[float]) -> None:
        with pytest.raises(evaluation.NotSeparableError):
            evaluation.logistic_line(np.arange(6.0), np.array(outcomes))

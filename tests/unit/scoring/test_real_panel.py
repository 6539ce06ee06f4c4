"""The back-test on real facilities: as good as real data allows, and no better, because better would be a leak."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from services.common.settings import Profile
from services.scoring import artefact
from services.scoring.domain.not_rated import Comparable, comparable
from services.scoring.domain.statement import Statement
from services.scoring.panel import COLUMNS, Panel, read_panel
from services.scoring.training import train
from tests.unit.scoring.subjects import PARAMETERS, SUBJECT_CODE, SUBJECT_ID, TODAY, observed

REAL = Path(__file__).parents[4] / "shared" / "data" / "nger_facility_fy2015_2021.csv"
INDUSTRIES = {"Wind": "4415", "Solar": "4416", "Hydro": "4413", "Bagasse": "4417", "Landfill Gas": "4417", "Battery": "4419"}

pytestmark = pytest.mark.skipif(
    not REAL.exists(), reason="needs ../shared/data/nger_facility_fy2015_2021.csv, which is not part of the project"
)


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Panel:
    path = tmp_path_factory.mktemp("real") / "panel.csv"
    with REAL.open(newline="", encoding="utf-8") as source, path.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(COLUMNS)
        for row in csv.DictReader(source):
            end = int(row["fy_end_year"])
            figures = (format(Decimal(row[name] or "0"), "f") for name in ("scope1_t", "scope2_t", "generation_mwh"))
            period = (f"{end - 1}-07-01", f"{end}-07-01")
            industry = INDUSTRIES.get(row["fuel"], "4411")
            writer.writerow([row["facility_id"], industry, row["fuel"], "electricity", "MWh", *period, *figures, "2"])
    return read_panel(path)


class TestRealPanel:
    def test_carries_a_model_that_beats_the_constant_and_does_not_leak(self, panel: Panel) -> None:
        card = artefact.read(train(panel, parameters=PARAMETERS, seed=1, profile=Profile.SANDBOX)).card
        test = card["test_with_headroom"]
        print(
            "\nreal panel, last year:",
            test,
            "\nwalk:",
            [(one["tested_year"], one["auc"], one["brier"], one["brier_constant"]) for one in card["walk"]],
        )
        assert 0.60 <= float(test["auc"]) <= 0.78
        assert float(test["brier"]) < float(test["brier_constant"])
        sweep = card["policy_sweep"]
        # Trees move in steps: a rare small rise is one, an incentive would show in many subjects.
        assert int(sweep["rises_beyond_tolerance"]) <= 0.01 * int(sweep["comparisons"])
        assert float(sweep["largest_rise_points"]) < 1.5

    def test_rates_at_least_seventy_percent_of_facilities_with_three_years(self, panel: Panel) -> None:
        facilities = [rows for rows in panel.subjects.values() if len(rows) >= 3]
        rated = 0
        for rows in facilities:
            of = Statement(
                subject_id=SUBJECT_ID,
                subject_code=SUBJECT_CODE,
                account_revision=1,
                industry_code=rows[-1][0],
                annual_figures=tuple(window for _, window in rows),
                plan=None,
                investments=(),
            )
            if isinstance(comparable(of, references=PARAMETERS.references), Comparable):
                rated += 1
                assert observed(of, on=TODAY).stale_years >= 5
        print(f"\nrated {rated} of {len(facilities)}")
        assert rated / len(facilities) >= 0.7

"""What is true in the province: repeatable, calibrated, in the pilot's proportions."""

import math
import statistics
from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from services.sandbox.domain.sectors import Sector
from services.sandbox.domain.transition import Honesty
from services.sandbox.domain.truth import SubjectTruth, province
from services.sandbox.province import generator_of

PILOT = 1122


@pytest.fixture(scope="module")
def subjects() -> list[SubjectTruth]:
    return list(province(generator_of, seed=5, subjects=PILOT))


def yearly_log_changes(subjects: list[SubjectTruth], *, coal: bool) -> list[float]:
    changes = []
    for truth in subjects:
        if (truth.subject.route.sector is Sector.COAL_POWER) is not coal:
            continue
        emissions: dict[int, float] = defaultdict(float)
        output: dict[int, float] = defaultdict(float)
        for month in truth.activity:
            emissions[month.month.start.year] += float(month.scope1_tco2e + month.scope2_tco2e)
            output[month.month.start.year] += float(month.output)
        intensities = [emissions[year] / output[year] for year in sorted(output)]
        changes += [math.log(after / before) for before, after in pairwise(intensities)]
    return changes


class TestProvince:
    def test_is_the_beginning_of_a_larger_one(self, subjects: list[SubjectTruth]) -> None:
        assert list(province(generator_of, seed=5, subjects=20)) == subjects[:20]

    def test_is_another_with_another_seed(self, subjects: list[SubjectTruth]) -> None:
        other = {truth.subject.code for truth in province(generator_of, seed=6, subjects=50)}
        assert not other & {truth.subject.code for truth in subjects}

    def test_has_the_pilot_s_firms_in_each_city(self, subjects: list[SubjectTruth]) -> None:
        assert Counter(truth.subject.city_code for truth in subjects) == {"140400": 503, "140200": 446, "140300": 173}

    def test_has_every_sector_among_its_first_dozen(self) -> None:
        few = province(generator_of, seed=9, subjects=12)
        assert {truth.subject.route.sector for truth in few} == set(Sector)

    def test_gives_every_subject_a_code_of_its_own(self, subjects: list[SubjectTruth]) -> None:
        assert len({truth.subject.code for truth in subjects}) == PILOT

    def test_has_plans_of_every_honesty(self, subjects: list[SubjectTruth]) -> None:
        with_plan = [truth.transition for truth in subjects if truth.transition.plan is not None]
        assert {transition.honesty for transition in with_plan} == set(Honesty)
        assert 0.3 < len(with_plan) / PILOT < 0.7

    def test_lets_pretenders_spend_nothing_and_honest_ones_what_they_declare(self, subjects: list[SubjectTruth]) -> None:
        for truth in subjects:
            for investment in truth.transition.investments:
                assert investment.declared_yuan <= investment.total_capital_expenditure_yuan
                match truth.transition.honesty:
                    case Honesty.HONEST:
                        assert investment.truly_spent_yuan == investment.declared_yuan
                    case Honesty.EXAGGERATING:
                        assert investment.truly_spent_yuan <= investment.declared_yuan
                    case Honesty.PRETENDING:
                        assert investment.truly_spent_yuan == 0


class TestCalibration:
    def test_moves_intensity_of_coal_like_the_real_panel(self, subjects: list[SubjectTruth]) -> None:
        # 0.036 on the Australian facilities; plans add a little spread of their own.
        assert 0.030 < statistics.stdev(yearly_log_changes(subjects, coal=True)) < 0.046

    def test_moves_intensity_of_the_others_like_the_real_panel(self, subjects: list[SubjectTruth]) -> None:
        assert 0.125 < statistics.stdev(yearly_log_changes(subjects, coal=False)) < 0.165

    def test_lets_no_facility_make_more_than_it_can(self, subjects: list[SubjectTruth]) -> None:
        for truth in subjects:
            for month in truth.activity:
                if truth.subject.route.product_code == "electricity":
                    hours = 24 * month.month.days()
                    assert 0 < float(month.output) <= truth.subject.capacity * month.facility.capacity_share * hours

    def test_keeps_intensities_in_plausible_ranges(self, subjects: list[SubjectTruth]) -> None:
        ranges = {
            "coal": (0.5, 1.4),
            "bf_bof": (0.8, 5.0),
            "eaf": (0.2, 1.6),
            "byproduct_recovery": (0.1, 1.0),
            "wind": (0, 0.05),
            "solar": (0, 0.05),
        }
        for truth in subjects:
            low, high = ranges[truth.subject.route.process_route]
            emissions = sum(float(month.scope1_tco2e + month.scope2_tco2e) for month in truth.activity)
            assert low <= emissions / sum(float(month.output) for month in truth.activity) <= high

    def test_keeps_the_totals_in_proportion_to_the_province_s(self, subjects: list[SubjectTruth]) -> None:
        # 2019: power and heat 332 Mt, ferrous 92, coking and refining 41 (CEADS): coal power leads, then steel, then coking.
        totals: Counter[Sector] = Counter()
        for truth in subjects:
            totals[truth.subject.route.sector] += int(sum(month.scope1_tco2e for month in truth.activity))
        assert totals[Sector.COAL_POWER] > 2 * totals[Sector.STEEL] > totals[Sector.COKING] > totals[Sector.NEW_ENERGY]
        assert 60e6 < totals[Sector.COAL_POWER] / 3 < 332e6

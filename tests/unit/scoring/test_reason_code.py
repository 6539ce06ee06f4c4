"""At most four reasons, that together with what is left out explain the whole score."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain.features import FEATURE_NAMES, Features
from services.scoring.domain.reason_code import BASELINE, REASONS_MAX, STALE, ReasonCode, all_reasons, reason_codes
from services.scoring.domain.score import score_of
from tests.unit.scoring.subjects import PARAMETERS, investment, observed, plan, prediction, statement, window

margins = st.lists(st.integers(-900, 900), min_size=len(FEATURE_NAMES), max_size=len(FEATURE_NAMES))
intensities = st.integers(1, 2500).map(lambda n: Decimal(n).scaleb(-3))


def reasons(seen: Features, credited: str = "0.30", contributions: list[str] | None = None) -> tuple[ReasonCode, ...]:
    says = prediction(credited, contributions=contributions)
    return reason_codes(seen, prediction=says, score=score_of(seen, prediction=says, parameters=PARAMETERS))


class TestReasonCodes:
    @given(st.lists(intensities, min_size=2, max_size=4), margins)
    def test_add_up_to_the_score(self, levels: list[Decimal], parts: list[int]) -> None:
        if abs(sum(parts)) < 50:
            return
        windows = [window(2026 - len(levels) + position, intensity=level) for position, level in enumerate(levels)]
        seen = observed(statement(windows, with_plan=plan(), investments=[investment(2025)]))
        says = prediction("0.35", contributions=[str(Decimal(part).scaleb(-3)) for part in parts])
        score = score_of(seen, prediction=says, parameters=PARAMETERS)
        explained = sum(reason.points for reason in all_reasons(seen, prediction=says, score=score))
        assert abs(100 + explained - score.total) <= Decimal("0.15")

    def test_are_four_at_most_and_strongest_first(self) -> None:
        told = reasons(observed(statement()))
        assert len(told) == REASONS_MAX
        points = [abs(reason.points) for reason in told]
        assert points == sorted(points, reverse=True)

    def test_never_tell_the_baseline_of_the_model(self) -> None:
        assert BASELINE not in {reason.code for reason in reasons(observed(statement()))}

    def test_ask_for_what_is_missing(self) -> None:
        codes = [reason.code for reason in reasons(observed(statement()))]
        assert codes[:2] == ["R411", "R412"]

    def test_tell_a_contradiction_from_an_absence(self) -> None:
        poor, absent = (observed(statement(investments=lines)) for lines in ([investment(2025, share="1.5")], []))
        assert reasons(poor)[0].code == "R421"
        assert [reason.points for reason in reasons(poor)] == [reason.points for reason in reasons(absent)]

    def test_tell_of_overdue_milestones_when_there_is_a_plan(self) -> None:
        codes = {reason.code for reason in reasons(observed(statement(with_plan=plan(met=0, overdue=3), investments=[investment(2025)])))}
        assert "R402" in codes
        assert "R412" not in codes

    def test_say_when_the_figures_are_old(self) -> None:
        told = reasons(observed(statement([window(2020), window(2021)])))
        assert len(told) == REASONS_MAX
        assert told[-1].code == STALE
        assert told[-1].points == 0

    def test_carry_the_models_part_in_points_with_its_sign(self) -> None:
        parts = ["0", "-1.5", *["0"] * (len(FEATURE_NAMES) - 2)]
        seen = observed(statement(with_plan=plan(met=3, future=0), investments=[investment(2025, share="0.4")]))
        says = prediction("0.06", baseline="0.40", contributions=parts)
        told = all_reasons(seen, prediction=says, score=score_of(seen, prediction=says, parameters=PARAMETERS))
        assert next(reason for reason in told if reason.code == "R222").points < -3

    def test_have_a_text_in_both_languages(self) -> None:
        for reason in all_reasons(
            observed(statement()),
            prediction=prediction(),
            score=score_of(observed(statement()), prediction=prediction(), parameters=PARAMETERS),
        ):
            assert reason.text_zh
            assert reason.text_en.endswith(".")

    def test_are_few_or_none_where_nothing_is_wanting(self) -> None:
        windows = [window(year, intensity="0", route="wind") for year in (2023, 2024, 2025)]
        perfect = observed(
            statement(windows, industry="4415", with_plan=plan(met=3, target_percent="0"), investments=[investment(2025, share="0.5")])
        )
        assert reasons(perfect) == ()


class TestTexts:
    def test_name_the_full_marks_that_are_published(self) -> None:
        seen, says = observed(statement()), prediction()
        told = {one.code: one for one in all_reasons(seen, prediction=says, score=score_of(seen, prediction=says, parameters=PARAMETERS))}
        full_marks = {
            index.code: next(figure for figure, value in index.ramp.points if value == 100)
            for index in PARAMETERS.indices
            if index.code != "reduction_probability"
        }
        for code, index, times in (
            ("R201", "annual_reduction", 1),
            ("R202", "cumulative_reduction", 1),
            ("R301", "emissions_trend", -1),
            ("R302", "newest_emissions_change", -1),
            ("R501", "lead_within_route", 100),
            ("R502", "lead_within_industry", 100),
        ):
            named = int(full_marks[index] * times)
            assert f"{named} %" in told[code].text_en
            assert f"{named}%" in told[code].text_zh

"""What a report says, and which differences between two reports are news."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reports import report_schema, wire
from services.reports.domain.report import Issuer, JsonObject, KeyProfile, compose, instant_text, substance
from services.reports.domain.revision import Place, Predecessor
from tests.unit.reports.examples import COMPOSED_AT, KNOWN_AT, SUBJECT_CODE, assessment_made

ISSUER = Issuer(name="Bureau", province="shanxi")
FIRST = Place(number=1, predecessor=None)
SECOND = Place(number=2, predecessor=Predecessor(number=1, content_sha256="a" * 64))


def report_of(*, place: Place = FIRST, composed_at: datetime = COMPOSED_AT, **changes: object) -> JsonObject:
    assessed = wire.assessed_subject(assessment_made(**changes).SerializeToString())  # type: ignore[arg-type]
    return compose(assessed=assessed, place=place, issuer=ISSUER, key_profile=KeyProfile.SANDBOX, composed_at=composed_at)


class TestCompose:
    def test_makes_what_the_verifier_demands_of_a_rated_subject(self) -> None:
        assert report_schema.problem_of(report_of()) is None

    def test_makes_what_the_verifier_demands_of_a_subject_without_a_grade(self) -> None:
        report = report_of(rated=False)
        assert report_schema.problem_of(report) is None
        assert report["assessment"]["reasons"][0]["code"] == "TOO_FEW_PERIODS"  # type: ignore[index, call-overload]

    def test_states_subject_grades_and_pins(self) -> None:
        report = report_of(place=SECOND)
        assert report["schema"] == "carbonbureau.report/1"
        assert report["subject"]["code"] == SUBJECT_CODE  # type: ignore[index, call-overload]
        assert report["assessment"]["grades"] == {"model": "BBB", "held": "BBB", "final": "BBB"}  # type: ignore[index, call-overload]
        assert report["assessment"]["score"] == "63.12"  # type: ignore[index, call-overload]
        assert report["revision"] == {"number": 2, "predecessor": {"number": 1, "content_sha256": "a" * 64}}
        assert report["pins"]["evidence_count"] == 141  # type: ignore[index, call-overload]
        assert report["profile"] == "sandbox"

    def test_keeps_every_digit_that_scoring_wrote(self) -> None:
        figures = report_of()["account"]["annual_figures"][0]  # type: ignore[index, call-overload]
        assert figures["scope1_tco2e"] == "1234567.890123"  # type: ignore[index, call-overload]
        assert figures["scope2_tco2e"] == "0.000000"  # type: ignore[index, call-overload]

    def test_says_null_where_there_is_nothing_and_leaves_no_member_out(self) -> None:
        newest = report_of()["account"]["annual_figures"][1]  # type: ignore[index, call-overload]
        assert newest["intensity_tco2e_per_unit"] is None  # type: ignore[index, call-overload]

    def test_lets_the_worst_input_decide_about_data_quality(self) -> None:
        quality = report_of()["data_quality"]
        assert quality == {
            "worst": 3,
            "windows": 2,
            "windows_incomplete": 1,
            "newest_window_months_covered": 11,
            "open_findings_by_severity": {"NOTICE": 0, "WARNING": 1, "SEVERE": 0},
        }

    def test_does_not_take_months_that_are_still_coming_in_for_a_gap(self) -> None:
        message = assessment_made()
        coming_in = message.account.annual_figures.add()
        coming_in.CopyFrom(message.account.annual_figures[1])
        coming_in.months_covered = 1
        coming_in.period.start_date, coming_in.period.end_date = "2026-01-01", "2026-02-01"
        assessed = wire.assessed_subject(message.SerializeToString())
        report = compose(assessed=assessed, place=FIRST, issuer=ISSUER, key_profile=KeyProfile.SANDBOX, composed_at=COMPOSED_AT)
        assert len(report["account"]["annual_figures"]) == 3  # type: ignore[index, call-overload, arg-type]
        assert report["data_quality"] == report_of()["data_quality"]

    def test_makes_the_same_bytes_from_the_same_state(self) -> None:
        assert wire.canonical(report_of()) == wire.canonical(report_of())

    def test_holds_no_number_that_json_readers_could_round(self) -> None:
        def numbers(value: object) -> list[object]:
            if isinstance(value, dict):
                return [found for one in value.values() for found in numbers(one)]
            if isinstance(value, list):
                return [found for one in value for found in numbers(one)]
            return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []

        assert all(isinstance(number, int) for number in numbers(report_of()))


class TestInstantText:
    def test_writes_utc_with_six_digits_at_midnight_in_shanxi(self) -> None:
        leap_day = datetime(2028, 3, 1, 0, 0, 0, tzinfo=timezone(timedelta(hours=8)))
        assert instant_text(leap_day) == "2028-02-29T16:00:00.000000Z"

    def test_refuses_an_instant_without_zone(self) -> None:
        with pytest.raises(ValueError, match="zone"):
            instant_text(datetime(2026, 1, 1))


class TestSubstance:
    def test_is_the_same_when_only_time_went_on(self) -> None:
        """Another day, another assessment, another place in the chain: nothing a reader would call news."""
        one = report_of()
        later = timedelta(days=1)
        other = report_of(number=2, assessed_on="2026-03-01", known_at=KNOWN_AT + later, composed_at=COMPOSED_AT + later, place=SECOND)
        assert one != other
        assert wire.fingerprint(one) == wire.fingerprint(other)

    @pytest.mark.parametrize("changes", [{"score": "63.13"}, {"rated": False}, {"account_revision": 8}])
    def test_differs_when_content_differs(self, changes: dict[str, object]) -> None:
        assert wire.fingerprint(report_of()) != wire.fingerprint(report_of(**changes))

    def test_leaves_the_report_as_it_is(self) -> None:
        report = report_of()
        before = deepcopy(report)
        substance(report)
        assert report == before

    @given(st.data())
    def test_sees_a_change_of_any_other_claim(self, data: st.DataObject) -> None:
        """Every leaf but those that move with time alone counts."""
        report = report_of()
        leaves = [path for path in _leaves(report) if not _moves_with_time(path)]
        path = data.draw(st.sampled_from(leaves))
        assert wire.fingerprint(_changed(report, path)) != wire.fingerprint(report)

    @given(st.data())
    def test_sees_no_change_of_what_moves_with_time(self, data: st.DataObject) -> None:
        report = report_of(place=SECOND, number=2)
        leaves = [path for path in _leaves(report) if _moves_with_time(path)]
        assert len(leaves) == 8
        path = data.draw(st.sampled_from(leaves))
        assert wire.fingerprint(_changed(report, path)) == wire.fingerprint(report)


def _leaves(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict):
        return [leaf for name, one in value.items() for leaf in _leaves(one, (*path, name))]
    if isinstance(value, list):
        return [leaf for index, one in enumerate(value) for leaf in _leaves(one, (*path, index))]
    return [path]


def _moves_with_time(path: tuple[str | int, ...]) -> bool:
    return path[0] in ("composed_time", "revision") or path[-1] in (
        "assessed_on_date",
        "known_time",
        "assessment_id",
        "previous_assessment_id",
    )


def _changed(report: JsonObject, path: tuple[str | int, ...]) -> JsonObject:
    changed = deepcopy(report)
    holder: object = changed
    for step in path[:-1]:
        holder = holder[step]  # type: ignore[index]
    holder[path[-1]] = "changed"  # type: ignore[index]
    return changed


def test_the_example_of_known_time_is_a_nasty_date() -> None:
    assert KNOWN_AT.astimezone(UTC).day == 28
    assert KNOWN_AT.astimezone(timezone(timedelta(hours=8))).hour == 23

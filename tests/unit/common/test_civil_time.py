"""Half-open periods of civil days."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.civil_time import Period, PeriodError

SHANGHAI = "Asia/Shanghai"


def period(start: str, end: str, zone: str = SHANGHAI) -> Period:
    return Period(start=date.fromisoformat(start), end=date.fromisoformat(end), zone=zone)


periods = st.tuples(st.dates(date(2000, 1, 1), date(2040, 1, 1)), st.dates(date(2000, 1, 1), date(2040, 1, 1))).filter(
    lambda pair: pair[0] < pair[1]
)


class TestPeriod:
    @pytest.mark.parametrize(("start", "end"), [("2026-01-01", "2026-01-01"), ("2026-02-01", "2026-01-01")])
    def test_ends_after_it_starts(self, start: str, end: str) -> None:
        with pytest.raises(PeriodError):
            period(start, end)

    @pytest.mark.parametrize("zone", ["", "Nowhere/Town", "../etc/passwd", "/etc/passwd", "Asia\x00"])
    def test_names_a_known_zone(self, zone: str) -> None:
        with pytest.raises(PeriodError):
            period("2026-01-01", "2026-02-01", zone)

    def test_is_of_dates_not_instants(self) -> None:
        with pytest.raises(PeriodError):
            Period(start=datetime(2026, 1, 1, tzinfo=UTC), end=date(2026, 2, 1), zone=SHANGHAI)

    def test_counts_days_over_a_leap_day(self) -> None:
        assert period("2024-02-01", "2024-03-01").days() == 29
        assert period("2023-02-01", "2023-03-01").days() == 28

    @pytest.mark.parametrize(
        ("start", "end", "months"),
        [
            ("2025-12-01", "2026-01-01", 1),
            ("2023-01-01", "2026-01-01", 36),
            ("2025-07-01", "2026-07-01", 12),
            ("2026-01-02", "2026-02-01", None),
        ],
    )
    def test_counts_whole_months_or_none(self, start: str, end: str, months: int | None) -> None:
        assert period(start, end).months() == months

    def test_begins_and_ends_at_local_midnight(self) -> None:
        year = period("2026-01-01", "2027-01-01")
        assert year.starts_at() == datetime(2025, 12, 31, 16, tzinfo=UTC)
        assert year.ends_at() == datetime(2026, 12, 31, 16, tzinfo=UTC)

    def test_knows_days_that_are_not_24_hours_long(self) -> None:
        # Sydney turned its clocks forward on 2014-10-05.
        day = period("2014-10-05", "2014-10-06", "Australia/Sydney")
        assert (day.ends_at() - day.starts_at()).total_seconds() == 23 * 3600

    @given(periods)
    def test_its_months_cover_it_exactly(self, days: tuple[date, date]) -> None:
        whole = Period(start=days[0], end=days[1], zone=SHANGHAI)
        pieces = list(whole.each_month())
        assert (pieces[0].start, pieces[-1].end) == days
        assert all(before.end == after.start and after.start.day == 1 for before, after in pairwise(pieces))
        assert sum(piece.days() for piece in pieces) == whole.days()

    def test_neighbours_do_not_overlap_and_parts_are_contained(self) -> None:
        january, february, both = period("2026-01-01", "2026-02-01"), period("2026-02-01", "2026-03-01"), period("2026-01-01", "2026-03-01")
        assert not january.overlaps(february)
        assert both.contains(january)
        assert both.overlaps(february)
        assert not january.contains(both)

    def test_periods_of_two_zones_are_not_compared(self) -> None:
        with pytest.raises(PeriodError):
            period("2026-01-01", "2026-02-01").overlaps(period("2026-01-01", "2026-02-01", "Australia/Sydney"))

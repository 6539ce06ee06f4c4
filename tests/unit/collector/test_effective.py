"""Which revisions of a record count, whatever the order in which they came."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.collector.domain.effective import split

RECORD = ("ent-sx", "FUEL_USE", "7")


def numbers(revisions: list[int]) -> tuple[list[int], list[int]]:
    found = split((RECORD, revision, revision) for revision in revisions)
    return found.effective, found.parked


class TestSplit:
    def test_takes_the_highest_revision(self) -> None:
        assert numbers([1, 2, 3]) == ([3], [])

    def test_parks_a_correction_without_its_original(self) -> None:
        assert numbers([2]) == ([], [2])

    def test_parks_what_comes_after_a_gap(self) -> None:
        assert numbers([1, 2, 4, 5]) == ([2], [4, 5])

    def test_keeps_records_apart(self) -> None:
        other = ("ent-sx", "FUEL_USE", "8")
        found = split([(RECORD, 1, "a"), (other, 2, "b")])
        assert (found.effective, found.parked) == (["a"], ["b"])

    @settings(deadline=None)
    @given(st.sets(st.integers(1, 8), min_size=1).flatmap(lambda revisions: st.permutations(sorted(revisions))))
    def test_does_not_depend_on_the_order(self, revisions: list[int]) -> None:
        assert numbers(revisions) == numbers(sorted(revisions))

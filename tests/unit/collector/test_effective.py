"""Which revisions of a record count, whatever the order in which they came."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from carbonbureau.intake.v1 import submission_pb2 as intake
from hypothesis import given, settings
from hypothesis import strategies as st

from services.collector.domain.account import AccountView
from services.collector.domain.effective import split
from services.collector.domain.submission import original_id
from tests.unit.collector.submissions import accepted, code_of, findings_of, reported, subject_id_of, view_of

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


# ---- One record number, and revisions of it about two subjects ----

PROVIDER = "eco-sx"
RIGHT, OTHER = code_of(1), code_of(2)


def sent(code: str, revision: int, tonnes: int) -> intake.Submission:
    return reported(str(tonnes), record_number="7", record_revision=revision, code=code)


def kept(arrived: Iterable[intake.Submission]) -> dict[UUID, intake.Submission]:
    """Keep what came as intake does: under each business key what was first."""
    held: dict[UUID, intake.Submission] = {}
    for one in arrived:
        held.setdefault(accepted(one, provider=PROVIDER).submission_id, one)
    return held


def account_of(code: str, held: dict[UUID, intake.Submission]) -> AccountView:
    one = next(iter(held.values()))
    original = original_id(provider_code=PROVIDER, kind=accepted(one, provider=PROVIDER).kind, record_number=one.record_number)
    elsewhere = {original} if original in held and held[original].subject_code != code else set()
    own = [(PROVIDER, one) for one in held.values() if one.subject_code == code]
    return view_of(own, subject_id=subject_id_of(code), code=code, held_elsewhere=elsewhere)


def says(view: AccountView) -> object:
    """Sum up what an account says: what counts, what waits, what never will, and what was found."""
    parked, misdirected = ({one.submission_id for one in group} for group in (view.parked, view.misdirected))
    return (list(view.effective), parked, misdirected, list(view.postings), findings_of(view))


def tonnes(view: AccountView) -> list[int]:
    return [int(posting.amount_tco2e) for posting in view.postings]


REVISIONS = st.builds(sent, st.sampled_from([RIGHT, OTHER]), st.integers(1, 5), st.integers(1, 2))
ARRIVED = st.lists(REVISIONS, min_size=1, max_size=8)


def without_conflicts(arrived: Sequence[intake.Submission]) -> list[intake.Submission]:
    return list(kept(arrived).values())


class TestRevisionsAboutTwoSubjects:
    @settings(deadline=None)
    @given(ARRIVED.map(without_conflicts).flatmap(lambda arrived: st.tuples(st.just(arrived), st.permutations(arrived))))
    def test_make_the_same_accounts_in_any_order(self, orders: tuple[list[intake.Submission], list[intake.Submission]]) -> None:
        one, other = (kept(order) for order in orders)
        assert one == other
        for code in (RIGHT, OTHER):
            assert says(account_of(code, one)) == says(account_of(code, other))

    @settings(deadline=None)
    @given(ARRIVED.flatmap(lambda arrived: st.tuples(st.just(arrived), st.permutations(arrived))))
    def test_are_kept_in_any_order_but_for_which_of_two_under_one_key(
        self, orders: tuple[list[intake.Submission], list[intake.Submission]]
    ) -> None:
        one, other = (kept(order) for order in orders)
        assert one.keys() == other.keys()

    @settings(deadline=None)
    @given(ARRIVED)
    def test_can_always_be_mended_under_the_subject_of_the_original(self, arrived: list[intake.Submission]) -> None:
        """Whatever came before, the revisions that are still free, up to the next one, put the account right."""
        held = kept([*arrived, sent(RIGHT, 1, 1000)])
        right = next(one.subject_code for one in held.values() if one.record_revision == 1)
        highest = max(one.record_revision for one in held.values() if one.subject_code == right)
        mended = kept([*held.values(), *(sent(right, revision, 10) for revision in range(2, highest + 2))])
        assert tonnes(account_of(right, mended)) == [10]
        other = OTHER if right == RIGHT else RIGHT
        assert tonnes(account_of(other, mended)) == []

    def test_of_the_other_subject_neither_count_nor_stand_in_the_way(self) -> None:
        original, stray, correction = sent(RIGHT, 1, 1000), sent(OTHER, 2, 5), sent(RIGHT, 2, 10)
        for order in ([original, stray, correction], [stray, original, correction], [correction, stray, original]):
            held = kept(order)
            assert len(held) == 3
            assert tonnes(account_of(RIGHT, held)) == [10]
            stranger = account_of(OTHER, held)
            assert (stranger.postings, stranger.parked) == ([], [])
            assert "CORRECTION_OF_ANOTHER_SUBJECT" in {finding.rule_id for finding in findings_of(stranger)}

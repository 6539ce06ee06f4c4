"""When a revision is made, and where it stands."""

from __future__ import annotations

import pytest

from services.reports.domain.revision import Head, Place, Predecessor, State, is_revision, next_place, state_of_next


def head(*, number: int = 3, fingerprint: str = "f", state: State = State.ISSUED) -> Head:
    return Head(number=number, content_sha256="c" * 64, fingerprint=fingerprint, state=state)


class TestNextPlace:
    def test_begins_a_chain_at_one_without_predecessor(self) -> None:
        assert next_place(None) == Place(number=1, predecessor=None)

    def test_follows_the_newest_and_names_its_content(self) -> None:
        assert next_place(head()) == Place(number=4, predecessor=Predecessor(number=3, content_sha256="c" * 64))

    def test_follows_one_that_is_not_signed_yet(self) -> None:
        assert next_place(head(state=State.PREPARED)).predecessor == Predecessor(number=3, content_sha256="c" * 64)


class TestIsRevision:
    def test_is_one_when_there_is_none_yet(self) -> None:
        assert is_revision(None, fingerprint="f")

    def test_is_none_when_the_content_is_the_same(self) -> None:
        assert not is_revision(head(), fingerprint="f")

    def test_is_one_when_the_content_differs(self) -> None:
        assert is_revision(head(), fingerprint="g")


class TestStateOfNext:
    def test_may_be_signed_when_all_before_are_issued(self) -> None:
        assert state_of_next(None) is State.PREPARED
        assert state_of_next(head()) is State.PREPARED

    @pytest.mark.parametrize("state", [State.PREPARED, State.WAITING])
    def test_waits_behind_one_that_is_not_issued(self, state: State) -> None:
        assert state_of_next(head(state=state)) is State.WAITING


class TestPlace:
    @pytest.mark.parametrize(
        ("number", "predecessor"),
        [
            (0, None),
            (2, None),
            (1, Predecessor(number=0, content_sha256="c")),
            (3, Predecessor(number=1, content_sha256="c")),
            (3, Predecessor(number=3, content_sha256="c")),
        ],
    )
    def test_refuses_a_place_outside_any_chain(self, number: int, predecessor: Predecessor | None) -> None:
        with pytest.raises(ValueError, match="revision"):
            Place(number=number, predecessor=predecessor)

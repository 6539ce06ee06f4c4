"""Derived ids: the same parts make the same id, any difference makes another."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.amounts import AmountError
from services.common.identifiers import RandomIds, derived_id, masked

names = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=4)
values = st.one_of(
    st.text(max_size=8),
    st.integers(-(10**12), 10**12),
    st.uuids(),
    st.dates(),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-1000, max_value=1000),
)
parts = st.dictionaries(names, values, max_size=4)


def canonical(parts: dict[str, object]) -> list[tuple[str, str, str]]:
    """Tell two sets of parts apart by name, type and written value, since 1 == Decimal(1) == True in Python."""
    return sorted((name, type(value).__name__, str(value)) for name, value in parts.items())


class TestDerivedId:
    @given(st.text(max_size=8), parts, st.randoms())
    def test_does_not_depend_on_the_order_of_the_parts(self, kind: str, given_parts: dict, chance) -> None:
        shuffled = list(given_parts.items())
        chance.shuffle(shuffled)
        assert derived_id(kind, **given_parts) == derived_id(kind, **dict(shuffled))

    @given(st.text(max_size=4), st.text(max_size=4), parts, parts)
    def test_differs_whenever_kind_or_any_part_differs(self, kind: str, other_kind: str, one: dict, other: dict) -> None:
        same = kind == other_kind and canonical(one) == canonical(other)
        assert (derived_id(kind, **one) == derived_id(other_kind, **other)) == same

    def test_is_the_version_5_uuid_of_its_name(self) -> None:
        name = "4:kind" + "1:a1:s1:b" + "1:n1:i2:-7"
        assert derived_id("kind", n=-7, a="b") == uuid5(UUID("5d0f2ad3-3a53-5c1e-9d0f-6f2b8c1f7a10"), name)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"a": "1:b", "c": "d"}, {"a": "1", "b": "c:d"}),
            ({"a": "x", "b": "y"}, {"a": "x1:b1:s1:y"}),
            ({"a": ""}, {}),
            ({"a": "1"}, {"a": 1}),
            ({"a": 1}, {"a": Decimal(1)}),
            ({"a": Decimal("1.0")}, {"a": Decimal("1.00")}),
            ({"a": "2026-02-28"}, {"a": date(2026, 2, 28)}),
            ({"a": str(UUID(int=1))}, {"a": UUID(int=1)}),
            ({"a": "é"}, {"a": "e\u0301"}),
        ],
    )
    def test_is_not_fooled_by(self, one: dict, other: dict) -> None:
        assert derived_id("k", **one) != derived_id("k", **other)

    @pytest.mark.parametrize("value", [True, 1.5, datetime(2026, 1, 1, tzinfo=UTC), None, b"x"])
    def test_refuses_what_has_no_canonical_form(self, value: object) -> None:
        with pytest.raises(TypeError):
            derived_id("k", part=value)  # type: ignore[arg-type]

    @pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "1E+999999999"])
    def test_refuses_a_decimal_that_cannot_be_written_out(self, value: str) -> None:
        with pytest.raises(AmountError):
            derived_id("k", part=Decimal(value))

    def test_takes_a_part_whatever_its_name(self) -> None:
        assert len({derived_id("a", kind="b"), derived_id("b", kind="a"), derived_id("a", self="b"), derived_id("a")}) == 4

    def test_never_changes(self) -> None:
        """Ids already given out would change with the encoding; this one was computed when it was first released."""
        made = derived_id("assessment", revision=7, on=date(2026, 2, 28), weights="2026.1", scale=Decimal("0.10"), subject=UUID(int=5))
        assert made.version == 5
        assert str(made) == "bd006a08-67d9-557a-a43e-ea9c4981b438"


class TestRandomIds:
    def test_gives_another_one_each_time(self) -> None:
        ids = RandomIds()
        assert len({ids.new() for _ in range(1000)}) == 1000


def test_a_log_shows_the_last_four_characters_only() -> None:
    assert masked("914403001922038216") == "…8216"

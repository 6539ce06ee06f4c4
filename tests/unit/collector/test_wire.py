"""Bytes of anyone become a submission as written or a reason why not; nothing else may happen."""

import json

import pytest
from carbonbureau.intake.v1 import submission_pb2 as intake
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from services.collector import wire
from services.collector.domain.provider import Provider
from services.collector.domain.rules import catalogue
from services.collector.domain.rules.context import FormContext
from services.collector.domain.submission import Basis, Domain, Kind
from tests.unit.collector.submissions import (
    RECEIVED_AT,
    electricity,
    entry,
    fuel,
    investment,
    output,
    owned,
    plan,
    reported,
)

EXAMPLES = [electricity("12.50"), fuel("10", ncv="25.1"), output("5"), reported("5", "6"), entry(owned("F1")), plan(), investment("1", "2")]
CONTEXT = FormContext(
    provider=Provider(code="p", name="", kinds=frozenset(Kind), region_prefixes=("14",), bases=frozenset(Basis)),
    topic_domain=Domain.ENERGY,
    record_key="",
    received_at=RECEIVED_AT,
)


def hostile(value: bytes, *, is_json: bool) -> None:
    """Read bytes of anyone and apply the rules, as intake does."""
    try:
        received = wire.submission(value, is_json=is_json)
    except wire.UnreadableError:
        return
    findings = catalogue.form_findings(received, CONTEXT)
    assert findings or not received.defects
    assert all(finding.message.isprintable() for finding in findings)


class TestReading:
    @pytest.mark.parametrize("sent", EXAMPLES, ids=lambda sent: sent.WhichOneof("content"))
    def test_takes_the_json_mapping_for_the_same_statement(self, sent: intake.Submission) -> None:
        text = json_format.MessageToJson(sent).encode()
        assert wire.submission(text, is_json=True) == wire.submission(sent.SerializeToString(), is_json=False)

    def test_keeps_the_digits_of_an_amount(self) -> None:
        received = wire.submission(electricity("12.50").SerializeToString(), is_json=False)
        assert [(field, str(value)) for field, value in received.amounts] == [("purchased_mwh", "12.50")]

    @pytest.mark.parametrize("kind", list(Kind))
    def test_knows_every_kind(self, kind: Kind) -> None:
        assert kind in {wire.submission(sent.SerializeToString(), is_json=False).kind for sent in EXAMPLES}


class TestContentType:
    @pytest.mark.parametrize("value", [b"application/json", b"Application/JSON; charset=utf-8", b" application/json "])
    def test_announces_json(self, value: bytes) -> None:
        assert wire.is_json({"content-type": value})

    @pytest.mark.parametrize("headers", [{}, {"content-type": b"application/protobuf"}, {"content-type": b"\xff\xfe"}])
    def test_is_otherwise_protobuf(self, headers: dict[str, bytes]) -> None:
        assert not wire.is_json(headers)


class TestUnreadableBytes:
    @pytest.mark.parametrize(
        "value",
        [None, b"", b"\xff" * 40, b"\x0a\xff", electricity("1").SerializeToString()[:-3], b"\x0a\x12\xc3\x28" + b"x" * 16, b"x" * 300_000],
        ids=["none", "empty", "no wire type", "length beyond the end", "truncated", "invalid UTF-8", "too large"],
    )
    def test_are_told_apart_from_bad_records(self, value: bytes | None) -> None:
        with pytest.raises(wire.UnreadableError):
            wire.submission(value, is_json=False)

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'"text"',
            b"\xff\xfe{}",
            b'{"recordRevision": 1e400}',
            b'{"recordRevision": "many"}',
            b'{"unknown": 1}',
            b'{"subjectCode": "\\ud800"}',
            b'{"electricityUse": {"purchasedMwh": 12.5}}',
            b'{"electricityUse": {}, "fuelUse": {}}',
            b"[" * 100_000,
        ],
    )
    def test_include_json_that_is_no_submission(self, text: bytes) -> None:
        hostile(text, is_json=True)
        with pytest.raises(wire.UnreadableError):
            wire.submission(text, is_json=True)

    @settings(deadline=None)
    @given(st.binary(max_size=400))
    def test_never_raise_anything_else(self, value: bytes) -> None:
        hostile(value, is_json=False)

    @settings(max_examples=300, deadline=None)
    @given(
        sent=st.sampled_from(EXAMPLES),
        places=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
        cut=st.integers(0, 30),
    )
    def test_never_raise_anything_else_when_sound_ones_are_changed(
        self, sent: intake.Submission, places: list[tuple[int, int]], cut: int
    ) -> None:
        value = bytearray(sent.SerializeToString())
        for place, byte in places:
            value[place % len(value)] = byte
        hostile(bytes(value[: len(value) - cut]), is_json=False)

    @settings(deadline=None)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["subjectCode", "period", "fuelUse"]), inner),
            max_leaves=8,
        )
    )
    def test_never_raise_anything_else_as_json(self, value: object) -> None:
        hostile(json.dumps(value).encode("utf-8", "surrogatepass"), is_json=True)

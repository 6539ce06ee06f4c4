"""Bytes of anyone become a submission as written or a reason why not; nothing else may happen."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from carbonbureau.intake.v1 import submission_pb2 as intake
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from protovalidate import collect_violations

from services.collector import contract_check, wire
from services.collector.domain.basis import UNIT_OF_MEMBER, Basis
from services.collector.domain.contents.energy import ElectricityUse
from services.collector.domain.kinds import Domain, Kind, Withdrawal
from services.collector.domain.provider import Provider
from services.collector.domain.rules import catalogue
from services.collector.domain.rules.context import FormContext
from services.collector.domain.submission import Flaw
from tests.unit.collector.every_kind import example, is_required, messages_within, rule_of, withdrawal
from tests.unit.collector.submissions import (
    CODE,
    RECEIVED_AT,
    electricity,
    plan,
)

EXAMPLES = [example(kind) for kind in Kind] + [withdrawal("FUEL_USE"), electricity("12.50"), plan()]
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
        content = wire.submission(electricity("12.50").SerializeToString(), is_json=False).content
        assert isinstance(content, ElectricityUse)
        assert str(content.purchased_mwh) == "12.50"

    @pytest.mark.parametrize("kind", list(Kind))
    def test_reads_every_field_of_every_kind(self, kind: Kind) -> None:
        sent = example(kind)
        received = wire.submission(sent.SerializeToString(), is_json=False)
        assert received.kind is kind
        assert received.defects == ()
        assert_states(received.content, getattr(sent, kind.value.lower()))

    def test_reads_a_withdrawal_as_one_of_the_kind_withdrawn(self) -> None:
        received = wire.submission(withdrawal("FUEL_USE").SerializeToString(), is_json=False)
        assert (received.kind, received.content) == (Kind.FUEL_USE, Withdrawal(record_kind=Kind.FUEL_USE, reason="sent for another"))

    def test_takes_what_was_accepted_before_the_contract_asked_for_more(self) -> None:
        sent = electricity("1", record_number=" of old ")
        assert wire.submission(sent.SerializeToString(), is_json=False).content is None
        assert wire.accepted(sent.SerializeToString(), is_json=False).content is not None


def assert_states(content: Any, sent: Message) -> None:
    """Check field by field that the dataclass states what the message does."""
    for field in sent.DESCRIPTOR.fields:
        stated = getattr(sent, field.name)
        if field.containing_oneof is not None:
            if sent.HasField(field.name):
                assert (str(content.quantity), content.unit) == (stated, UNIT_OF_MEMBER[field.name])
            continue
        read = getattr(content, field.name)
        if field.message_type is not None:
            assert len(read) == len(stated) == 1
            assert_states(read[0], stated[0])
        elif field.enum_type is not None:
            assert field.enum_type.values_by_number[stated].name.endswith(f"_{read.name}")
        else:
            assert str(read) == str(stated)


class TestTheContract:
    @pytest.mark.parametrize("kind", list(Kind))
    def test_is_kept_field_by_field(self, kind: Kind) -> None:
        """Each constraint of each field is broken in turn: there is one defect, it names the field, and a rule finds it."""
        for place, change, flaw, name in breaks(example(kind)):
            sent = example(kind)
            change(list(messages_within(getattr(sent, kind.value.lower())))[place])
            received = wire.submission(sent.SerializeToString(), is_json=False)
            assert [(defect.flaw, defect.field.rpartition(".")[2]) for defect in received.defects] == [(flaw, name)]
            assert received.content is None
            assert catalogue.form_findings(received, CONTEXT)

    @settings(deadline=None)
    @given(
        subject_code=st.one_of(st.just(CODE), st.text("09AIO ", max_size=19)),
        record_number=st.text("a 1\n\u3000\u00e9", max_size=3) | st.text(max_size=66),
        facility_number=st.text("a 1\t\u00a0", max_size=3) | st.text(max_size=66),
        record_revision=st.integers(-1, 102),
        amount=st.sampled_from(["1", "-1", ""]),
    )
    def test_is_told_by_the_library_however_it_is_asked(
        self, subject_code: str, record_number: str, facility_number: str, record_revision: int, amount: str
    ) -> None:
        sent = electricity(amount, code=subject_code, record_number=record_number)
        sent.facility_number, sent.record_revision = facility_number, record_revision
        whole = collect_violations(sent)
        assert len(contract_check.defects(sent)) == len(whole)


def breaks(sent: intake.Submission) -> Iterator[tuple[int, Callable[[Message], object], Flaw, str]]:
    """List every way to break one constraint of one field: the message by its place, the change, the flaw, the field."""
    content = getattr(sent, str(sent.WhichOneof("content")))
    for place, one in enumerate(messages_within(content)):
        for field in one.DESCRIPTOR.fields:
            name = field.name
            if field.containing_oneof is not None:
                if one.HasField(name):
                    yield place, lambda item, name=name: item.ClearField(name), Flaw.NO_QUANTITY, "quantity"
            elif is_required(field) and field.type != field.TYPE_INT32:
                yield place, lambda item, name=name: item.ClearField(name), Flaw.MISSING, name
            if field.type == field.TYPE_STRING and (field.containing_oneof is None or one.HasField(name)):
                for value, flaw in BAD_TEXT[rule_of(field)]:
                    yield place, lambda item, name=name, value=value: setattr(item, name, value), flaw, name
            elif field.type == field.TYPE_INT32:
                yield place, lambda item, name=name: setattr(item, name, -1), Flaw.OUT_OF_RANGE, name
            elif field.enum_type is not None:
                yield place, lambda item, name=name: setattr(item, name, 99), Flaw.UNKNOWN_ENUMERATION, name


BAD_AMOUNTS = [("1e3", Flaw.NOT_AN_AMOUNT), ("1,5", Flaw.NOT_AN_AMOUNT), ("-0.0", Flaw.NOT_AN_AMOUNT), ("1000000000001", Flaw.TOO_LARGE)]
BAD_TEXT = {
    "amount": [*BAD_AMOUNTS, ("-1", Flaw.NEGATIVE)],
    "signed_amount": [*BAD_AMOUNTS, ("-1000000000001", Flaw.TOO_LARGE)],
    "day": [("20240131", Flaw.NOT_A_DATE), ("2024-02-30", Flaw.NOT_A_DATE)],
    "code": [("c" * 65, Flaw.NOT_A_TEXT), ("a\nb", Flaw.NOT_A_TEXT)],
    "text": [("c" * 1001, Flaw.NOT_A_TEXT), ("\x07", Flaw.NOT_A_TEXT)],
    "number": [(" 1", Flaw.NOT_A_NUMBER), ("1" * 65, Flaw.NOT_A_NUMBER)],
    "unified_code": [("123", Flaw.NOT_A_CODE), (CODE.lower(), Flaw.NOT_A_CODE)],
}


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

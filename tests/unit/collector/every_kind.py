"""Makes a sound submission of any kind from the contract itself, so that no kind is forgotten by the tests."""

from collections.abc import Iterator
from typing import Any

from buf.validate import validate_pb2
from carbonbureau.intake.v1 import field_rules_pb2
from carbonbureau.intake.v1 import submission_pb2 as intake
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from services.collector.domain.kinds import KINDS_WITHOUT_PERIOD, Kind
from tests.unit.collector.submissions import CODE, code_of, message, month

_RULES = {
    "amount": (field_rules_pb2.amount, "12.5"),
    "signed_amount": (field_rules_pb2.signed_amount, "-12.5"),
    "day": (field_rules_pb2.day, "2024-01-31"),
    "code": (field_rules_pb2.code, "2024-01"),
    "text": (field_rules_pb2.text, "文字"),
    "number": (field_rules_pb2.number, "N-1"),
    "unified_code": (field_rules_pb2.unified_code, code_of(77)),
}


def example(kind: Kind, *, whole: bool = True, code: str = CODE, **fields: Any) -> intake.Submission:
    """Make a submission of a kind with every field set, or with those alone that must be."""
    period = {} if kind in KINDS_WITHOUT_PERIOD else {"period": month(2024, 1)}
    sent = message(code=code, **{**period, **fields})
    fill(getattr(sent, kind.value.lower()), whole=whole)
    if kind is Kind.OUTPUT:
        sent.output.product_code = "coke"
    if kind is Kind.REPORTED_EMISSIONS:
        sent.reported_emissions.scope1_tco2e = "12.5"
    return sent


def withdrawal(record_kind: str, *, record_revision: int = 2, **fields: Any) -> intake.Submission:
    return message(
        record_revision=record_revision, withdrawal=intake.Withdrawal(record_kind=record_kind, reason="sent for another"), **fields
    )


def fill(content: Message, *, whole: bool) -> None:
    """Fill a message with values that keep its constraints; of a quantity the first member."""
    content.SetInParent()
    chosen = set()
    for field in content.DESCRIPTOR.fields:
        if field.containing_oneof is not None:
            if field.containing_oneof.name in chosen:
                continue
            chosen.add(field.containing_oneof.name)
        elif not whole and not is_required(field):
            continue
        if field.is_repeated:
            fill(getattr(content, field.name).add(), whole=whole)
        else:
            setattr(content, field.name, sound_value(field))


def is_required(field: FieldDescriptor) -> bool:
    options = field.GetOptions().Extensions[validate_pb2.field]
    # A year has no empty value: the smallest one is 1990.
    return bool(options.required or options.string.min_len or options.int32.gte > 0)


def sound_value(field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return field.enum_type.values[1].number
    if field.type == FieldDescriptor.TYPE_BOOL:
        return True
    options = field.GetOptions().Extensions[validate_pb2.field]
    if field.type == FieldDescriptor.TYPE_INT32:
        return options.int32.lte
    if field.name.endswith("until_date"):
        return "2024-02-29"
    return next(value for rule, value in _RULES.values() if options.string.Extensions[rule])


def rule_of(field: FieldDescriptor) -> str:
    """Name the rule of a text field."""
    options = field.GetOptions().Extensions[validate_pb2.field]
    return next(name for name, (rule, _) in _RULES.items() if options.string.Extensions[rule])


def messages_within(content: Message) -> Iterator[Message]:
    """Give a message and those in its lists."""
    yield content
    for field in content.DESCRIPTOR.fields:
        if field.message_type is not None and field.is_repeated:
            for item in getattr(content, field.name):
                yield from messages_within(item)

"""Translates the content of a submission from the wire: one reader for each kind, made once from its dataclass and its message.

Fields have the same names on both sides, so nothing is written down twice; a field that one side lacks, or has of another type, stops
the process at its start. Readers get messages that keep the contract, so the only thing left to go wrong is a day no month has.
"""

import types
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from buf.validate import validate_pb2
from carbonbureau.intake.v1 import field_rules_pb2, submission_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from services.collector.domain.basis import UNIT_OF_MEMBER, Basis
from services.collector.domain.contents.energy import FuelPurpose
from services.collector.domain.contents.registry import EnterpriseState
from services.collector.domain.kinds import CONTENTS_BY_DOMAIN, KIND_OF_CONTENT, Content
from services.collector.domain.reading import Reading
from services.common.amounts import parse_amount

# What the contract says of an enumeration that is not set; another one is None, or required.
_WHEN_UNSET: Final[Mapping[type[StrEnum], StrEnum]] = {
    Basis: Basis.DECLARED,
    FuelPurpose: FuelPurpose.COMBUSTION,
    EnterpriseState: EnterpriseState.OPERATING,
}
_QUANTITY: Final = "quantity"

_Read = Callable[[Any, Reading], Any]


class ContractMismatchError(Exception):
    """A dataclass and its message do not state the same fields."""


def reader(content: type, descriptor: Descriptor, *, path: str = "") -> _Read:
    """Make the function that reads a message of this descriptor into this dataclass.

    Raises:
        ContractMismatchError: the two do not state the same.
    """
    hints = get_type_hints(content)
    members = {field.name: field for field in descriptor.fields if field.containing_oneof is None}
    readers: list[tuple[str, _Read]] = []
    for field in fields(content):
        if field.name in ("unit", _QUANTITY) and _QUANTITY in descriptor.oneofs_by_name:
            continue
        if (member := members.pop(field.name, None)) is None:
            raise ContractMismatchError(f"{descriptor.full_name} has no {field.name}")
        readers.append((field.name, _field_reader(member, hints[field.name], f"{path}{field.name}")))
    if members:
        raise ContractMismatchError(f"{content.__name__} has no {', '.join(members)}")
    if _QUANTITY not in descriptor.oneofs_by_name:
        return lambda message, reading: content(**{name: read(message, reading) for name, read in readers})

    def read_with_quantity(message: Any, reading: Reading) -> Any:
        member = message.WhichOneof(_QUANTITY)
        rest = {name: read(message, reading) for name, read in readers}
        return content(quantity=parse_amount(getattr(message, member)), unit=UNIT_OF_MEMBER[member], **rest)

    return read_with_quantity


def _field_reader(member: FieldDescriptor, annotation: Any, path: str) -> _Read:
    name = member.name
    optional = get_origin(annotation) in (types.UnionType, Union)
    wanted = next(one for one in get_args(annotation) if one is not type(None)) if optional else annotation
    if get_origin(wanted) is tuple and member.is_repeated and member.message_type is not None:
        read_item = reader(get_args(wanted)[0], member.message_type, path=f"{path}.")
        return lambda message, reading: tuple(read_item(item, reading) for item in getattr(message, name))
    if isinstance(wanted, type) and issubclass(wanted, StrEnum) and member.enum_type is not None:
        values = _values(wanted, member.enum_type, optional=optional)
        return lambda message, reading: values[getattr(message, name)]
    if member.type == FieldDescriptor.TYPE_STRING and wanted in (Decimal, date, str):
        return _text_reader(member, wanted, optional, path)
    if (wanted, member.type) in ((int, FieldDescriptor.TYPE_INT32), (bool, FieldDescriptor.TYPE_BOOL)):
        return lambda message, reading: getattr(message, name)
    raise ContractMismatchError(f"{member.full_name} cannot be read as {annotation}")


def _text_reader(member: FieldDescriptor, wanted: type, optional: bool, path: str) -> _Read:
    name = member.name
    if wanted is Decimal:
        if optional:
            return lambda message, reading: parse_amount(text) if (text := getattr(message, name)) else None
        return lambda message, reading: parse_amount(getattr(message, name))
    if wanted is date:
        if optional:
            return lambda message, reading: reading.optional_day(path, getattr(message, name))
        return lambda message, reading: reading.day(path, getattr(message, name))
    if member.GetOptions().Extensions[validate_pb2.field].string.Extensions[field_rules_pb2.unified_code]:
        return lambda message, reading: reading.code(path, getattr(message, name))
    return lambda message, reading: getattr(message, name)


def _values(wanted: type[StrEnum], stated: EnumDescriptor, *, optional: bool) -> dict[int, StrEnum | None]:
    """Give the member for each number of the contract, and what stands for a field that is not set."""
    prefix = "".join(f"_{letter}" if letter.isupper() else letter for letter in stated.name).strip("_").upper()
    names = {value.number: value.name.removeprefix(f"{prefix}_") for value in stated.values}
    if set(names.values()) - {"UNSPECIFIED"} != set(wanted.__members__):
        raise ContractMismatchError(f"{stated.full_name} and {wanted.__name__} do not have the same members")
    values: dict[int, StrEnum | None] = {number: wanted[name] for number, name in names.items() if number != 0}
    if (unset := _WHEN_UNSET.get(wanted)) is not None or optional:
        values[0] = unset
    return values


def _readers() -> dict[str, _Read]:
    made = {}
    content_fields = submission_pb2.Submission.DESCRIPTOR.oneofs_by_name["content"].fields
    of_kind = {field.name: field for field in content_fields if field.name != "withdrawal"}
    for contents in CONTENTS_BY_DOMAIN.values():
        for content in contents:
            member = of_kind.pop(KIND_OF_CONTENT[content].value.lower(), None)
            if member is None or member.message_type is None:
                raise ContractMismatchError(f"the contract has no content {content.__name__}")
            made[member.name] = reader(content, member.message_type)
    if of_kind:
        raise ContractMismatchError(f"no dataclass for {', '.join(of_kind)}")
    return made


_READERS: Final = _readers()


def content(member: str, message: Message, reading: Reading) -> Content:
    """Read the content that is set, by the name of its member in the contract. Needs a message that keeps the contract's constraints."""
    read: Content = _READERS[member](message, reading)
    return read

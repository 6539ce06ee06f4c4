"""Translates what protovalidate finds in a message into defects: the constraints are written once, in the contract.

Providers can run the same library in their language before they send. Decides nothing: which defect breaks which rule, and what the
provider is told, is the rules' (domain/rules/form.py).
"""

from typing import Final

from carbonbureau.intake.v1 import submission_pb2
from protovalidate import Validator, Violation

from services.collector.domain import subject_code
from services.collector.domain.submission import Defect, Flaw, shown
from services.common.amounts import AmountError, parse_amount

_CONTENT: Final = "content"
_QUANTITY: Final = "quantity"
# Which flaw a broken constraint is, by the id that the library or proto/carbonbureau/intake/v1/field_rules.proto gives to it.
_FLAW_OF_CONSTRAINT: Final = {
    "required": Flaw.MISSING,
    "string.min_len": Flaw.MISSING,
    "unified_code": Flaw.NOT_A_CODE,
    "number": Flaw.NOT_A_NUMBER,
    "code": Flaw.NOT_A_TEXT,
    "text": Flaw.NOT_A_TEXT,
    "day": Flaw.NOT_A_DATE,
    "int32.gte_lte": Flaw.OUT_OF_RANGE,
    "repeated.max_items": Flaw.LIST_TOO_LONG,
    "enum.defined_only": Flaw.UNKNOWN_ENUMERATION,
}
_RECORD_REVISION_MAX: Final = 100
_NUMBER_CHARACTERS_MAX: Final = 64
_AMOUNTS: Final = frozenset({"amount", "signed_amount"})

_validator: Final = Validator()


def defects(message: submission_pb2.Submission) -> list[Defect]:
    """Find every constraint of the contract that the message breaks, in the order of its fields."""
    member = message.WhichOneof(_CONTENT)
    # The library looks at each of the contents that could be set; where all is well it is enough to ask it about the one that is.
    if member is not None and _is_sound_beside_content(message) and not _validator.collect_violations(getattr(message, member)):
        return []
    return [_defect(violation) for violation in _validator.collect_violations(message)]


def _is_sound_beside_content(message: submission_pb2.Submission) -> bool:
    """Tell whether the fields beside the content surely keep the contract; the verdict on all others is the library's."""
    return (
        1 <= message.record_revision <= _RECORD_REVISION_MAX
        and subject_code.is_well_formed(message.subject_code)
        and _is_plain(message.record_number)
        and (not message.facility_number or _is_plain(message.facility_number))
    )


def _is_plain(number: str) -> bool:
    return 0 < len(number) <= _NUMBER_CHARACTERS_MAX and number.isascii() and number.isprintable() and number == number.strip()


def _defect(violation: Violation) -> Defect:
    constraint = violation.proto.rule_id
    path = _path(violation)
    value = violation.field_value
    text = value if isinstance(value, str) else "" if value is None else str(value)
    if path == _CONTENT:
        return Defect(flaw=Flaw.NO_CONTENT, field=path, shown="")
    # Without the member of the content: its kind is told beside.
    field = path.partition(".")[2] or path
    if constraint in _AMOUNTS:
        return Defect(flaw=_flaw_of_amount(text, signed=constraint == "signed_amount"), field=field, shown=shown(text))
    flaw = _FLAW_OF_CONSTRAINT[constraint]
    if flaw is Flaw.MISSING and field == _QUANTITY:
        flaw = Flaw.NO_QUANTITY
    if flaw is Flaw.LIST_TOO_LONG:
        text = str(len(value)) if hasattr(value, "__len__") else ""
    return Defect(flaw=flaw, field=field, shown=shown(text))


def _flaw_of_amount(text: str, *, signed: bool) -> Flaw:
    try:
        amount = parse_amount(text)
    except AmountError:
        return Flaw.NOT_AN_AMOUNT
    return Flaw.NEGATIVE if amount < 0 and not signed else Flaw.TOO_LARGE


def _path(violation: Violation) -> str:
    parts = []
    for element in violation.proto.field.elements if violation.proto.field is not None else ():
        index = element.subscript.value if element.subscript is not None and element.subscript.field == "index" else None
        parts.append(f"{element.field_name}[{index}]" if index is not None else str(element.field_name))
    return ".".join(parts)

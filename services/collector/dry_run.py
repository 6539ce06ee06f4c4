"""Says what intake would answer to the records of a file, without database and broker: the same reading and the same form rules.

What travels beside a record's bytes cannot be in a file: key, topic and signature are taken as right, and what the bureau holds
already is not known. Records of the file are compared with each other.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from services.collector import wire
from services.collector.domain.basis import Basis
from services.collector.domain.finding import RecordFinding
from services.collector.domain.kinds import DOMAIN_OF_KIND, Domain, Kind
from services.collector.domain.provider import Provider, SignatureDuty
from services.collector.domain.rules import catalogue
from services.collector.domain.rules.context import FormContext
from services.collector.domain.signature import ABSENT, SOUND
from services.collector.domain.submission import Outcome, Received, shown


class Layout(StrEnum):
    """How records lie in a file."""

    JSON = "json"  # one JSON mapping of a submission in each line, or one in the whole file
    BINARY = "binary"  # the bytes of one protobuf message
    DELIMITED = "delimited"  # protobuf messages, each after its length as a varint (writeDelimitedTo)


class LayoutError(ValueError):
    """The file does not lie as it was said to."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What would become of one record. `place` is where it stands in the file; `unreadable` why it would go to quarantine."""

    place: str
    name: str
    outcome: Outcome
    findings: tuple[RecordFinding, ...] = ()
    unreadable: str = ""


def anyone() -> Provider:
    """Stand for a provider that may report everything, where no directory is at hand."""
    return Provider(code="anyone", name="", kinds=frozenset(Kind), region_prefixes=("",), bases=frozenset(Basis))


def answers(content: bytes, *, provider: Provider, received_at: datetime, layout: Layout | None = None) -> list[Answer]:
    """Answer every record of a file; without a layout it is found out.

    Raises:
        LayoutError: the file is empty or does not lie as it was said to.
    """
    if not content.strip():
        raise LayoutError("the file is empty")
    layout = layout or _layout_of(content)
    match layout:
        case Layout.JSON:
            records = list(_lines(content))
        case Layout.BINARY:
            records = [("message", content)]
        case Layout.DELIMITED:
            records = [(f"message {number}", value) for number, value in enumerate(_delimited(content), start=1)]
    first: dict[tuple[object, ...], bytes] = {}
    return [_answer(place, value, layout is Layout.JSON, provider, received_at, first) for place, value in records]


def _answer(
    place: str, value: bytes, is_json: bool, provider: Provider, received_at: datetime, first: dict[tuple[object, ...], bytes]
) -> Answer:
    try:
        received = wire.submission(value, is_json=is_json)
    except wire.UnreadableError as error:
        return Answer(place=place, name="", outcome=Outcome.QUARANTINED, unreadable=error.reason)
    context = FormContext(
        provider=provider,
        topic_domain=DOMAIN_OF_KIND[received.kind] if received.kind is not None else Domain.ENERGY,
        record_key=received.subject_code,
        received_at=received_at,
        signature=SOUND if provider.signature is SignatureDuty.REQUIRED else ABSENT,
    )
    findings = catalogue.form_findings(received, context)
    outcome = Outcome.REJECTED if findings else Outcome.ACCEPTED
    if not findings:
        digest = sha256(value).digest()
        held = first.setdefault(_key(received), digest)
        findings = catalogue.held_findings(arrived_sha256=digest, held_sha256=held)
        if findings:
            outcome = Outcome.REJECTED
        elif held is not digest:
            outcome = Outcome.DUPLICATE
    return Answer(place=place, name=_name(received), outcome=outcome, findings=tuple(findings))


def _key(received: Received) -> tuple[object, ...]:
    """Give what the business key of a provider's record consists of (domain/submission.py:BusinessKey)."""
    subject = received.subject_code if received.record_revision > 1 else ""
    return (received.kind, received.record_number, received.record_revision, subject)


def _name(received: Received) -> str:
    return f"{received.kind or 'no content'} {shown(received.record_number)} revision {received.record_revision}"


# ---- How records lie in the file ----


def _layout_of(content: bytes) -> Layout:
    if content.lstrip()[:1] in (b"{", b"["):
        return Layout.JSON
    try:
        pieces = _delimited(content)
    except LayoutError:
        return Layout.BINARY
    # One message may by chance be cut by its own bytes; the pieces are then no submissions.
    return Layout.DELIMITED if all(_is_readable(piece) for piece in pieces) else Layout.BINARY


def _is_readable(value: bytes) -> bool:
    try:
        wire.submission(value, is_json=False)
    except wire.UnreadableError:
        return False
    return True


def _lines(content: bytes) -> Iterator[tuple[str, bytes]]:
    if _is_one_object(content):
        yield "object", content
        return
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            yield f"line {number}", line


def _is_one_object(content: bytes) -> bool:
    """Tell whether the whole file is one JSON object over several lines, as people like to read it."""
    if len(content) > wire.SUBMISSION_BYTES_MAX or len(content.strip().splitlines()) < 2:
        return False
    try:
        return isinstance(json.loads(content), dict)
    except (ValueError, RecursionError):
        return False


def _delimited(content: bytes) -> Sequence[bytes]:
    pieces = []
    place = 0
    while place < len(content):
        length, begin = _varint(content, place)
        if begin + length > len(content):
            raise LayoutError(f"the length at byte {place} reaches beyond the end of the file")
        pieces.append(content[begin : begin + length])
        place = begin + length
    return pieces


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """Read a base-128 varint (protobuf, Encoding); returns it and where the next byte stands."""
    number = 0
    for shift in range(0, 35, 7):
        if place >= len(content):
            break
        byte = content[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
    raise LayoutError(f"no length of a message stands before byte {place}")


# ---- For a person ----


def text(found: Sequence[Answer], *, provider: Provider) -> str:
    """Write the answers with what is wrong and what to do about it."""
    return "\n".join(_text_lines(found, provider)) + "\n"


def _text_lines(found: Sequence[Answer], provider: Provider) -> Iterator[str]:
    for answer in found:
        yield f"{answer.place:<12} {answer.outcome:<12} {answer.name or answer.unreadable}"
        for finding in answer.findings:
            yield f"    {finding.rule_id}: {finding.message}"
            yield f"        what to do: {catalogue.RULES[finding.rule_id].what_to_do}"
    counts = {outcome: sum(answer.outcome is outcome for answer in found) for outcome in Outcome}
    yield f"{len(found)} records: " + ", ".join(f"{number} {outcome.lower()}" for outcome, number in counts.items() if number)
    beside = (
        "key and topic" if provider.signature is SignatureDuty.NONE else "key, topic and the signature that is required of every record"
    )
    yield f"Not in a file, and taken as right: {beside}. What the bureau holds already is not known here."

"""Translates the bytes of an intake record into a submission as written. Decides nothing: defects are values.

The bytes themselves are kept as they came and never written again to be compared: protobuf is not canonical.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from carbonbureau.intake.v1 import submission_pb2
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from services.collector import content_reading, contract_check
from services.collector.domain.kinds import Content, Kind, Withdrawal
from services.collector.domain.reading import Reading
from services.collector.domain.submission import Flaw, Received

# A submission has a few hundred bytes; a plan with hundreds of milestones some tens of kilobytes.
SUBMISSION_BYTES_MAX: Final = 256 * 1024
JSON_NESTING_MAX: Final = 16
# google.protobuf.Timestamp is defined from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z.
_SECONDS_MIN: Final = -62_135_596_800
_SECONDS_MAX: Final = 253_402_300_799
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class UnreadableError(Exception):
    """The bytes are no submission. `reason` may be told to the provider."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def submission(value: bytes | None, *, is_json: bool) -> Received:
    """Read a submission as written; fields that cannot be read become defects of it.

    Raises:
        UnreadableError: the bytes are not a message of the contract at all.
    """
    if not value:
        raise UnreadableError("the record has no value")
    if len(value) > SUBMISSION_BYTES_MAX:
        raise UnreadableError(f"the record has {len(value)} bytes, at most {SUBMISSION_BYTES_MAX} are read")
    message = _json_message(value) if is_json else _binary_message(value)
    return _received(message, Reading(contract_check.defects(message)))


def accepted(value: bytes, *, is_json: bool) -> Received:
    """Read a submission that was accepted, whatever the contract asks of new ones by now: the read path takes all that was ever written."""
    return _received(_json_message(value) if is_json else _binary_message(value), Reading())


def is_json(headers: Mapping[str, bytes]) -> bool:
    """Tell whether the content-type header announces the JSON mapping; anything else is read as protobuf."""
    return headers.get("content-type", b"").split(b";")[0].strip().lower() == b"application/json"


def _binary_message(value: bytes) -> submission_pb2.Submission:
    try:
        return submission_pb2.Submission.FromString(value)
    except DecodeError as error:
        raise UnreadableError("the bytes are no protobuf of carbonbureau.intake.v1.Submission") from error


def _json_message(value: bytes) -> submission_pb2.Submission:
    message = submission_pb2.Submission()
    try:
        if not value.lstrip().startswith(b"{"):
            # The library reads an empty list as an empty message.
            raise json_format.ParseError("not an object")
        json_format.Parse(value.decode("utf-8"), message, max_recursion_depth=JSON_NESTING_MAX)
    except (json_format.ParseError, json.JSONDecodeError, UnicodeError, ValueError, TypeError, RecursionError) as error:
        raise UnreadableError("the bytes are no JSON of carbonbureau.intake.v1.Submission") from error
    return message


def _received(message: submission_pb2.Submission, reading: Reading) -> Received:
    period = None
    period_stated = message.HasField("period")
    if period_stated:
        stated = message.period
        period = reading.period(stated.start_date, stated.end_date, stated.time_zone)
    compiled_at = _instant(message, reading)
    kind, content = _kind_and_content(message, reading)
    return Received(
        subject_code=message.subject_code,
        record_number=message.record_number,
        record_revision=message.record_revision,
        facility_number=message.facility_number,
        period=period,
        period_stated=period_stated,
        compiled_at=compiled_at,
        kind=kind,
        content=content if not reading.defects else None,
        codes=tuple(reading.codes),
        defects=tuple(reading.defects),
    )


def _kind_and_content(message: submission_pb2.Submission, reading: Reading) -> tuple[Kind | None, Content | None]:
    """Read what is stated; a content that breaks the contract has a kind and is not read."""
    member = message.WhichOneof("content")
    if member is None:
        return None, None
    if member == "withdrawal":
        stated = message.withdrawal.record_kind
        if stated not in Kind.__members__:
            if stated:
                reading.flaw(Flaw.UNKNOWN_KIND, "record_kind", stated)
            return None, None
        return Kind[stated], Withdrawal(record_kind=Kind[stated], reason=message.withdrawal.reason)
    kind = Kind(member.upper())
    return kind, None if reading.defects else content_reading.content(member, getattr(message, member), reading)


def _instant(message: submission_pb2.Submission, reading: Reading) -> datetime | None:
    """Read a Timestamp, to the microsecond; several times faster than the library, which is called for every submission."""
    if not message.HasField("compiled_time"):
        return None
    seconds, nanos = message.compiled_time.seconds, message.compiled_time.nanos
    if not (_SECONDS_MIN <= seconds <= _SECONDS_MAX and 0 <= nanos < 10**9):
        reading.flaw(Flaw.NOT_AN_INSTANT, "compiled_time", f"{seconds} s")
        return None
    return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)

"""The closed set of refusals a caller may be told, and their one mapping to gRPC status and ErrorInfo (AIP-193).

Everything that is not a `Refused` is our fault: the caller gets INTERNAL and a correlation id, the text goes to the log.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

# A status travels in HTTP/2 trailers: from 8 KB on gRPC drops a random share of them and the caller sees RESOURCE_EXHAUSTED, beyond
# 16 KB all. Half of the lower bound leaves room for the other metadata of a reply.
STATUS_BYTES_MAX = 4000
_MESSAGE_CHARACTERS_MAX = 500
_VALUE_CHARACTERS_MAX = 200


class ErrorKind(Enum):
    """What a refusal means to the caller; the value is the status it travels as."""

    INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
    FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
    OUT_OF_RANGE = grpc.StatusCode.OUT_OF_RANGE
    UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
    PERMISSION_DENIED = grpc.StatusCode.PERMISSION_DENIED
    NOT_FOUND = grpc.StatusCode.NOT_FOUND
    ALREADY_EXISTS = grpc.StatusCode.ALREADY_EXISTS
    ABORTED = grpc.StatusCode.ABORTED
    RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
    UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
    DEADLINE_EXCEEDED = grpc.StatusCode.DEADLINE_EXCEEDED
    UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED


class Refused(Exception):
    """What was asked cannot be done, and the caller may know why.

    `reason` is UPPER_SNAKE and part of the contract; `message` is for people; `metadata` holds what a program needs to
    react. None of them may hold a secret: they leave the house.
    """

    def __init__(self, kind: ErrorKind, reason: str, message: str, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{reason}: {message}")
        self.kind = kind
        self.reason = reason
        self.message = message
        self.metadata: Mapping[str, str] = MappingProxyType(dict(metadata or {}))


def to_status(error: Refused, domain: str) -> status_pb2.Status:
    """Translate a refusal into a google.rpc.Status with one ErrorInfo, never larger than `STATUS_BYTES_MAX`.

    Metadata that does not fit is left out from the end of its sorted names; code and reason always fit.
    """
    kept = {name[:64]: value[:_VALUE_CHARACTERS_MAX] for name, value in sorted(error.metadata.items())}
    while True:
        status = _status(error.kind, error.reason, error.message[:_MESSAGE_CHARACTERS_MAX], domain, kept)
        if not kept or status.ByteSize() <= STATUS_BYTES_MAX:
            return status
        kept.popitem()


def internal_status(correlation_id: str, domain: str) -> status_pb2.Status:
    """Make the answer to a fault of ours: it names the log entry and nothing else."""
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=domain, metadata={"correlation_id": correlation_id})
    status = status_pb2.Status(code=_number(grpc.StatusCode.INTERNAL), message=f"internal error, correlation id {correlation_id}")
    status.details.append(_packed(info))
    return status


def _status(kind: ErrorKind, reason: str, message: str, domain: str, metadata: Mapping[str, str]) -> status_pb2.Status:
    status = status_pb2.Status(code=_number(kind.value), message=message)
    status.details.append(_packed(error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata)))
    return status


def _packed(info: error_details_pb2.ErrorInfo) -> any_pb2.Any:
    detail = any_pb2.Any()
    detail.Pack(info)
    return detail


def _number(code: grpc.StatusCode) -> int:
    number: int = code.value[0]
    return number

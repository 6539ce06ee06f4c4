"""Acts as a bank: a client of the gateway over mTLS, with a deadline on every call and retries only where they are safe.

Used by the sandbox's own commands, by the end-to-end tests and by the benches. A client holds one channel, made after any
fork; a certificate that was renewed needs a new client, as gRPC's channels do not read it again.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar
from uuid import UUID

import grpc
from carbonbureau.bureau.v1 import inquiry_service_pb2, inquiry_service_pb2_grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from services.common.identifiers import Ids
from services.sandbox.settings import BankAccess

LOAN_APPROVAL = inquiry_service_pb2.PERMITTED_PURPOSE_LOAN_APPROVAL
SERVICE = "carbonbureau.bureau.v1.InquiryService"

_DEADLINE_S = 5.0
# A report of 36 months is far below this; what is larger is a fault.
_ANSWER_BYTES_MAX = 4 * 1024 * 1024

# Only UNAVAILABLE is tried again (AIP-194), a few times and throttled; request_id makes the repeat the same inquiry.
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{"service": SERVICE}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.2},
}

_OPTIONS = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.enable_retries", 1),
    ("grpc.max_receive_message_length", _ANSWER_BYTES_MAX),
    # The gateway's keepalive contract: not oftener than every half minute, and only while something is asked.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # Two clients of one process, say two banks in a test, never share a connection.
    ("grpc.use_local_subchannel_pool", 1),
)

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")


class BankRefused(Exception):
    """The gateway refused. `reason` is that of its ErrorInfo, empty where it gave none (a failed handshake, a lost connection)."""

    def __init__(self, *, code: grpc.StatusCode, reason: str, message: str, metadata: Mapping[str, str]) -> None:
        super().__init__(f"{code.name} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.metadata = MappingProxyType(dict(metadata))


class Bank:
    """One subscriber's client. Use as a context manager."""

    def __init__(self, *, access: BankAccess, ids: Ids, deadline_s: float = _DEADLINE_S) -> None:
        credentials = grpc.ssl_channel_credentials(
            root_certificates=access.authority_file.read_bytes(),
            private_key=access.key_file.read_bytes(),
            certificate_chain=access.certificate_file.read_bytes(),
        )
        self._ids = ids
        self._deadline_s = deadline_s
        self._channel = grpc.secure_channel(access.address, credentials, options=_OPTIONS)
        self._stub = inquiry_service_pb2_grpc.InquiryServiceStub(self._channel)

    def __enter__(self) -> "Bank":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel; calls under way are cancelled."""
        self._channel.close()

    @property
    def channel(self) -> grpc.Channel:
        """The channel, for tests that call what this client does not offer."""
        return self._channel

    def grade(
        self,
        subject_code: str,
        *,
        purpose: "inquiry_service_pb2.PermittedPurpose.ValueType" = LOAN_APPROVAL,
        request_id: UUID | str | None = None,
        case_reference: str = "",
    ) -> inquiry_service_pb2.CreditGrade:
        """Ask for the current grade of a subject; each call is an inquiry of its own unless a `request_id` is given.

        Raises:
            BankRefused: with the gateway's reason.
        """
        request = inquiry_service_pb2.GetCreditGradeRequest(
            name=f"subjects/{subject_code}/creditGrade",
            purpose=purpose,
            request_id=self._request_id(request_id),
            case_reference=case_reference,
        )
        return self._call(self._stub.GetCreditGrade, request)

    def report(
        self,
        subject_code: str,
        *,
        revision: int | None = None,
        purpose: "inquiry_service_pb2.PermittedPurpose.ValueType" = LOAN_APPROVAL,
        request_id: UUID | str | None = None,
        case_reference: str = "",
    ) -> inquiry_service_pb2.CreditReport:
        """Fetch the latest revision of a subject's signed report, or the one named.

        Raises:
            BankRefused: with the gateway's reason.
        """
        suffix = "" if revision is None else f"/revisions/{revision}"
        request = inquiry_service_pb2.GetCreditReportRequest(
            name=f"subjects/{subject_code}/creditReport{suffix}",
            purpose=purpose,
            request_id=self._request_id(request_id),
            case_reference=case_reference,
        )
        return self._call(self._stub.GetCreditReport, request)

    def _request_id(self, given: UUID | str | None) -> str:
        return str(self._ids.new() if given is None else given)

    def _call(self, method: "grpc.UnaryUnaryMultiCallable[_Request, _Answer]", request: "_Request") -> _Answer:
        try:
            return method(request, timeout=self._deadline_s)
        except grpc.RpcError as error:
            raise _refusal(error) from error


def _refusal(error: grpc.RpcError) -> BankRefused:
    assert isinstance(error, grpc.Call)
    reason, metadata = "", {}
    status = rpc_status.from_call(error)
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
    return BankRefused(code=error.code(), reason=reason, message=error.details() or "", metadata=metadata)

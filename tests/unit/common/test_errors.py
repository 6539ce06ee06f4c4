"""Refusals as statuses."""

from __future__ import annotations

import re

import grpc
import pytest
from google.rpc import error_details_pb2
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import STATUS_BYTES_MAX, ErrorKind, Refused, internal_status, to_status


def info_of(status) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info


class TestToStatus:
    @pytest.mark.parametrize("kind", list(ErrorKind))
    def test_gives_code_message_reason_domain_and_metadata(self, kind: ErrorKind) -> None:
        status = to_status(Refused(kind, "REASON_HERE", "words", {"a": "b"}), "some.domain")
        assert status.code == kind.value.value[0]
        assert status.message == "words"
        info = info_of(status)
        assert (info.reason, info.domain, dict(info.metadata)) == ("REASON_HERE", "some.domain", {"a": "b"})

    def test_no_refusal_is_ours_to_blame(self) -> None:
        faults = {grpc.StatusCode.OK, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS}
        assert not faults & {kind.value for kind in ErrorKind}

    @given(st.text(max_size=3000), st.dictionaries(st.text(max_size=300), st.text(max_size=3000), max_size=60))
    def test_never_exceeds_the_limit_and_keeps_the_reason(self, message: str, metadata: dict[str, str]) -> None:
        status = to_status(Refused(ErrorKind.NOT_FOUND, "REASON", message, metadata), "d")
        assert status.ByteSize() <= STATUS_BYTES_MAX
        assert info_of(status).reason == "REASON"


class TestInternalStatus:
    def test_shows_the_correlation_id_only(self) -> None:
        status = internal_status("1234", "d")
        assert status.code == grpc.StatusCode.INTERNAL.value[0]
        assert re.fullmatch(r"internal error, correlation id 1234", status.message)
        assert dict(info_of(status).metadata) == {"correlation_id": "1234"}

"""The bank's client over real mTLS, against a server that speaks the contract and answers as it is told."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import grpc
import pytest
from carbonbureau.bureau.v1 import inquiry_service_pb2, inquiry_service_pb2_grpc
from grpc_status import rpc_status

from deploy.local import certificates
from deploy.local.state import open_state
from services.common.errors import ErrorKind, Refused, to_status
from services.common.identifiers import RandomIds
from services.sandbox.bank import Bank, BankRefused
from services.sandbox.settings import BankAccess

CODE = "919990008WK3YCGA6D"
Context = grpc.ServicerContext


@dataclass
class Gateway(inquiry_service_pb2_grpc.InquiryServiceServicer):
    """Remembers every request and runs the test's script for the call."""

    script: Callable[["Gateway", Context], object] = lambda gateway, context: None
    requests: list[inquiry_service_pb2.GetCreditGradeRequest] = field(default_factory=list)
    identities: list[object] = field(default_factory=list)
    address: str = ""

    def GetCreditGrade(self, request: inquiry_service_pb2.GetCreditGradeRequest, context: Context) -> inquiry_service_pb2.CreditGrade:
        self.requests.append(request)
        self.identities.append(context.peer_identities())
        self.script(self, context)
        return inquiry_service_pb2.CreditGrade(name=request.name, score="81.20")

    def GetCreditReport(self, request: inquiry_service_pb2.GetCreditReportRequest, context: Context) -> inquiry_service_pb2.CreditReport:
        return inquiry_service_pb2.CreditReport(name=request.name, signed_report=b"a.b.c")


def refuse(context: Context, kind: ErrorKind, reason: str) -> None:
    context.abort_with_status(rpc_status.to_status(to_status(Refused(kind, reason, "no", {"region": "140400"}), "carbonbureau")))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def gateway(tls: Path) -> Iterator[Gateway]:
    own = certificates.gateway(open_state(tls))
    credentials = grpc.ssl_server_credentials(
        [(own.key_file.read_bytes(), own.certificate_file.read_bytes())],
        root_certificates=certificates.authority_file(open_state(tls)).read_bytes(),
        require_client_auth=True,
    )
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    gateway = Gateway()
    inquiry_service_pb2_grpc.add_InquiryServiceServicer_to_server(gateway, server)
    gateway.address = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}"
    server.start()
    yield gateway
    server.stop(grace=0).wait()


@pytest.fixture
def access(tls: Path, gateway: Gateway) -> BankAccess:
    state = open_state(tls)
    pair = certificates.subscriber(state, "bank-test")
    return BankAccess(
        address=gateway.address,
        authority_file=certificates.authority_file(state),
        certificate_file=pair.certificate_file,
        key_file=pair.key_file,
    )


@pytest.fixture
def bank(access: BankAccess) -> Iterator[Bank]:
    with Bank(access=access, ids=RandomIds(), deadline_s=2.0) as made:
        yield made


class TestBank:
    def test_shows_its_certificate_names_the_subject_and_its_purpose(self, bank: Bank, gateway: Gateway) -> None:
        assert bank.grade(CODE, case_reference="loan 7").score == "81.20"
        (request,) = gateway.requests
        assert request.name == f"subjects/{CODE}/creditGrade"
        assert request.purpose == inquiry_service_pb2.PERMITTED_PURPOSE_LOAN_APPROVAL
        assert request.case_reference == "loan 7"
        assert gateway.identities == [[b"carbonbureau://subscriber/bank-test"]]

    def test_makes_each_call_an_inquiry_of_its_own_unless_told_otherwise(self, bank: Bank, gateway: Gateway) -> None:
        for request_id in (None, None, "0d8f5a48-6b0c-4f9d-9f3c-0a5a2b1c7e10"):
            bank.grade(CODE, request_id=request_id)
        ids = [request.request_id for request in gateway.requests]
        assert len(set(ids)) == 3
        assert ids[2] == "0d8f5a48-6b0c-4f9d-9f3c-0a5a2b1c7e10"

    def test_names_the_revision_of_a_report_it_asks_for(self, bank: Bank) -> None:
        assert bank.report(CODE).name == f"subjects/{CODE}/creditReport"
        assert bank.report(CODE, revision=3).name == f"subjects/{CODE}/creditReport/revisions/3"

    def test_tries_again_when_the_gateway_is_unavailable_as_the_same_inquiry(self, bank: Bank, gateway: Gateway) -> None:
        gateway.script = lambda one, context: (
            refuse(context, ErrorKind.UNAVAILABLE, "INQUIRY_NOT_RECORDED") if len(one.requests) < 3 else None
        )
        assert bank.grade(CODE).score == "81.20"
        assert len(gateway.requests) == 3
        assert len({request.request_id for request in gateway.requests}) == 1

    @pytest.mark.parametrize("kind", [kind for kind in ErrorKind if kind is not ErrorKind.UNAVAILABLE])
    def test_tries_nothing_else_again_and_tells_the_reason(self, kind: ErrorKind, bank: Bank, gateway: Gateway) -> None:
        gateway.script = lambda one, context: refuse(context, kind, "REGION_NOT_PERMITTED")
        with pytest.raises(BankRefused) as refused:
            bank.grade(CODE)
        assert (refused.value.code, refused.value.reason) == (kind.value, "REGION_NOT_PERMITTED")
        assert refused.value.metadata == {"region": "140400"}
        assert len(gateway.requests) == 1

    def test_waits_no_longer_than_its_deadline(self, access: BankAccess, gateway: Gateway) -> None:
        released = threading.Event()
        gateway.script = lambda one, context: released.wait(5)
        with Bank(access=access, ids=RandomIds(), deadline_s=0.3) as bank, pytest.raises(BankRefused) as refused:
            bank.grade(CODE)
        released.set()
        assert refused.value.code is grpc.StatusCode.DEADLINE_EXCEEDED

    def test_sees_only_unavailable_when_its_certificate_is_not_trusted(self, access: BankAccess, tmp_path: Path, gateway: Gateway) -> None:
        stranger = certificates.subscriber(open_state(tmp_path), "bank-test")
        other = replace(access, certificate_file=stranger.certificate_file, key_file=stranger.key_file)
        with Bank(access=other, ids=RandomIds(), deadline_s=2.0) as bank, pytest.raises(BankRefused) as refused:
            bank.grade(CODE)
        assert (refused.value.code, refused.value.reason) == (grpc.StatusCode.UNAVAILABLE, "")
        assert not gateway.requests

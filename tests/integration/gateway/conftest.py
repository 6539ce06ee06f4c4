"""The gateway in this process: real PostgreSQL, real TLS, a real gRPC server; only the Kafka loop is driven by hand."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from carbonbureau.bureau.v1 import inquiry_service_pb2 as pb
from carbonbureau.bureau.v1 import inquiry_service_pb2_grpc as pb_grpc
from carbonbureau.bureau.v1 import subject_service_pb2_grpc as subject_pb_grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from sqlalchemy import text

from deploy.local import certificates
from deploy.local.certificates import KeyPair
from deploy.local.postgres import PostgresServer
from deploy.local.state import State, open_state
from services.common.clock import SystemClock
from services.common.consumer import Record
from services.common.database import Database
from services.common.identifiers import RandomIds
from services.common.rpc import RpcServer
from services.common.settings import PostgresSettings, SecretFile
from services.gateway import consumer
from services.gateway.directory import SubscriberDirectory
from services.gateway.inquiries import Inquiries
from services.gateway.portal import Portal
from services.gateway.revocation import Revocations
from services.gateway.rpc import ERROR_DOMAIN, INQUIRY_SERVICE, SUBJECT_SERVICE, InquiryService, SubjectService
from services.gateway.tls import ServerTls
from services.gateway.tokens import TokenKeys
from services.gateway.wire import REPORT_REVISED_TOPIC
from tests.unit.gateway.examples import CHANGZHI
from tests.unit.gateway.identity_provider import AUDIENCE, ISSUER, IdentityProvider

TOPIC_ID = uuid.UUID("00000000-0000-4000-8000-0000000000bb")
BANK, REGIONAL_BANK = "bank-one", "bank-regional"
SUBSCRIBERS = """
[[subscriber]]
code = "bank-one"
name = "Bank One"
identity = "carbonbureau://subscriber/bank-one"
regions = ["14", "9990"]
purposes = ["LOAN_APPROVAL", "POST_LOAN_MANAGEMENT"]
valid_from = 2026-01-01

[[subscriber]]
code = "bank-regional"
name = "Regional Bank"
identity = "carbonbureau://subscriber/bank-regional"
regions = ["1402"]
purposes = ["LOAN_APPROVAL"]
valid_from = 2026-01-01
"""


def record(message: Any, *, offset: int = 0) -> Record:
    """Wrap a message, or bytes that are none, in a record."""
    value = message if isinstance(message, bytes) else message.SerializeToString()
    return Record(
        topic=REPORT_REVISED_TOPIC,
        topic_id=TOPIC_ID,
        partition=0,
        offset=offset,
        key=b"key",
        value=value,
        headers={},
        timestamp_ms=1_795_219_200_000,
    )


@dataclass(kw_only=True)
class Freshness:
    """What the consumer would say; a test sets it."""

    at: datetime | None = None

    def __call__(self, transaction: object) -> datetime | None:
        return self.at


class Bank:
    """A bank's client: a channel with a certificate, and calls with sensible defaults."""

    def __init__(self, *, port: int, ca_file: Path, pair: KeyPair | None) -> None:
        credentials = grpc.ssl_channel_credentials(
            ca_file.read_bytes(), *((pair.key_file.read_bytes(), pair.certificate_file.read_bytes()) if pair else ())
        )
        self.channel = grpc.secure_channel(f"127.0.0.1:{port}", credentials)
        self.stub = pb_grpc.InquiryServiceStub(self.channel)

    def grade(self, code: str = CHANGZHI, **changes: Any) -> pb.CreditGrade:
        request: dict[str, Any] = {
            "name": f"subjects/{code}/creditGrade",
            "purpose": pb.PERMITTED_PURPOSE_LOAN_APPROVAL,
            "request_id": str(uuid.uuid4()),
            "case_reference": "case 1",
        }
        return self.stub.GetCreditGrade(pb.GetCreditGradeRequest(**(request | changes)), timeout=20)

    def report(self, code: str = CHANGZHI, *, number: int | None = None, **changes: Any) -> pb.CreditReport:
        tail = f"/revisions/{number}" if number is not None else ""
        request: dict[str, Any] = {
            "name": f"subjects/{code}/creditReport{tail}",
            "purpose": pb.PERMITTED_PURPOSE_LOAN_APPROVAL,
            "request_id": str(uuid.uuid4()),
        }
        return self.stub.GetCreditReport(pb.GetCreditReportRequest(**(request | changes)), timeout=20)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A refusal as a bank's program reads it."""

    code: grpc.StatusCode
    reason: str
    metadata: dict[str, str]


def refusal_of(call: Callable[[], object]) -> Refusal:
    """Make a call that must be refused, and read its ErrorInfo."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    status = rpc_status.from_call(raised.value)
    assert status is not None, f"no status details: {raised.value}"
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "carbonbureau"
    return Refusal(code=raised.value.code(), reason=info.reason, metadata=dict(info.metadata))


class Gateway:
    """The gateway's parts, put together as `__main__` does."""

    def __init__(self, *, url: str, password_file: Path, state: State) -> None:
        clock = SystemClock()
        self.url, self.password_file, self.state = url, password_file, state
        self.database = Database(PostgresSettings(url=url, password_file=SecretFile(password_file), statement_timeout_ms=3000), clock)
        self.subscribers_file = state.path / "subscribers.toml"
        self.subscribers_file.write_text(SUBSCRIBERS)
        self.directory = SubscriberDirectory(self.subscribers_file)
        self.freshness = Freshness(at=datetime.now(UTC))
        server_pair = certificates.gateway(state)
        self.tls = ServerTls(
            certificate_file=server_pair.certificate_file,
            key_file=server_pair.key_file,
            client_ca_file=certificates.authority_file(state),
            clock=clock,
        )
        self.crl_file = state.path / "authority-of-test.crl.pem"
        self.crl_file.write_bytes(certificates.revocation_list(certificates.authority(state)))
        self.revocations = self.revocations_as(must_be_known=True)
        self.inquiries = Inquiries(
            database=self.database,
            clock=clock,
            ids=RandomIds(),
            directory=self.directory,
            revocations=self.revocations,
            freshness=self.freshness,
            stale_after_s=15,
        )
        add = pb_grpc.add_InquiryServiceServicer_to_server
        self.server = RpcServer(
            "127.0.0.1:0",
            "127.0.0.1:0",
            [(add, InquiryService(self.inquiries), INQUIRY_SERVICE)],
            self.tls.credentials(),
            error_domain=ERROR_DOMAIN,
        )
        self.server.start()
        self.server.set_serving(True)
        self.provider = IdentityProvider(state.path / "token-keys-of-test.json")
        self.token_keys = TokenKeys(self.provider.path, production=True)
        self.portal = Portal(
            database=self.database,
            clock=clock,
            ids=RandomIds(),
            token_keys=self.token_keys,
            token_issuer=ISSUER,
            token_audience=AUDIENCE,
            freshness=self.freshness,
            stale_after_s=15,
        )
        self.portal_server = RpcServer(
            "127.0.0.1:0",
            "127.0.0.1:0",
            [(subject_pb_grpc.add_SubjectServiceServicer_to_server, SubjectService(self.portal), SUBJECT_SERVICE)],
            self.tls.credentials(clients=False),
            error_domain=ERROR_DOMAIN,
        )
        self.portal_server.start()
        self.portal_server.set_serving(True)
        self._banks: list[Bank] = []

    def revocations_as(self, *, must_be_known: bool) -> Revocations:
        return Revocations(
            crl_file=self.crl_file,
            client_ca_file=certificates.authority_file(self.state),
            must_be_known=must_be_known,
            clock=SystemClock(),
        )

    def bank(self, code: str = BANK) -> Bank:
        return self.client(certificates.subscriber(self.state, code))

    def client(self, pair: KeyPair | None) -> Bank:
        bank = Bank(port=self.server.port, ca_file=certificates.authority_file(self.state), pair=pair)
        self._banks.append(bank)
        return bank

    def take(self, *messages: Any) -> None:
        """Handle one batch, as the consumer's transaction would."""
        with self.database.transaction("test.batch") as transaction:
            consumer.handle(transaction, [record(message, offset=offset) for offset, message in enumerate(messages)])

    def rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        with self.database.transaction("test.read") as transaction:
            return [dict(row._mapping) for row in transaction.execute(text(query), parameters)]

    def inquiries_recorded(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM inquiry ORDER BY received_at, inquiry_id")

    def portal_inquiries(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM portal_inquiry ORDER BY received_at, inquiry_id")

    def outcomes(self) -> Sequence[tuple[str, str | None]]:
        return [(row["outcome"], row["reason"]) for row in self.rows("SELECT * FROM inquiry_outcome ORDER BY outcome_id")]

    def close(self) -> None:
        for bank in self._banks:
            bank.channel.close()
        self.server.stop(0)
        self.portal_server.stop(0)
        self.database.dispose()


@pytest.fixture(scope="session")
def tls_state(tmp_path_factory: pytest.TempPathFactory) -> State:
    """The certificates of a test run: one authority, the server's, the banks'."""
    return open_state(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def gateway(postgres_server: PostgresServer, database_url: Callable[[str], str], tls_state: State) -> Iterator[Gateway]:
    made = Gateway(url=database_url("gateway"), password_file=postgres_server.password_file("gateway"), state=tls_state)
    yield made
    made.close()


@pytest.fixture
def bank(gateway: Gateway) -> Bank:
    return gateway.bank()

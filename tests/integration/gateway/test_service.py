"""The gateway as a process: Kafka in, banks out, certificates that fail, files that change, stock tools, crashes."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from carbonbureau.bureau.v1 import subject_service_pb2 as subject_pb
from carbonbureau.bureau.v1 import subject_service_pb2_grpc as subject_pb_grpc
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kafka import KafkaProducer

from deploy.local import certificates, database_access, identity_provider
from deploy.local.certificates import Authority, KeyPair
from deploy.local.environment import environment, sandbox_environment
from deploy.local.kafka import KafkaBroker
from deploy.local.postgres import PostgresServer
from deploy.local.state import REPOSITORY, State, open_state
from services.common import migrations
from services.common.kafka import HEARTBEAT_TYPE, TYPE_HEADER
from tests.integration.gateway.conftest import BANK, SUBSCRIBERS, Bank, refusal_of
from tests.integration.gateway.process import ServiceProcess, serving
from tests.unit.gateway.examples import CHANGZHI, report_revised

BUF = REPOSITORY / ".venv" / "bin" / "buf"
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.fixture
def state(servers_dir: Path) -> State:
    return open_state(servers_dir)


@pytest.fixture
def settings(
    kafka_broker: KafkaBroker, postgres_server: PostgresServer, database_url: Callable[[str], str], state: State, tmp_path: Path
) -> dict[str, str]:
    subscribers_file = tmp_path / "subscribers.toml"
    subscribers_file.write_text(SUBSCRIBERS)
    return {
        **environment("gateway", state),
        "CARBONBUREAU_GATEWAY_POSTGRES_URL": database_url("gateway"),
        "CARBONBUREAU_GATEWAY_SUBSCRIBERS_FILE": str(subscribers_file),
        "CARBONBUREAU_GATEWAY_FILE_POLL_S": "0.1",
        "CARBONBUREAU_GATEWAY_KAFKA_SESSION_TIMEOUT_MS": "2000",
    }


@pytest.fixture
def process(settings: dict[str, str], tmp_path: Path) -> Iterator[ServiceProcess]:
    with serving("gateway", settings, tmp_path / "gateway.log") as running:
        yield running


@pytest.fixture(scope="class")
def shared(
    kafka_broker: KafkaBroker, postgres_server: PostgresServer, servers_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    """One process for the tests of a class that only look at it: starting one takes longer than looking.

    Gone before another test starts its own: two processes would be dealt the partitions of the one consumer group.
    """
    folder = tmp_path_factory.mktemp("shared")
    (folder / "subscribers.toml").write_text(SUBSCRIBERS)
    name = f"test_gateway_shared_{uuid.uuid4().hex[:8]}"
    with postgres_server.connect_as_admin() as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    database_access.prepare_database(postgres_server.connection, name)
    url = postgres_server.url(role="gateway", database=name)
    migrations.upgrade("gateway", url=url, password_file=postgres_server.password_file("gateway"))
    state = open_state(servers_dir)
    settings = {
        **environment("gateway", state),
        "CARBONBUREAU_GATEWAY_POSTGRES_URL": url,
        "CARBONBUREAU_GATEWAY_SUBSCRIBERS_FILE": str(folder / "subscribers.toml"),
    }
    with serving("gateway", settings, folder / "gateway.log") as running:
        yield running


@pytest.fixture
def publish(kafka_broker: KafkaBroker) -> Iterator[Callable[..., None]]:
    """Publish on bureau.report-revised.v1 as the reports service."""
    producer = KafkaProducer(**kafka_broker.client_settings("reports"))

    def send(*messages: Any) -> None:
        for message in messages:
            value = message if isinstance(message, bytes) else message.SerializeToString()
            producer.send("bureau.report-revised.v1", value=value, key=b"k").get(timeout=20)

    yield send
    producer.close()


def beat(broker: KafkaBroker) -> datetime.datetime:
    """Say on every partition, as the publisher of reports does each second, that everything up to now is out."""
    now = datetime.datetime.now(datetime.UTC)
    producer = KafkaProducer(**broker.client_settings("reports"))
    for partition in producer.partitions_for("bureau.report-revised.v1"):
        headers = [(TYPE_HEADER, HEARTBEAT_TYPE)]
        producer.send("bureau.report-revised.v1", value=now.isoformat().encode(), partition=partition, headers=headers).get(timeout=20)
    producer.close()
    return now


def client(process: ServiceProcess, state: State, pair: KeyPair | None) -> Bank:
    return Bank(port=process.port, ca_file=certificates.authority_file(state), pair=pair)


def subject() -> tuple[str, uuid.UUID]:
    """A subject that no other test of the session publishes: the broker is shared."""
    number = uuid.uuid4()
    body = f"91140400{number.hex[:9].upper().translate(str.maketrans('IOSVZ', '01234'))}"
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    total = sum(alphabet.index(character) * pow(3, position, 31) for position, character in enumerate(body))
    return body + alphabet[(31 - total % 31) % 31], number


class TestPath:
    def test_serves_what_was_published_and_says_how_fresh_it_is(
        self, process: ServiceProcess, state: State, publish: Callable[..., None]
    ) -> None:
        code, subject_id = subject()
        publish(report_revised(code=code, subject_id=subject_id, number=1, score="50.00"))
        publish(b"\xff\xfe not an event")
        publish(report_revised(code=code, subject_id=subject_id, number=2, score="63.12"))
        bank = client(process, state, certificates.subscriber(state, BANK))

        def arrived() -> bool:
            try:
                return bank.grade(code).score == "63.12"
            except grpc.RpcError:
                return False

        process.wait("the second revision", arrived)
        assert bank.report(code, number=1).revision_number == 1
        assert bank.grade(code).stale  # nobody beats on the topic in this test
        assert process.metric("events_refused") >= 1
        assert process.events("event-refused")
        answered = process.events("inquiry-answered")
        assert code not in json.dumps(answered)
        assert any(str(entry["subject_code"]).endswith(code[-4:]) for entry in answered)
        assert process.stop() == 0

    def test_tells_unknown_with_the_age_of_its_copy(
        self, process: ServiceProcess, state: State, kafka_broker: KafkaBroker, publish: Callable[..., None]
    ) -> None:
        code, subject_id = subject()
        bank = client(process, state, certificates.subscriber(state, BANK))
        lagging = refusal_of(lambda: bank.grade(code))
        assert (lagging.reason, lagging.metadata["stale"]) == ("SUBJECT_UNKNOWN", "true")
        publish(report_revised(code=code, subject_id=subject_id))
        process.wait("the revision", lambda: _score(bank, code) == "63.12")
        beaten_at = beat(kafka_broker)
        process.wait("freshness", lambda: refusal_of(lambda: bank.report(code, number=2)).metadata["stale"] == "false", seconds=10)
        fresh = refusal_of(lambda: bank.report(code, number=2))
        assert fresh.reason == "REVISION_UNKNOWN"
        assert datetime.datetime.fromisoformat(fresh.metadata["fresh_as_of_time"]) == beaten_at

    def test_starts_again_from_where_it_was(
        self, settings: dict[str, str], state: State, tmp_path: Path, publish: Callable[..., None]
    ) -> None:
        code, subject_id = subject()
        log_file = tmp_path / "gateway.log"
        with serving("gateway", settings, log_file) as first:
            publish(report_revised(code=code, subject_id=subject_id, number=1))
            bank = client(first, state, certificates.subscriber(state, BANK))
            first.wait("the first revision", lambda: _score(bank, code) == "63.12")
            first.child.kill()
            first.child.wait()
        publish(report_revised(code=code, subject_id=subject_id, number=2, score="70.00"))
        with serving("gateway", settings, log_file) as second:
            bank = client(second, state, certificates.subscriber(state, BANK))
            second.wait("the second revision", lambda: _score(bank, code) == "70.00")


class TestCrash:
    @pytest.mark.parametrize(
        ("point", "recorded"),
        [
            ("inquiry.record.before_commit", 0),
            ("inquiry.record.after_commit", 1),
            ("inquiry.answer.before_commit", 1),
            ("inquiry.answer.after_commit", 1),
        ],
    )
    def test_no_data_leaves_without_an_inquiry_on_record(
        self,
        settings: dict[str, str],
        state: State,
        tmp_path: Path,
        publish: Callable[..., None],
        postgres_server: PostgresServer,
        point: str,
        recorded: int,
    ) -> None:
        """The process dies at the point; the bank got nothing, and asks again with the same request_id."""
        code, subject_id = subject()
        request_id = str(uuid.uuid4())
        log_file = tmp_path / "gateway.log"
        publish(report_revised(code=code, subject_id=subject_id))
        armed = {
            **settings,
            "CARBONBUREAU_GATEWAY_CRASH_POINT": point,
            "CARBONBUREAU_GATEWAY_ALLOW_CRASH_POINTS": "true",
        }
        database = settings["CARBONBUREAU_GATEWAY_POSTGRES_URL"].rpartition("/")[2]
        with postgres_server.connect_as_admin(database=database) as admin:
            with serving("gateway", armed, log_file) as doomed:
                doomed.wait(
                    "the revision",
                    lambda: admin.execute("SELECT 1 FROM gateway.credit_grade WHERE subject_id = %s", [subject_id]).fetchone(),
                )
                bank = client(doomed, state, certificates.subscriber(state, BANK))
                with pytest.raises(grpc.RpcError):
                    bank.grade(code, request_id=request_id)
                doomed.wait_killed()
            rows = admin.execute("SELECT inquiry_id::text FROM gateway.inquiry").fetchall()
            assert len(rows) == recorded
            with serving("gateway", settings, log_file) as process:
                answer = client(process, state, certificates.subscriber(state, BANK)).grade(code, request_id=request_id)
            assert answer.score == "63.12"
            assert admin.execute("SELECT inquiry_id::text FROM gateway.inquiry").fetchall() == [(answer.inquiry_id,)]


class TestHandshake:
    """What the bank cannot see, the bureau's log and metric name."""

    @pytest.fixture
    def foreign(self, tmp_path_factory: pytest.TempPathFactory) -> Authority:
        return certificates.authority(open_state(tmp_path_factory.mktemp("foreign")))

    def test_names_why_each_certificate_was_refused_and_goes_on_serving(
        self, shared: ServiceProcess, state: State, foreign: Authority
    ) -> None:
        uris = [f"carbonbureau://subscriber/{BANK}"]
        refused: dict[str, KeyPair | None] = {
            "CERTIFICATE_EXPIRED": certificates.issue(state, "expired", uris=uris, not_before=NOW - 10 * DAY, not_after=NOW - DAY),
            "CERTIFICATE_NOT_YET_VALID": certificates.issue(state, "early", uris=uris, not_before=NOW + DAY, not_after=NOW + 2 * DAY),
            "CERTIFICATE_AUTHORITY_UNKNOWN": certificates.issue(state, "foreign", uris=uris, issuer=foreign),
            "CERTIFICATE_MISSING": None,
        }
        for reason, pair in refused.items():
            bank = client(shared, state, pair)
            with pytest.raises(grpc.RpcError) as raised:
                bank.grade(CHANGZHI)
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE, reason
            bank.channel.close()
            shared.wait(f"metric {reason}", lambda: shared.metric("gateway_handshakes_refused", reason=reason) >= 1)  # noqa: B023
            shared.wait(f"log {reason}", lambda: reason in [entry["reason"] for entry in shared.events("handshake-refused")])  # noqa: B023
        assert refusal_of(lambda: client(shared, state, certificates.subscriber(state, BANK)).grade(CHANGZHI)).reason == "SUBJECT_UNKNOWN"

    def test_a_certificate_for_servers_is_none_for_banks(self, shared: ServiceProcess, state: State) -> None:
        bank = client(shared, state, certificates.gateway(state))
        with pytest.raises(grpc.RpcError) as raised:
            bank.grade(CHANGZHI)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        shared.wait("metric", lambda: shared.metric("gateway_handshakes_refused", reason="CERTIFICATE_REFUSED") >= 1)

    def test_names_those_who_do_not_speak_tls(self, shared: ServiceProcess, state: State) -> None:
        with socket.create_connection(("127.0.0.1", shared.port)) as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
            shared.wait("metric", lambda: shared.metric("gateway_handshakes_refused", reason="NOT_TLS") >= 1)

    def test_two_identities_pass_the_handshake_and_are_refused_by_name(self, shared: ServiceProcess, state: State) -> None:
        uris = [f"carbonbureau://subscriber/{BANK}", "carbonbureau://subscriber/bank-regional"]
        refused = refusal_of(lambda: client(shared, state, certificates.issue(state, "two", uris=uris)).grade(CHANGZHI))
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "IDENTITY_AMBIGUOUS")


class TestFiles:
    def test_a_renewed_server_certificate_is_taken_up_without_a_restart(
        self, settings: dict[str, str], state: State, tmp_path: Path
    ) -> None:
        tls = tmp_path / "tls"
        tls.mkdir()
        for name in ("CERTIFICATE", "KEY"):
            (tls / name).write_bytes(Path(settings[f"CARBONBUREAU_GATEWAY_TLS_{name}_FILE"]).read_bytes())
        own = {
            **settings,
            "CARBONBUREAU_GATEWAY_TLS_CERTIFICATE_FILE": str(tls / "CERTIFICATE"),
            "CARBONBUREAU_GATEWAY_TLS_KEY_FILE": str(tls / "KEY"),
        }
        with serving("gateway", own, tmp_path / "gateway.log") as process:
            first = _serial(process, state)
            assert _serial(process, state, port=process.portal_port) == first
            not_after = process.metric("gateway_tls_not_after")
            assert not_after > time.time()
            # Of no use: a key that is not the certificate's. The old pair goes on, and an alarm says so.
            (tls / "KEY").write_bytes(certificates.subscriber(state, BANK).key_file.read_bytes())
            process.wait("the alarm", lambda: process.metric("gateway_tls_reload_failed") >= 1)
            assert _serial(process, state) == first
            renewed = _renewed(state, tmp_path)
            (tls / "KEY").write_bytes(renewed.key_file.read_bytes())
            (tls / "CERTIFICATE").write_bytes(renewed.certificate_file.read_bytes())
            process.wait("the renewed certificate", lambda: _serial(process, state) != first)
            assert process.metric("gateway_tls_not_after") != not_after
            assert _serial(process, state, port=process.portal_port) == _serial(process, state)
            bank = client(process, state, certificates.subscriber(state, BANK))
            assert refusal_of(lambda: bank.grade(CHANGZHI)).reason == "SUBJECT_UNKNOWN"

    def test_a_contract_that_is_taken_out_of_the_file_ends(self, process: ServiceProcess, state: State) -> None:
        bank = client(process, state, certificates.subscriber(state, BANK))
        assert refusal_of(lambda: bank.grade(CHANGZHI)).reason == "SUBJECT_UNKNOWN"
        Path(process.setting("SUBSCRIBERS_FILE")).write_text(SUBSCRIBERS.replace("bank-one", "bank-two"))
        process.wait("the end of the contract", lambda: refusal_of(lambda: bank.grade(CHANGZHI)).reason == "SUBSCRIBER_UNKNOWN")

    def test_a_certificate_that_is_put_on_the_revocation_list_is_refused_with_the_next_call(
        self, process: ServiceProcess, state: State
    ) -> None:
        stolen = certificates.issue(state, "stolen", uris=[f"carbonbureau://subscriber/{BANK}"])
        bank, thief = client(process, state, certificates.subscriber(state, BANK)), client(process, state, stolen)
        assert refusal_of(lambda: thief.grade(CHANGZHI)).reason == "SUBJECT_UNKNOWN"
        certificates.revoke(state, stolen)
        process.wait("the revocation", lambda: refusal_of(lambda: thief.grade(CHANGZHI)).reason == "CERTIFICATE_REVOKED")
        assert refusal_of(lambda: bank.grade(CHANGZHI)).reason == "SUBJECT_UNKNOWN"
        assert process.metric("gateway_revocation_next_update") > time.time()

    def test_no_start_in_production_without_revocation_lists(self, settings: dict[str, str], tmp_path: Path) -> None:
        production = {name: value for name, value in settings.items() if name != "CARBONBUREAU_GATEWAY_CLIENT_CRL_FILE"}
        production["CARBONBUREAU_GATEWAY_PROFILE"] = "production"
        with serving("gateway", production, tmp_path / "log", ready=False) as process:
            assert process.child.wait(timeout=30) == 2
        assert "needs CLIENT_CRL_FILE" in (tmp_path / "log").read_text()

    def test_no_start_with_files_that_are_of_no_use(self, settings: dict[str, str], tmp_path: Path) -> None:
        for name, text in (
            ("SUBSCRIBERS_FILE", "[[subscriber]]\ncode = 5"),
            ("TLS_KEY_FILE", "not PEM"),
            ("CLIENT_CRL_FILE", "not PEM"),
            ("TOKEN_KEYS_FILE", "{}"),
        ):
            bad = tmp_path / name
            bad.write_text(text)
            with serving("gateway", {**settings, f"CARBONBUREAU_GATEWAY_{name}": str(bad)}, tmp_path / "log", ready=False) as process:
                assert process.child.wait(timeout=30) == 2
        assert "cannot be used" in (tmp_path / "log").read_text()


class TestPortal:
    """The second listener as a process: a token of the sandbox's identity provider, stock tools, keys that change, crashes."""

    def token(self, state: State, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "services.sandbox", "token", *arguments],
            cwd=REPOSITORY, env={**os.environ, **sandbox_environment(state)}, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    def listed(self, process: ServiceProcess, state: State, code: str, token: str) -> subject_pb.ListReportRevisionsResponse:
        credentials = grpc.ssl_channel_credentials(certificates.authority_file(state).read_bytes())
        with grpc.secure_channel(f"127.0.0.1:{process.portal_port}", credentials) as channel:
            return subject_pb_grpc.SubjectServiceStub(channel).ListReportRevisions(
                subject_pb.ListReportRevisionsRequest(parent=f"subjects/{code}"),
                metadata=(("authorization", f"Bearer {token}"),),
                timeout=20,
            )

    def refusal(self, process: ServiceProcess, state: State, token: str) -> str:
        return refusal_of(lambda: self.listed(process, state, CHANGZHI, token)).reason

    def test_shows_an_enterprise_its_revisions_with_stock_tools_and_keeps_the_token_to_itself(
        self, process: ServiceProcess, state: State, publish: Callable[..., None]
    ) -> None:
        code, subject_id = subject()
        publish(report_revised(code=code, subject_id=subject_id))
        token = self.token(state, "--subject", code)
        bank = client(process, state, certificates.subscriber(state, BANK))
        process.wait("the revision", lambda: _score(bank, code) == "63.12")
        command = [
            str(BUF), "curl", "--protocol", "grpc", "--cacert", str(certificates.authority_file(state)),
            "-H", f"authorization: Bearer {token}", "--data", json.dumps({"parent": f"subjects/{code}"}),
            f"https://127.0.0.1:{process.portal_port}/carbonbureau.bureau.v1.SubjectService/ListReportRevisions",
        ]  # fmt: skip
        shown = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60)
        assert shown.returncode == 0, shown.stderr
        (revision,) = json.loads(shown.stdout)["reportRevisions"]
        assert (revision["revisionNumber"], revision["finalGrade"]) == ("1", "GRADE_BBB")
        assert self.refusal(process, state, token) == "SUBJECT_NOT_PERMITTED"
        assert self.refusal(process, state, token[:-8] + "AAAAAAAA") == "TOKEN_INVALID"
        assert self.refusal(process, state, self.token(state, "--role", "supervisor")) == "SUBJECT_UNKNOWN"
        outcomes = [entry["outcome"] for entry in process.events("portal-inquiry-answered")]
        assert outcomes == ["SERVED", "SUBJECT_NOT_PERMITTED", "SUBJECT_UNKNOWN"]
        assert process.metric("gateway_portal_inquiries", outcome="TOKEN_INVALID") == 1
        log = process.log_file.read_text()
        assert all(part not in log for part in (*token.split("."), code))

    def test_follows_the_identity_provider_s_keys_without_a_restart(self, settings: dict[str, str], state: State, tmp_path: Path) -> None:
        keys = tmp_path / "token-keys.json"
        keys.write_bytes(Path(settings["CARBONBUREAU_GATEWAY_TOKEN_KEYS_FILE"]).read_bytes())
        own = {**settings, "CARBONBUREAU_GATEWAY_TOKEN_KEYS_FILE": str(keys)}
        with serving("gateway", own, tmp_path / "gateway.log") as process:
            token = self.token(state, "--subject", CHANGZHI)
            assert self.refusal(process, state, token) == "SUBJECT_UNKNOWN"
            keys.write_text("{")
            process.wait("the alarm", lambda: process.metric("gateway_token_keys_reload_failed") >= 1)
            assert self.refusal(process, state, token) == "SUBJECT_UNKNOWN"
            other = identity_provider.token_keys_file(open_state(tmp_path / "other"))
            keys.write_bytes(other.read_bytes())
            process.wait("the end of the key", lambda: self.refusal(process, state, token) == "TOKEN_INVALID")

    def test_answers_calls_whatever_streams_strangers_hold_open(self, process: ServiceProcess, state: State) -> None:
        """Health's Watch asks nobody for a token: beyond two such streams the next are refused, and calls go on."""
        credentials = grpc.ssl_channel_credentials(certificates.authority_file(state).read_bytes())
        codes = []
        with grpc.secure_channel(f"127.0.0.1:{process.portal_port}", credentials) as channel:
            streams = [health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=60) for _ in range(12)]
            for stream in streams:
                try:
                    next(stream)
                    codes.append(grpc.StatusCode.OK)
                except grpc.RpcError as refused:
                    codes.append(refused.code())
            assert sorted(code.name for code in codes) == ["OK"] * 2 + ["RESOURCE_EXHAUSTED"] * 10
            assert self.refusal(process, state, self.token(state, "--role", "supervisor")) == "SUBJECT_UNKNOWN"

    def test_stays_shut_unless_it_is_asked_for(self, settings: dict[str, str], tmp_path: Path) -> None:
        names = [f"CARBONBUREAU_GATEWAY_{name}" for name in ("TOKEN_KEYS_FILE", "TOKEN_ISSUER", "TOKEN_AUDIENCE", "PORTAL_LISTEN_ADDRESS")]
        closed = {name: value for name, value in settings.items() if name not in names}
        with serving("gateway", closed, tmp_path / "gateway.log"), pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", int(settings[names[3]].rpartition(":")[2])))
        half = {**closed, names[0]: settings[names[0]]}
        with serving("gateway", half, tmp_path / "half.log", ready=False) as process:
            assert process.child.wait(timeout=30) == 2
        assert "together or not at all" in (tmp_path / "half.log").read_text()

    @pytest.mark.parametrize(("point", "recorded"), [("portal.record.before_commit", 0), ("portal.record.after_commit", 1)])
    def test_nothing_leaves_without_a_record(
        self, settings: dict[str, str], state: State, tmp_path: Path, postgres_server: PostgresServer, point: str, recorded: int
    ) -> None:
        armed = {**settings, "CARBONBUREAU_GATEWAY_CRASH_POINT": point, "CARBONBUREAU_GATEWAY_ALLOW_CRASH_POINTS": "true"}
        token = self.token(state, "--subject", CHANGZHI)
        with serving("gateway", armed, tmp_path / "gateway.log") as doomed:
            with pytest.raises(grpc.RpcError):
                self.listed(doomed, state, CHANGZHI, token)
            doomed.wait_killed()
        database = settings["CARBONBUREAU_GATEWAY_POSTGRES_URL"].rpartition("/")[2]
        with postgres_server.connect_as_admin(database=database) as admin:
            assert len(admin.execute("SELECT FROM gateway.portal_inquiry").fetchall()) == recorded


class TestStockTools:
    """buf curl with the bank's certificate: reflection, health, a call, a refusal with its ErrorInfo."""

    def curl(self, shared: ServiceProcess, state: State, method: str, data: str = "{}") -> subprocess.CompletedProcess[str]:
        bank = certificates.subscriber(state, BANK)
        command = [
            str(BUF), "curl", "--protocol", "grpc",
            "--cacert", str(certificates.authority_file(state)), "--cert", str(bank.certificate_file), "--key", str(bank.key_file),
            "--data", data, f"https://127.0.0.1:{shared.port}/{method}",
        ]  # fmt: skip
        return subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60)

    def test_answer_a_call_by_reflection(self, shared: ServiceProcess, state: State, publish: Callable[..., None]) -> None:
        code, subject_id = subject()
        publish(report_revised(code=code, subject_id=subject_id))
        bank = client(shared, state, certificates.subscriber(state, BANK))
        shared.wait("the revision", lambda: _score(bank, code) == "63.12")
        request = {"name": f"subjects/{code}/creditGrade", "purpose": "PERMITTED_PURPOSE_LOAN_APPROVAL", "requestId": str(uuid.uuid4())}
        shown = self.curl(shared, state, "carbonbureau.bureau.v1.InquiryService/GetCreditGrade", json.dumps(request))
        assert shown.returncode == 0, shown.stderr
        assert json.loads(shown.stdout)["finalGrade"] == "GRADE_BBB"

    def test_show_why_a_call_was_refused(self, shared: ServiceProcess, state: State) -> None:
        request = {"name": f"subjects/{CHANGZHI}/creditGrade", "requestId": str(uuid.uuid4())}
        shown = self.curl(shared, state, "carbonbureau.bureau.v1.InquiryService/GetCreditGrade", json.dumps(request))
        assert shown.returncode != 0
        (detail,) = json.loads(shown.stderr)["details"]
        assert detail["type"] == "google.rpc.ErrorInfo"
        assert b"PURPOSE_MISSING" in base64.b64decode(detail["value"] + "==")

    def test_ask_for_health(self, shared: ServiceProcess, state: State) -> None:
        shown = self.curl(shared, state, "grpc.health.v1.Health/Check", '{"service": "carbonbureau.bureau.v1.InquiryService"}')
        assert json.loads(shown.stdout) == {"status": "SERVING"}, shown.stderr


class TestCommands:
    def run(self, settings: dict[str, str], *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "services.gateway", *arguments], cwd=REPOSITORY, env=settings, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def test_summary_counts_and_inquiries_are_exported(self, process: ServiceProcess, settings: dict[str, str], state: State) -> None:
        bank = client(process, state, certificates.subscriber(state, BANK))
        refusal_of(lambda: bank.grade(CHANGZHI))
        refusal_of(lambda: bank.grade(CHANGZHI, purpose=0))
        summary = json.loads(self.run(settings, "summary"))
        assert (summary["service"], summary["inquiries_permitted"], summary["inquiries_denied"]) == ("gateway", 1, 1)
        exported = [json.loads(line) for line in self.run(settings, "inquiries").splitlines()]
        assert [entry["decision"] for entry in exported] == ["PERMITTED", "DENIED"]
        assert exported[0]["outcomes"][0]["outcome"] == "SUBJECT_UNKNOWN"
        assert exported[0]["subject_code"] == CHANGZHI
        assert self.run(settings, "inquiries", "--until", "2026-01-01") == ""
        again = [sys.executable, "-m", "services.gateway", "inquiries"]
        told = subprocess.run(again, cwd=REPOSITORY, env=settings, capture_output=True, text=True, timeout=60).stderr.split()[-1]
        assert datetime.datetime.fromisoformat(told).tzinfo is not None
        assert self.run(settings, "inquiries", "--since", told) == ""

    def test_migrate_may_be_run_again(self, settings: dict[str, str]) -> None:
        self.run(settings, "migrate")


def _score(bank: Bank, code: str) -> str | None:
    try:
        return bank.grade(code).score
    except grpc.RpcError:
        return None


def _serial(process: ServiceProcess, state: State, *, port: int | None = None) -> int:
    """Give the serial number of the certificate that the server shows now, on the banks' listener unless another is named."""
    pair = certificates.subscriber(state, BANK)
    context = ssl.create_default_context(cafile=str(certificates.authority_file(state)))
    context.load_cert_chain(pair.certificate_file, pair.key_file)
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port or process.port)) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as shown,
    ):
        return x509.load_der_x509_certificate(shown.getpeercert(binary_form=True) or b"").serial_number


def _renewed(state: State, tmp_path: Path) -> KeyPair:
    """Make another certificate for the server, of the same authority, ending another day."""
    pair = KeyPair(certificate_file=tmp_path / "renewed.pem", key_file=tmp_path / "renewed.key")
    certificates._issue(
        certificates.authority(state),
        pair,
        common_name="gateway",
        names=[x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))],
        usage=ExtendedKeyUsageOID.SERVER_AUTH,
        not_after=NOW + 30 * DAY,
    )
    return pair

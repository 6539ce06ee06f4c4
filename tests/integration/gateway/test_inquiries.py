"""Calls over real TLS: every reason of refusal, the record before the answer, repetitions, freshness."""

from __future__ import annotations

import hashlib
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import psycopg
import pytest
from carbonbureau.bureau.v1 import inquiry_service_pb2 as pb
from carbonbureau.common.v1 import grade_pb2
from cryptography import x509

from deploy.local import certificates
from deploy.local.postgres import PostgresServer
from deploy.local.state import open_state
from tests.integration.gateway.conftest import BANK, REGIONAL_BANK, SUBSCRIBERS, Bank, Gateway, refusal_of
from tests.unit.gateway.examples import BEIJING, CHANGZHI, DATONG, OUTSIDE, report_revised

URI = "carbonbureau://subscriber/"


class TestGetCreditGrade:
    def test_answers_from_the_newest_revision(self, gateway: Gateway, bank: Bank) -> None:
        gateway.take(report_revised(number=1, score="50.00"), report_revised(number=2, score="63.12"))
        grade = bank.grade()
        assert grade.score == "63.12"
        assert grade.final_grade == grade_pb2.GRADE_BBB
        assert grade.report_revision_number == 2
        assert grade.rating_state == pb.RATING_STATE_RATED
        assert not grade.stale

    def test_answers_that_a_subject_is_not_rated_and_why(self, gateway: Gateway, bank: Bank) -> None:
        gateway.take(report_revised(rated=False))
        grade = bank.grade()
        assert grade.rating_state == pb.RATING_STATE_NOT_RATED
        assert [reason.code for reason in grade.reasons] == ["TOO_FEW_PERIODS"]

    def test_records_who_asked_what_for_which_purpose(self, gateway: Gateway, bank: Bank) -> None:
        gateway.take(report_revised())
        grade = bank.grade(case_reference="贷款 2026-17")
        (inquiry,) = gateway.inquiries_recorded()
        assert str(inquiry["inquiry_id"]) == grade.inquiry_id
        assert inquiry["subscriber_code"] == BANK
        assert inquiry["identities"] == [URI + BANK]
        assert inquiry["subject_code"] == CHANGZHI
        assert inquiry["purpose"] == "LOAN_APPROVAL"
        assert inquiry["case_reference"] == "贷款 2026-17"
        assert inquiry["decision"] == "PERMITTED"
        assert inquiry["peer"].startswith("ipv4:127.0.0.1:")
        (outcome,) = gateway.rows("SELECT * FROM inquiry_outcome")
        assert (outcome["outcome"], outcome["revision_number"]) == ("SERVED", 1)
        assert outcome["content_sha256"] == grade.report_content_sha256


class TestGetCreditReport:
    def test_serves_the_latest_revision_or_the_one_named(self, gateway: Gateway, bank: Bank) -> None:
        gateway.take(*(report_revised(number=number, score=f"{number}.00") for number in (1, 2, 3)))
        latest, first = bank.report(), bank.report(number=1)
        assert (latest.revision_number, latest.latest) == (3, True)
        assert (first.revision_number, first.latest) == (1, False)
        assert first.signed_report == report_revised(number=1, score="1.00").signed_report
        assert first.name == f"subjects/{CHANGZHI}/creditReport/revisions/1"

    def test_refuses_a_revision_that_does_not_exist(self, gateway: Gateway, bank: Bank) -> None:
        gateway.take(report_revised())
        refused = refusal_of(lambda: bank.report(number=2))
        assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "REVISION_UNKNOWN")
        assert gateway.outcomes() == [("REVISION_UNKNOWN", None)]

    def test_refuses_any_revision_of_an_unknown_subject(self, gateway: Gateway, bank: Bank) -> None:
        assert refusal_of(lambda: bank.report(number=1)).reason == "SUBJECT_UNKNOWN"
        assert refusal_of(bank.report).reason == "SUBJECT_UNKNOWN"

    def test_serves_under_an_old_code_what_its_bearer_has_now(self, gateway: Gateway, bank: Bank) -> None:
        gateway.take(report_revised(number=1, code=CHANGZHI), report_revised(number=2, code=DATONG))
        assert bank.report(CHANGZHI).revision_number == 2
        assert bank.report(DATONG, number=1).revision_number == 1


class TestRefusals:
    """Each reason of the contract, and that each denial is on record."""

    def only_inquiry(self, gateway: Gateway) -> tuple[str, str]:
        (inquiry,) = gateway.inquiries_recorded()
        return inquiry["decision"], inquiry["reason"]

    def test_an_unknown_purpose_is_a_missing_one(self, gateway: Gateway, bank: Bank) -> None:
        for purpose in (0, 99):
            refused = refusal_of(lambda purpose=purpose: bank.grade(purpose=purpose))  # type: ignore[misc]
            assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "PURPOSE_MISSING")
        assert {row["reason"] for row in gateway.inquiries_recorded()} == {"PURPOSE_MISSING"}

    def test_a_purpose_outside_the_contract(self, gateway: Gateway, bank: Bank) -> None:
        refused = refusal_of(lambda: bank.grade(purpose=pb.PERMITTED_PURPOSE_GUARANTEE_REVIEW))
        assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PURPOSE_NOT_PERMITTED")
        assert self.only_inquiry(gateway) == ("DENIED", "PURPOSE_NOT_PERMITTED")

    def test_a_malformed_name(self, gateway: Gateway, bank: Bank) -> None:
        refused = refusal_of(lambda: bank.grade(name="subjects/x/creditGrade"))
        assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "NAME_MALFORMED")
        assert refused.metadata["field"] == "name"
        assert self.only_inquiry(gateway) == ("DENIED", "NAME_MALFORMED")

    def test_a_malformed_request_id(self, gateway: Gateway, bank: Bank) -> None:
        refused = refusal_of(lambda: bank.grade(request_id="17"))
        assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_MALFORMED")
        assert self.only_inquiry(gateway) == ("DENIED", "REQUEST_ID_MALFORMED")

    def test_an_unknown_subject_is_told_to_a_bank_with_the_region_right(self, gateway: Gateway, bank: Bank) -> None:
        refused = refusal_of(lambda: bank.grade(OUTSIDE))
        assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "SUBJECT_UNKNOWN")
        assert gateway.inquiries_recorded()[0]["decision"] == "PERMITTED"
        assert gateway.outcomes() == [("SUBJECT_UNKNOWN", None)]

    def test_a_bank_without_the_region_right_learns_nothing_of_the_subject(self, gateway: Gateway) -> None:
        """Known or unknown, the answer is the same."""
        gateway.take(report_revised(code=CHANGZHI))
        regional = gateway.bank(REGIONAL_BANK)
        known, unknown = refusal_of(lambda: regional.grade(CHANGZHI)), refusal_of(lambda: regional.grade(BEIJING))
        for refused in (known, unknown):
            assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "REGION_NOT_PERMITTED")
        assert gateway.outcomes() == []

    def test_a_certificate_that_names_no_subscriber(self, gateway: Gateway) -> None:
        stranger = gateway.client(certificates.subscriber(gateway.state, "bank-stranger"))
        refused = refusal_of(stranger.grade)
        assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SUBSCRIBER_UNKNOWN")
        (inquiry,) = gateway.inquiries_recorded()
        assert inquiry["subscriber_code"] is None
        assert inquiry["identities"] == [URI + "bank-stranger"]
        assert len(inquiry["certificate_sha256"]) == 64

    @pytest.mark.parametrize(
        "uris", [[URI + BANK, URI + REGIONAL_BANK], [URI + BANK, "CARBONBUREAU://subscriber/x"], [], ["https://bank.example"]]
    )
    def test_a_certificate_with_no_or_several_identities(self, gateway: Gateway, uris: list[str]) -> None:
        odd = gateway.client(certificates.issue(gateway.state, f"odd-{uuid.uuid4().hex}", uris=uris))
        refused = refusal_of(odd.grade)
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "IDENTITY_AMBIGUOUS")
        assert self.only_inquiry(gateway) == ("DENIED", "IDENTITY_AMBIGUOUS")

    def test_a_contract_that_ended_while_the_connection_stands(self, gateway: Gateway, bank: Bank) -> None:
        gateway.take(report_revised())
        bank.grade()
        gateway.subscribers_file.write_text(SUBSCRIBERS.replace("bank-one", "bank-two"))
        gateway.directory.reload_if_changed()
        assert refusal_of(bank.grade).reason == "SUBSCRIBER_UNKNOWN"

    @pytest.mark.parametrize(
        "changes",
        [
            {"name": "subjects/\x00/creditGrade"},
            {"name": "x" * 100_000},
            {"request_id": "\x00'; DROP TABLE inquiry; --"},
            {"case_reference": "\x00"},
            {"case_reference": "x" * 65},
            {"name": "subjects/\u202e/creditGrade"},
        ],
    )
    def test_hostile_texts_are_refused_and_kept_harmless(self, gateway: Gateway, bank: Bank, changes: dict[str, str]) -> None:
        refused = refusal_of(lambda: bank.grade(**changes))
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
        (inquiry,) = gateway.inquiries_recorded()
        assert all(len(inquiry[name]) <= 200 and "\x00" not in inquiry[name] for name in ("name", "request_id", "case_reference"))

    def test_bytes_that_are_no_request_leave_the_server_serving(self, gateway: Gateway, bank: Bank) -> None:
        gateway.take(report_revised())
        raw = bank.channel.unary_unary("/carbonbureau.bureau.v1.InquiryService/GetCreditGrade")
        for junk in (b"\xff\xff\xff", b"\x0a\x02\xff\xff"):
            with pytest.raises(grpc.RpcError) as raised:
                raw(junk, timeout=10)
            assert raised.value.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT)
        with pytest.raises(grpc.RpcError) as raised:
            raw(b"\x0a" + b"\x00" * (10 * 1024 * 1024), timeout=10)
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert bank.grade().score == "63.12"


class TestCertificates:
    """What becomes of a certificate while its connection stands counts with the next call."""

    def revoke(self, gateway: Gateway, code: str) -> None:
        """Put a bank's certificate on the list, as its authority would."""
        stolen = x509.load_pem_x509_certificate(certificates.subscriber(gateway.state, code).certificate_file.read_bytes())
        entry = x509.RevokedCertificateBuilder().serial_number(stolen.serial_number).revocation_date(datetime.now(UTC)).build()
        gateway.crl_file.write_bytes(certificates.revocation_list(certificates.authority(gateway.state), entries=[entry]))

    def test_a_revoked_one_is_refused_over_the_connection_that_it_opened(self, gateway: Gateway, bank: Bank) -> None:
        gateway.take(report_revised(), report_revised(code=DATONG, subject_id=uuid.uuid4()))
        other = gateway.bank(REGIONAL_BANK)
        assert bank.grade().score == other.grade(DATONG).score == "63.12"
        self.revoke(gateway, BANK)
        assert gateway.revocations.reload_if_changed()
        refused = refusal_of(bank.grade)
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_REVOKED")
        assert other.grade(DATONG).score == "63.12"
        denied = gateway.inquiries_recorded()[-2]
        assert (denied["decision"], denied["reason"], denied["subscriber_code"]) == ("DENIED", "CERTIFICATE_REVOKED", None)
        assert denied["identities"] == [URI + BANK]
        assert str(denied["inquiry_id"]) == refused.metadata["inquiry_id"]

    def test_a_forged_list_revokes_nobody_and_gives_nobody_back(self, gateway: Gateway, bank: Bank, tmp_path: Path) -> None:
        gateway.take(report_revised())
        self.revoke(gateway, REGIONAL_BANK)
        assert gateway.revocations.reload_if_changed()
        forger = certificates.authority(open_state(tmp_path))
        gateway.crl_file.write_bytes(certificates.revocation_list(forger))
        assert not gateway.revocations.reload_if_changed()
        assert bank.grade().score == "63.12"
        assert refusal_of(lambda: gateway.bank(REGIONAL_BANK).grade(DATONG)).reason == "CERTIFICATE_REVOKED"

    @pytest.mark.parametrize("must_be_known", [True, False])
    def test_a_list_past_its_next_update_refuses_in_production_and_warns_in_the_sandbox(
        self, gateway: Gateway, bank: Bank, caplog: pytest.LogCaptureFixture, must_be_known: bool
    ) -> None:
        gateway.take(report_revised())
        past = datetime.now(UTC) - timedelta(seconds=1)
        gateway.crl_file.write_bytes(certificates.revocation_list(certificates.authority(gateway.state), next_update=past))
        gateway.inquiries._revocations = gateway.revocations_as(must_be_known=must_be_known)
        assert any(getattr(record, "event", None) == "revocation-past" for record in caplog.records)
        if must_be_known:
            refused = refusal_of(bank.grade)
            assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "REVOCATION_UNKNOWN")
            assert gateway.inquiries_recorded()[0]["reason"] == "REVOCATION_UNKNOWN"
        else:
            assert bank.grade().score == "63.12"

    def test_one_that_ends_is_refused_over_the_connection_that_it_opened(self, gateway: Gateway) -> None:
        gateway.take(report_revised())
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
        brief = gateway.client(certificates.issue(gateway.state, "brief", uris=[URI + BANK], not_after=end))
        assert brief.grade().score == "63.12"
        time.sleep((end - datetime.now(UTC)).total_seconds() + 0.05)
        refused = refusal_of(brief.grade)
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_EXPIRED")
        assert gateway.inquiries_recorded()[-1]["reason"] == "CERTIFICATE_EXPIRED"


class TestRecordBeforeAnswer:
    """征信业管理条例 Art. 22: what cannot be recorded is not served."""

    def test_nothing_leaves_when_the_database_refuses_the_row(self, gateway: Gateway, bank: Bank, postgres_server: PostgresServer) -> None:
        gateway.take(report_revised())
        with admin_of(postgres_server, gateway) as admin:
            admin.execute("ALTER TABLE gateway.inquiry ADD CONSTRAINT refuses CHECK (false) NOT VALID")
            refused = refusal_of(bank.grade)
            assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "INQUIRY_NOT_RECORDED")
            admin.execute("ALTER TABLE gateway.inquiry DROP CONSTRAINT refuses")
        assert gateway.inquiries_recorded() == []
        assert bank.grade().score == "63.12"

    def test_no_denial_is_told_either_when_it_cannot_be_recorded(
        self, gateway: Gateway, bank: Bank, postgres_server: PostgresServer
    ) -> None:
        with admin_of(postgres_server, gateway) as admin:
            admin.execute("ALTER TABLE gateway.inquiry ADD CONSTRAINT refuses CHECK (false) NOT VALID")
            assert refusal_of(lambda: bank.grade(BEIJING)).reason == "INQUIRY_NOT_RECORDED"

    def test_nothing_leaves_when_the_outcome_cannot_be_recorded(
        self, gateway: Gateway, bank: Bank, postgres_server: PostgresServer
    ) -> None:
        gateway.take(report_revised())
        with admin_of(postgres_server, gateway) as admin:
            admin.execute("ALTER TABLE gateway.inquiry_outcome ADD CONSTRAINT refuses CHECK (false) NOT VALID")
            refused = refusal_of(bank.grade)
        assert refused.reason == "INQUIRY_NOT_RECORDED"
        assert str(gateway.inquiries_recorded()[0]["inquiry_id"]) == refused.metadata["inquiry_id"]

    def test_nothing_leaves_while_the_database_is_away(self, gateway: Gateway, bank: Bank, postgres_server: PostgresServer) -> None:
        gateway.take(report_revised())
        request_id, name = str(uuid.uuid4()), gateway.url.rpartition("/")[2]
        with postgres_server.connect_as_admin(database="postgres") as admin:
            admin.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false".encode())
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            refused = refusal_of(lambda: bank.grade(request_id=request_id))
            assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "INQUIRY_NOT_RECORDED")
            admin.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true".encode())
        assert bank.grade(request_id=request_id).score == "63.12"

    def test_nothing_leaves_while_the_row_waits_for_a_lock(self, gateway: Gateway, bank: Bank, postgres_server: PostgresServer) -> None:
        gateway.take(report_revised())
        with ThreadPoolExecutor(1) as pool:
            with admin_of(postgres_server, gateway) as admin, admin.transaction():
                admin.execute("LOCK TABLE gateway.inquiry IN EXCLUSIVE MODE")
                call = pool.submit(bank.grade)
                time.sleep(0.5)
                assert not call.done()
            assert call.result(timeout=10).score == "63.12"

    def test_the_row_is_committed_before_the_look_up_begins(self, gateway: Gateway, bank: Bank, postgres_server: PostgresServer) -> None:
        """Readers of the copy are held up; the inquiry is on record all the same, seen by another connection."""
        gateway.take(report_revised())
        with ThreadPoolExecutor(1) as pool:
            with admin_of(postgres_server, gateway) as admin, admin.transaction():
                admin.execute("LOCK TABLE gateway.credit_grade IN ACCESS EXCLUSIVE MODE")
                call = pool.submit(bank.grade)
                deadline = time.monotonic() + 5
                while not (rows := admin.execute("SELECT decision FROM gateway.inquiry").fetchall()):
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                assert rows == [("PERMITTED",)]
                assert not call.done()
            assert call.result(timeout=10).score == "63.12"


class TestRepetition:
    def test_the_same_request_is_the_same_inquiry_answered_from_the_present(self, gateway: Gateway, bank: Bank) -> None:
        request_id = str(uuid.uuid4())
        gateway.take(report_revised(number=1, score="50.00"))
        first = bank.grade(request_id=request_id)
        gateway.take(report_revised(number=2, score="63.12"))
        again = bank.grade(request_id=request_id)
        assert first.inquiry_id == again.inquiry_id
        assert (first.score, again.score) == ("50.00", "63.12")
        assert len(gateway.inquiries_recorded()) == 1
        assert gateway.outcomes() == [("SERVED", None)] * 2

    def test_the_spelling_of_a_request_id_makes_no_other_request(self, gateway: Gateway, bank: Bank) -> None:
        gateway.take(report_revised())
        request_id = str(uuid.uuid4())
        assert bank.grade(request_id=request_id).inquiry_id == bank.grade(request_id=request_id.upper()).inquiry_id

    @pytest.mark.parametrize(
        "changes",
        [
            {"name": f"subjects/{DATONG}/creditGrade"},
            {"case_reference": "case 2"},
            {"purpose": pb.PERMITTED_PURPOSE_POST_LOAN_MANAGEMENT},
        ],
    )
    def test_another_request_under_the_same_id_is_refused_and_recorded(
        self, gateway: Gateway, bank: Bank, changes: dict[str, object]
    ) -> None:
        request_id = str(uuid.uuid4())
        gateway.take(report_revised())
        bank.grade(request_id=request_id)
        refused = refusal_of(lambda: bank.grade(request_id=request_id, **changes))
        assert (refused.code, refused.reason) == (grpc.StatusCode.ABORTED, "REQUEST_ID_REUSED")
        assert sorted(str(row["reason"]) for row in gateway.inquiries_recorded()) == ["None", "REQUEST_ID_REUSED"]

    def test_an_id_belongs_to_one_bank_and_one_method(self, gateway: Gateway, bank: Bank) -> None:
        request_id = str(uuid.uuid4())
        gateway.take(report_revised(code=DATONG))
        inquiries = {
            bank.grade(DATONG, request_id=request_id).inquiry_id,
            bank.report(DATONG, request_id=request_id).inquiry_id,
            gateway.bank(REGIONAL_BANK).grade(DATONG, request_id=request_id).inquiry_id,
        }
        assert len(inquiries) == 3

    def test_a_malformed_call_claims_no_id(self, gateway: Gateway, bank: Bank) -> None:
        request_id = str(uuid.uuid4())
        gateway.take(report_revised())
        assert refusal_of(lambda: bank.grade(request_id=request_id, purpose=0)).reason == "PURPOSE_MISSING"
        assert bank.grade(request_id=request_id).score == "63.12"

    def test_a_denial_is_repeated_though_the_contract_changed(self, gateway: Gateway, bank: Bank) -> None:
        request_id = str(uuid.uuid4())
        gateway.take(report_revised())
        purpose = pb.PERMITTED_PURPOSE_GUARANTEE_REVIEW
        assert refusal_of(lambda: bank.grade(request_id=request_id, purpose=purpose)).reason == "PURPOSE_NOT_PERMITTED"
        gateway.subscribers_file.write_text(SUBSCRIBERS.replace('"POST_LOAN_MANAGEMENT"', '"GUARANTEE_REVIEW"'))
        gateway.directory.reload_if_changed()
        assert refusal_of(lambda: bank.grade(request_id=request_id, purpose=purpose)).reason == "PURPOSE_NOT_PERMITTED"
        assert gateway.outcomes() == [("DENIED", "PURPOSE_NOT_PERMITTED")]
        assert bank.grade(purpose=purpose).score == "63.12"

    def test_a_permission_of_yesterday_is_no_right_today(self, gateway: Gateway, bank: Bank) -> None:
        request_id = str(uuid.uuid4())
        gateway.take(report_revised())
        bank.grade(request_id=request_id)
        gateway.subscribers_file.write_text(SUBSCRIBERS.replace('regions = ["14", "9990"]', 'regions = ["9990"]'))
        gateway.directory.reload_if_changed()
        assert refusal_of(lambda: bank.grade(request_id=request_id)).reason == "REGION_NOT_PERMITTED"
        assert gateway.outcomes() == [("SERVED", None), ("DENIED", "REGION_NOT_PERMITTED")]

    def test_concurrent_calls_with_one_id_are_one_inquiry(self, gateway: Gateway, bank: Bank) -> None:
        request_id = str(uuid.uuid4())
        gateway.take(report_revised())
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: bank.grade(request_id=request_id), range(32)))
        assert len({answer.inquiry_id for answer in answers}) == 1
        assert len(gateway.inquiries_recorded()) == 1
        assert len(gateway.outcomes()) == 32

    def test_concurrent_calls_are_each_recorded(self, gateway: Gateway, bank: Bank) -> None:
        gateway.take(report_revised())
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: bank.grade(), range(100)))
        assert {answer.inquiry_id for answer in answers} == {str(row["inquiry_id"]) for row in gateway.inquiries_recorded()}
        assert len(gateway.outcomes()) == 100


class TestFreshness:
    def test_an_answer_says_up_to_when_it_is_complete(self, gateway: Gateway, bank: Bank) -> None:
        gateway.take(report_revised())
        gateway.freshness.at = datetime.now(UTC) - timedelta(seconds=3)
        grade = bank.grade()
        assert grade.fresh_as_of_time.ToDatetime(tzinfo=UTC) == gateway.freshness.at
        assert not grade.stale
        assert not bank.report().stale

    def test_an_answer_that_may_lag_says_so(self, gateway: Gateway, bank: Bank) -> None:
        gateway.take(report_revised())
        gateway.freshness.at = datetime.now(UTC) - timedelta(seconds=16)
        assert bank.grade().stale
        assert bank.report().stale

    def test_an_answer_of_unknown_freshness_is_stale(self, gateway: Gateway, bank: Bank) -> None:
        gateway.take(report_revised())
        gateway.freshness.at = None
        grade = bank.grade()
        assert grade.stale
        assert not grade.HasField("fresh_as_of_time")

    def test_unknown_is_told_together_with_the_age_of_the_copy(self, gateway: Gateway, bank: Bank) -> None:
        """A bank must be able to tell "there is none" from "we have not heard of one yet"."""
        gateway.take(report_revised())
        for age, stale in ((3, "false"), (16, "true")):
            gateway.freshness.at = datetime.now(UTC) - timedelta(seconds=age)
            for refused in (refusal_of(lambda: bank.grade(OUTSIDE)), refusal_of(lambda: bank.report(number=9))):
                assert refused.reason in ("SUBJECT_UNKNOWN", "REVISION_UNKNOWN")
                assert refused.metadata["stale"] == stale
                assert refused.metadata["fresh_as_of_time"].endswith("Z")
                assert datetime.fromisoformat(refused.metadata["fresh_as_of_time"]) == gateway.freshness.at

    def test_unknown_told_by_a_gateway_that_has_just_begun_is_stale(self, gateway: Gateway, bank: Bank) -> None:
        gateway.freshness.at = None
        refused = refusal_of(bank.grade)
        assert (refused.reason, refused.metadata["stale"]) == ("SUBJECT_UNKNOWN", "true")
        assert "fresh_as_of_time" not in refused.metadata

    def test_a_denial_tells_nothing_of_the_copy(self, gateway: Gateway, bank: Bank) -> None:
        assert refusal_of(lambda: bank.grade(BEIJING)).metadata.keys() == {"inquiry_id"}


class TestSpeed:
    def test_answers_in_milliseconds(self, gateway: Gateway, bank: Bank) -> None:
        """Durable record, look-up and TLS together; generous, for a shared machine."""
        gateway.take(report_revised())
        for _ in range(20):
            bank.grade()
        taken = []
        for _ in range(100):
            started = time.perf_counter()
            bank.grade()
            taken.append(time.perf_counter() - started)
        median = sorted(taken)[50]
        print(f"median {median * 1000:.1f} ms, p95 {sorted(taken)[95] * 1000:.1f} ms")
        assert median < 0.05


def admin_of(server: PostgresServer, gateway: Gateway) -> psycopg.Connection:
    return server.connect_as_admin(database=gateway.url.rpartition("/")[2])


def test_the_content_hash_of_the_example_is_that_of_its_payload() -> None:
    message = report_revised()
    assert message.content_sha256 == hashlib.sha256(b'{"number": 1, "score": "63.12"}').hexdigest()

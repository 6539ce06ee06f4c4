"""Calls of enterprises, reviewers and the supervisor over real TLS: tokens, rights, the record before the answer, pages."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import psycopg
import pytest
from carbonbureau.bureau.v1 import inquiry_service_pb2 as pb
from carbonbureau.bureau.v1 import inquiry_service_pb2_grpc as pb_grpc
from carbonbureau.bureau.v1 import subject_service_pb2 as subject_pb
from carbonbureau.bureau.v1 import subject_service_pb2_grpc as subject_pb_grpc
from carbonbureau.common.v1 import grade_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from deploy.local import certificates
from deploy.local.postgres import PostgresServer
from services.gateway import export
from tests.integration.gateway.conftest import Bank, Gateway, Refusal, refusal_of
from tests.unit.gateway.examples import CHANGZHI, DATONG, report_revised
from tests.unit.gateway.identity_provider import new_key

SUBJECT_SERVICE, INQUIRY_SERVICE = "carbonbureau.bureau.v1.SubjectService", "carbonbureau.bureau.v1.InquiryService"


class Person:
    """Somebody at the portal: a channel without a client certificate, a token with every call."""

    def __init__(self, gateway: Gateway) -> None:
        self.provider = gateway.provider
        ca = certificates.authority_file(gateway.state).read_bytes()
        self.channel = grpc.secure_channel(f"127.0.0.1:{gateway.portal_server.port}", grpc.ssl_channel_credentials(ca))
        self.stub = subject_pb_grpc.SubjectServiceStub(self.channel)

    def list(
        self, code: str = CHANGZHI, *, token: str | None = None, metadata: list[tuple[str, str]] | None = None, **changes: Any
    ) -> subject_pb.ListReportRevisionsResponse:
        if metadata is None:
            metadata = [("authorization", f"Bearer {token or self.provider.token()}")]
        request = subject_pb.ListReportRevisionsRequest(**({"parent": f"subjects/{code}"} | changes))
        return self.stub.ListReportRevisions(request, metadata=metadata, timeout=20)

    def refused(self, code: str = CHANGZHI, **changes: Any) -> Refusal:
        return refusal_of(lambda: self.list(code, **changes))


@pytest.fixture
def person(gateway: Gateway) -> Iterator[Person]:
    made = Person(gateway)
    yield made
    made.channel.close()


class TestListReportRevisions:
    def test_lists_the_newest_first_with_their_grades(self, gateway: Gateway, person: Person) -> None:
        gateway.take(report_revised(number=1, rated=False), report_revised(number=2))
        listed = person.list()
        assert [one.revision_number for one in listed.report_revisions] == [2, 1]
        newest, first = listed.report_revisions
        assert (newest.rating_state, newest.final_grade) == (pb.RATING_STATE_RATED, grade_pb2.GRADE_BBB)
        assert (first.rating_state, first.final_grade) == (pb.RATING_STATE_NOT_RATED, grade_pb2.GRADE_UNSPECIFIED)
        assert newest.name == f"subjects/{CHANGZHI}/creditReport/revisions/2"
        assert newest.content_sha256 == report_revised(number=2).content_sha256
        assert newest.issued_time == report_revised(number=2).issued_time
        assert newest.key_id == "kid"
        assert listed.next_page_token == ""
        assert not listed.stale
        assert listed.fresh_as_of_time.ToDatetime(tzinfo=UTC) == gateway.freshness.at

    def test_pages_neither_repeat_nor_hide_a_revision_though_one_is_issued_meanwhile(self, gateway: Gateway, person: Person) -> None:
        gateway.take(*(report_revised(number=number) for number in range(1, 8)))
        seen, page_token = [], ""
        for _ in range(3):
            listed = person.list(page_size=3, page_token=page_token)
            seen.append([one.revision_number for one in listed.report_revisions])
            gateway.take(report_revised(number=7 + len(seen)))
            page_token = listed.next_page_token
        assert seen == [[7, 6, 5], [4, 3, 2], [1]]
        assert page_token == ""

    def test_a_page_token_of_another_list_is_refused(self, gateway: Gateway, person: Person) -> None:
        other = uuid.uuid4()
        gateway.take(*(report_revised(number=number) for number in (1, 2)))
        gateway.take(*(report_revised(number=number, code=DATONG, subject_id=other) for number in (1, 2)))
        reviewer = person.provider.token(role="reviewer")
        page_token = person.list(token=reviewer, page_size=1).next_page_token
        refused = person.refused(DATONG, token=reviewer, page_size=1, page_token=page_token)
        assert (refused.code, refused.reason, refused.metadata["field"]) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "PAGE_MALFORMED",
            "page_token",
        )

    def test_an_unknown_subject_is_told_with_the_age_of_the_copy(self, gateway: Gateway, person: Person) -> None:
        gateway.freshness.at = datetime.now(UTC) - timedelta(seconds=16)
        refused = person.refused()
        assert (refused.code, refused.reason, refused.metadata["stale"]) == (grpc.StatusCode.NOT_FOUND, "SUBJECT_UNKNOWN", "true")
        assert [row["outcome"] for row in gateway.portal_inquiries()] == ["SUBJECT_UNKNOWN"]

    @pytest.mark.parametrize("parent", ["", "subjects/x", f"subjects/{CHANGZHI}/creditGrade", "subjects/\x00"])
    def test_a_malformed_parent_is_refused_and_recorded(self, gateway: Gateway, person: Person, parent: str) -> None:
        refused = person.refused(parent=parent)
        assert (refused.code, refused.reason, refused.metadata["field"]) == (grpc.StatusCode.INVALID_ARGUMENT, "NAME_MALFORMED", "parent")
        assert [row["outcome"] for row in gateway.portal_inquiries()] == ["NAME_MALFORMED"]


class TestTokens:
    """Who has no good token learns nothing, and is counted, not recorded: there is nobody to name."""

    @pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
    def test_a_good_one_opens(self, gateway: Gateway, person: Person, algorithm: str) -> None:
        gateway.take(report_revised())
        assert len(person.list(token=person.provider.token(algorithm)).report_revisions) == 1

    @pytest.mark.parametrize(
        "values", [[], ["Basic Y2xlcms6"], ["Bearer"], ["Bearer-token x"], ["Bearer good", "Bearer good"], ["Bearer good", "Bearer bad"]]
    )
    def test_none_or_more_than_one_is_missing(self, gateway: Gateway, person: Person, values: list[str]) -> None:
        values = [value.replace("good", person.provider.token()) for value in values]
        refused = person.refused(metadata=[("authorization", value) for value in values])
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")

    def test_an_expired_one(self, gateway: Gateway, person: Person) -> None:
        now = int(time.time())
        refused = person.refused(token=person.provider.token(iat=now - 700, nbf=now - 700, exp=now - 31))
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED")
        assert gateway.portal_inquiries() == []

    @pytest.mark.parametrize(
        ("changes", "part"),
        [
            ({"aud": "another-service"}, "aud"),
            ({"iss": "https://attacker.example"}, "iss"),
            ({"nbf": int(time.time()) + 3600}, "nbf"),
            ({"iat": int(time.time()) + 3600}, "iat"),
            ({"exp": int(time.time()) + 3600 * 24}, "exp"),
            ({"role": "bank"}, "role"),
            ({"subject_code": "x"}, "subject_code"),
            ({"without": "sub"}, "sub"),
            ({"without": "exp"}, "exp"),
        ],
    )
    def test_one_whose_claims_are_not_for_us(self, gateway: Gateway, person: Person, changes: dict[str, Any], part: str) -> None:
        gateway.take(report_revised())
        refused = person.refused(token=person.provider.token(**changes))
        assert (refused.code, refused.reason, refused.metadata) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID", {"part": part})
        assert gateway.portal_inquiries() == []

    def test_one_that_nobody_signed_or_that_the_public_key_signed(self, gateway: Gateway, person: Person) -> None:
        provider = person.provider
        stranger = provider.token(key=new_key(), header={"kid": provider.keys["EdDSA"].thumbprint()})
        for token, part in (
            (provider.unsigned(role="supervisor"), "alg"),
            (provider.signed_with_the_public_key("RS256"), "alg"),
            (provider.signed_with_the_public_key("EdDSA"), "alg"),
            (stranger, "signature"),
        ):
            refused = person.refused(token=token)
            assert (refused.reason, refused.metadata["part"]) == ("TOKEN_INVALID", part)

    def test_one_of_a_key_that_the_provider_has_let_go(self, gateway: Gateway, person: Person) -> None:
        gateway.take(report_revised())
        old, key = person.provider.token(), new_key()
        new = person.provider.token(key=key)
        assert len(person.list(token=old).report_revisions) == 1
        assert person.refused(token=new).metadata["part"] == "kid"
        person.provider.publish(key)
        assert gateway.token_keys.reload_if_changed()
        assert len(person.list(token=new).report_revisions) == 1
        assert person.refused(token=old).metadata["part"] == "kid"


class TestRights:
    def test_an_enterprise_sees_its_own_code_only_whether_or_not_the_other_is_known(self, gateway: Gateway, person: Person) -> None:
        known = person.provider.token(subject_code=DATONG)
        gateway.take(report_revised())
        for code in (CHANGZHI, "91110000MYUFGBB18C"):
            refused = person.refused(code, token=known)
            assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SUBJECT_NOT_PERMITTED")
            assert refused.metadata.keys() == {"inquiry_id"}
        assert {row["outcome"] for row in gateway.portal_inquiries()} == {"SUBJECT_NOT_PERMITTED"}

    @pytest.mark.parametrize("role", ["reviewer", "supervisor"])
    def test_the_bureau_s_people_see_any(self, gateway: Gateway, person: Person, role: str) -> None:
        gateway.take(report_revised(), report_revised(code=DATONG, subject_id=uuid.uuid4()))
        token = person.provider.token(role=role)
        assert [len(person.list(code, token=token).report_revisions) for code in (CHANGZHI, DATONG)] == [1, 1]

    def test_a_bank_s_certificate_opens_nothing_here_and_a_token_nothing_there(self, gateway: Gateway, person: Person, bank: Bank) -> None:
        """Each service stands on its own listener only."""
        with pytest.raises(grpc.RpcError) as raised:
            subject_pb_grpc.SubjectServiceStub(bank.channel).ListReportRevisions(
                subject_pb.ListReportRevisionsRequest(parent=f"subjects/{CHANGZHI}"),
                metadata=[("authorization", f"Bearer {person.provider.token()}")],
                timeout=10,
            )
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(grpc.RpcError) as raised:
            pb_grpc.InquiryServiceStub(person.channel).GetCreditGrade(pb.GetCreditGradeRequest(), timeout=10)
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED

    def test_a_bank_with_its_certificate_is_nobody_here(self, gateway: Gateway) -> None:
        pair = certificates.subscriber(gateway.state, "bank-one")
        credentials = grpc.ssl_channel_credentials(
            certificates.authority_file(gateway.state).read_bytes(), pair.key_file.read_bytes(), pair.certificate_file.read_bytes()
        )
        with grpc.secure_channel(f"127.0.0.1:{gateway.portal_server.port}", credentials) as channel:
            stub = subject_pb_grpc.SubjectServiceStub(channel)
            call = subject_pb.ListReportRevisionsRequest(parent=f"subjects/{CHANGZHI}")
            assert refusal_of(lambda: stub.ListReportRevisions(call, timeout=10)).reason == "TOKEN_MISSING"


class TestRecord:
    """征信业管理条例 Art. 22: what cannot be recorded is not served."""

    def test_says_who_was_told_what(self, gateway: Gateway, person: Person) -> None:
        gateway.take(*(report_revised(number=number) for number in (1, 2, 3)))
        listed = person.list(page_size=2)
        (row,) = gateway.portal_inquiries()
        assert str(row["inquiry_id"]) == listed.inquiry_id
        assert (row["caller"], row["role"], row["caller_subject_code"], row["token_id"]) == ("clerk 7", "enterprise", CHANGZHI, "token-1")
        assert (row["method"], row["parent"], row["subject_code"]) == ("ListReportRevisions", f"subjects/{CHANGZHI}", CHANGZHI)
        assert (row["outcome"], row["revision_numbers"]) == ("SERVED", [3, 2])
        assert row["peer"].startswith("ipv4:127.0.0.1:")

    def test_nothing_leaves_when_the_row_cannot_be_written(self, gateway: Gateway, person: Person, postgres_server: PostgresServer) -> None:
        gateway.take(report_revised())
        with admin_of(postgres_server, gateway) as admin:
            admin.execute("ALTER TABLE gateway.portal_inquiry ADD CONSTRAINT refuses CHECK (false) NOT VALID")
            for code in (CHANGZHI, DATONG):
                refused = person.refused(code)
                assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "INQUIRY_NOT_RECORDED")
            admin.execute("ALTER TABLE gateway.portal_inquiry DROP CONSTRAINT refuses")
        assert gateway.portal_inquiries() == []
        assert len(person.list().report_revisions) == 1

    def test_nothing_leaves_while_the_row_waits_for_a_lock(self, gateway: Gateway, person: Person, postgres_server: PostgresServer) -> None:
        gateway.take(report_revised())
        with ThreadPoolExecutor(1) as pool:
            with admin_of(postgres_server, gateway) as admin, admin.transaction():
                admin.execute("LOCK TABLE gateway.portal_inquiry IN EXCLUSIVE MODE")
                call = pool.submit(person.list)
                time.sleep(0.5)
                assert not call.done()
            assert len(call.result(timeout=10).report_revisions) == 1

    def test_a_flood_takes_two_connections_of_the_database_and_leaves_the_others_to_the_banks(
        self, gateway: Gateway, person: Person, postgres_server: PostgresServer
    ) -> None:
        gateway.take(report_revised())
        with ThreadPoolExecutor(6) as pool:
            with admin_of(postgres_server, gateway) as admin, admin.transaction():
                admin.execute("LOCK TABLE gateway.portal_inquiry IN EXCLUSIVE MODE")
                calls = [pool.submit(person.list) for _ in range(6)]
                time.sleep(0.7)
                waiting = admin.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
                ).fetchone()
                assert waiting == (2,)
            assert all(len(call.result(timeout=10).report_revisions) == 1 for call in calls)

    def test_the_database_itself_keeps_an_enterprise_from_what_is_another_s(self, gateway: Gateway, person: Person) -> None:
        person.refused()
        row = gateway.portal_inquiries()[0] | {"inquiry_id": uuid.uuid4(), "outcome": "SERVED", "subject_code": DATONG}
        names = list(row)
        statement = f"INSERT INTO portal_inquiry ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"
        with pytest.raises(IntegrityError), gateway.database.transaction("test.forbidden") as transaction:
            transaction.execute(text(statement), row)

    def test_is_exported_for_the_supervisor(self, gateway: Gateway, person: Person) -> None:
        gateway.take(report_revised())
        person.list()
        person.refused(DATONG)
        until = datetime.now(UTC) + timedelta(seconds=1)
        exported = list(export.lines(gateway.database, since=datetime(2026, 1, 1, tzinfo=UTC), until=until, portal=True))
        assert ["SERVED" in exported[0], "SUBJECT_NOT_PERMITTED" in exported[1], len(exported)] == [True, True, 2]
        assert list(export.lines(gateway.database, since=datetime(2026, 1, 1, tzinfo=UTC), until=until)) == []


class TestListener:
    def test_says_its_health_and_its_contract_without_a_token(self, person: Person) -> None:
        health = health_pb2_grpc.HealthStub(person.channel)
        assert (
            health.Check(health_pb2.HealthCheckRequest(service=SUBJECT_SERVICE), timeout=10).status
            == health_pb2.HealthCheckResponse.SERVING
        )
        reflection = reflection_pb2_grpc.ServerReflectionStub(person.channel)
        (answer,) = reflection.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=10)
        names = {service.name for service in answer.list_services_response.service}
        assert SUBJECT_SERVICE in names
        assert INQUIRY_SERVICE not in names


def admin_of(server: PostgresServer, gateway: Gateway) -> psycopg.Connection:
    return server.connect_as_admin(database=gateway.url.rpartition("/")[2])

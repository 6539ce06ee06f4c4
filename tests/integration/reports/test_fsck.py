"""fsck finds what was done to the tables behind the service's back."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from deploy.local.postgres import PostgresServer
from services.reports import fsck, published_keys
from services.reports.fsck import Findings
from tests.integration.reports.conftest import Reports
from tests.unit.reports.examples import assessment_made


def check(reports: Reports) -> Findings:
    return fsck.check(reports.database, published_keys.read(reports.keys.published_file))


@pytest.fixture
def chain(reports: Reports) -> Reports:
    """Two issued revisions, one prepared."""
    for number in range(1, 4):
        reports.take(assessment_made(number=number, score=f"{number}.00"))
    reports.issuance().step()
    reports.issuance().step()
    assert [one["state"] for one in reports.revisions()] == ["ISSUED", "ISSUED", "PREPARED"]
    return reports


@pytest.fixture
def intruder(reports: Reports, postgres_server: PostgresServer) -> Iterator[psycopg.Connection]:
    """Someone with the administrator's rights, who switches the guard off."""
    database = reports.url.rpartition("/")[2]
    with postgres_server.connect_as_admin(database=database) as connection:
        connection.execute("SET search_path = reports")
        connection.execute("SET session_replication_role = replica")
        yield connection


class TestFsck:
    def test_finds_nothing_wrong_with_what_the_service_made(self, chain: Reports) -> None:
        findings = check(chain)
        assert (findings.subjects, findings.revisions, findings.signatures, findings.faults) == (1, 3, 2, [])

    def test_walks_more_than_a_page(self, reports: Reports) -> None:
        reports.take(*(assessment_made(subject_id=UUID(int=number, version=4)) for number in range(450)))
        findings = check(reports)
        assert (findings.subjects, findings.revisions, findings.faults) == (450, 450, [])

    def test_finds_an_empty_database_in_order(self, reports: Reports) -> None:
        assert check(reports).faults == []

    @pytest.mark.parametrize(
        ("tampering", "fault"),
        [
            ("UPDATE report_revision SET content = overlay(content placing 'AAA' from 200) WHERE revision_number = 1", "SHA-256"),
            ("UPDATE report_revision SET content_sha256 = repeat('0', 64) WHERE revision_number = 2", "SHA-256"),
            ("UPDATE report_revision SET predecessor_sha256 = repeat('0', 64) WHERE revision_number = 2", "predecessor"),
            ("UPDATE report_revision SET signed_report = overlay(signed_report placing 'A' from 200) WHERE revision_number = 1",
             "signature"),
            ("UPDATE report_revision SET signed_report = (SELECT signed_report FROM report_revision WHERE revision_number = 2) "
             "WHERE revision_number = 1", "other bytes were signed"),
            ("UPDATE report_revision SET key_id = 'another' WHERE revision_number = 1", "signed under key"),
            ("UPDATE report_revision SET subject_code = '91140200HLX7UKBK9D' WHERE revision_number = 1", "subject code"),
            ("UPDATE report_revision SET assessment_id = gen_random_uuid() WHERE revision_number = 1", "assessment"),
            ("UPDATE report_revision SET composed_at = composed_at + interval '1 microsecond' WHERE revision_number = 1", "composed time"),
            ("UPDATE report_revision SET content = 'not json' WHERE revision_number = 3", "cannot be read"),
            ("UPDATE report_revision SET state = 'WAITING' WHERE revision_number = 3; UPDATE report_revision SET state = 'PREPARED', "
             "signed_report = NULL, key_id = NULL, issued_at = NULL WHERE revision_number = 1", "not in order"),
            ("DELETE FROM report_revision WHERE revision_number = 1", "stands where revision 1 should"),
            ("DELETE FROM report_revision WHERE revision_number = 2", "stands where revision 2 should"),
            ("DELETE FROM report_revision WHERE revision_number = 3", "names revision 3"),
            ("DELETE FROM report_revision", "none is stored"),
            ("UPDATE subject SET issued_number = 1", "revisions are issued"),
            ("UPDATE subject SET newest_content_sha256 = repeat('0', 64)", "as its newest"),
        ],
    )  # fmt: skip
    def test_finds_a_row_that_was_tampered_with(self, chain: Reports, intruder: psycopg.Connection, tampering: str, fault: str) -> None:
        intruder.execute(tampering.encode())
        assert any(fault in one.what for one in check(chain).faults), check(chain).faults

    def test_finds_a_key_that_was_never_published(self, chain: Reports) -> None:
        faults = fsck.check(chain.database, {}).faults
        assert any("published keys" in one.what for one in faults)

    def test_cannot_alter_anything(self, chain: Reports) -> None:
        before = chain.revisions()
        check(chain)
        assert chain.revisions() == before

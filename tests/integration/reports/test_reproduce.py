"""`reproduce` makes the same bytes again from what each revision is pinned to, and names the row where it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from deploy.local.environment import environment
from deploy.local.kafka import KafkaBroker
from deploy.local.postgres import PostgresServer
from deploy.local.state import open_state
from services.reports.__main__ import main
from services.reports.reproduce import Reproduction, reproduce
from tests.integration.reports.conftest import Reports
from tests.unit.reports.examples import SUBJECT_CODE, SUBJECT_ID, assessment_made, largest_assessment_made

OTHER_ID = UUID("11111111-1111-4111-8111-111111111111")
OTHER_CODE = "91140200HLX7UKBK9D"


@pytest.fixture
def chain(reports: Reports) -> Reports:
    """Two issued revisions, one prepared and one waiting, one of them without a grade."""
    for number in range(1, 5):
        reports.take(assessment_made(number=number, score=f"{number}.00", rated=number != 2))
    reports.issuance().step()
    reports.issuance().step()
    assert [one["state"] for one in reports.revisions()] == ["ISSUED", "ISSUED", "PREPARED", "WAITING"]
    return reports


@pytest.fixture
def intruder(reports: Reports, postgres_server: PostgresServer) -> Iterator[psycopg.Connection]:
    """Someone with the administrator's rights, who switches the guard off."""
    with postgres_server.connect_as_admin(database=reports.url.rpartition("/")[2]) as connection:
        connection.execute("SET search_path = reports")
        connection.execute("SET session_replication_role = replica")
        yield connection


def differences(reports: Reports) -> dict[int, str]:
    return {one.number: one.difference for one in reproduce(reports.database) if one.difference is not None}


class TestReproduce:
    def test_makes_every_revision_again_byte_for_byte_whatever_its_state(self, chain: Reports) -> None:
        assert list(reproduce(chain.database)) == [
            Reproduction(subject_id=SUBJECT_ID, number=number, difference=None) for number in range(1, 5)
        ]

    def test_makes_the_largest_report_again(self, reports: Reports) -> None:
        reports.take(largest_assessment_made())
        assert [one.difference for one in reproduce(reports.database)] == [None]

    def test_walks_more_than_a_page_once(self, reports: Reports) -> None:
        reports.take(*(assessment_made(subject_id=UUID(int=number, version=4)) for number in range(250)))
        found = [one.subject_id for one in reproduce(reports.database)]
        assert found == sorted(found)
        assert len(set(found)) == len(found) == 250

    @pytest.mark.parametrize(
        ("tampering", "number", "difference"),
        [
            ("content = overlay(content placing 'X' from 200) WHERE revision_number = 1", 1, "differs from byte 199"),
            ("content = content || ' ' WHERE revision_number = 2", 2, "differs from byte"),
            ("content = 'not json' WHERE revision_number = 3", 3, "cannot be composed again: JSONDecodeError"),
            ("content = '[]' WHERE revision_number = 3", 3, "cannot be composed again: TypeError"),
            ("content = replace(encode(content, 'escape'), 'carbonbureau.report/1', 'carbonbureau.report/9')::bytea "
             "WHERE revision_number = 1", 1, "has no composer here"),
            # The claims that reproduce takes from the content: whose hash tells.
            ("content = replace(encode(content, 'escape'), '\"name\":\"Bureau\"', '\"name\":\"Rating\"')::bytea "
             "WHERE revision_number = 1", 1, "the column says"),
            ("assessment_made = (SELECT assessment_made FROM report_revision WHERE revision_number = 4) WHERE revision_number = 3", 3,
             "differs from byte"),
            ("fingerprint = repeat('0', 64) WHERE revision_number = 2", 2, "fingerprint"),
            ("assessment_made = 'x' WHERE revision_number = 3", 3, "cannot be composed again"),
            ("composed_at = composed_at + interval '1 microsecond' WHERE revision_number = 4", 4, "composed_time"),
            ("predecessor_sha256 = repeat('0', 64) WHERE revision_number = 2", 2, "0000"),
        ],
    )  # fmt: skip
    def test_names_the_one_row_that_was_altered(
        self, chain: Reports, intruder: psycopg.Connection, tampering: str, number: int, difference: str
    ) -> None:
        assert intruder.execute(f"UPDATE report_revision SET {tampering}".encode()).rowcount == 1
        found = differences(chain)
        assert list(found) == [number]
        assert difference in found[number]

    def test_alters_nothing(self, chain: Reports) -> None:
        before = chain.revisions()
        differences(chain)
        assert chain.revisions() == before


class TestCommand:
    @pytest.fixture(autouse=True)
    def settings(self, reports: Reports, kafka_broker: KafkaBroker, servers_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in environment("reports", open_state(servers_dir)).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("CARBONBUREAU_REPORTS_POSTGRES_URL", reports.url)

    def test_ends_with_0_and_a_count(self, chain: Reports, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["reproduce"]) == 0
        shown = capsys.readouterr()
        assert json.loads(shown.out) == {"service": "reports", "revisions": 4, "different": 0}
        assert shown.err == ""

    def test_ends_with_1_and_a_line_for_each_difference(
        self, chain: Reports, intruder: psycopg.Connection, capsys: pytest.CaptureFixture[str]
    ) -> None:
        intruder.execute("UPDATE report_revision SET content = overlay(content placing 'X' from 200) WHERE revision_number IN (2, 3)")
        assert main(["reproduce"]) == 1
        shown = capsys.readouterr()
        assert json.loads(shown.out)["different"] == 2
        lines = [line.partition(":")[0] for line in shown.err.splitlines()]
        assert lines == [f"DIFFERENT subject {SUBJECT_ID} revision {number}" for number in (2, 3)]

    @pytest.mark.parametrize(
        ("arguments", "revisions"),
        [
            (["--subject", SUBJECT_CODE], 4),
            (["--subject", OTHER_CODE], 1),
            (["--revision", "1"], 2),
            (["--subject", SUBJECT_CODE, "--revision", "3"], 1),
        ],
    )
    def test_takes_one_subject_or_revision(
        self, chain: Reports, capsys: pytest.CaptureFixture[str], arguments: list[str], revisions: int
    ) -> None:
        chain.take(assessment_made(subject_id=OTHER_ID, subject_code=OTHER_CODE))
        assert main(["reproduce", *arguments]) == 0
        assert json.loads(capsys.readouterr().out)["revisions"] == revisions

    def test_ends_with_1_when_there_is_no_such_revision(self, chain: Reports, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["reproduce", "--subject", OTHER_CODE]) == 1
        assert "no such revision" in capsys.readouterr().err

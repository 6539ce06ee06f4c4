"""The event of any report that can be composed fits what an event may weigh, and its size is known before it is signed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.reports import signing, wire
from services.reports.domain import report
from services.reports.domain.report import Issuer, KeyProfile, compose
from services.reports.domain.revision import IssuedRevision, Place, Predecessor
from services.reports.signing import Signer
from tests.unit.reports.examples import COMPOSED_AT, assessment_made, largest_assessment_made

NUMBER = 2**53 - 1
PLACE = Place(number=NUMBER, predecessor=Predecessor(number=NUMBER - 1, content_sha256="f" * 64))


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    files = {"key_file": tmp_path / "key.pem", "published_file": tmp_path / "keys.json"}
    signing.create(**files, sandbox=True, now=COMPOSED_AT)
    return signing.load(**files, production=False)


def composed(value: bytes) -> tuple[report.JsonObject, bytes]:
    made = compose(
        assessed=wire.assessed_subject(value),
        place=PLACE,
        issuer=Issuer(name="碳信用评级机构" * 20, province="inner-mongolia"),
        key_profile=KeyProfile.PRODUCTION,
        composed_at=COMPOSED_AT,
    )
    return made, wire.canonical(made)


class TestTheLargestReport:
    def test_gives_an_event_below_the_limit(self, signer: Signer) -> None:
        value = largest_assessment_made().SerializeToString()
        _, content = composed(value)
        assessed = wire.assessed_subject(value)
        issued = IssuedRevision(
            subject_id=assessed.subject_id,
            subject_code=assessed.account.subject_code,
            number=NUMBER,
            content_sha256=wire.content_sha256(content),
            signed_report=signer.sign(content),
            key_id=signer.key_id,
            issued_at=datetime(2026, 11, 21, 15, 59, 59, 999999, tzinfo=UTC),
        )
        event = wire.report_revised(issued, assessment_made=value, province="inner-mongolia")
        assert 200 * 1024 < len(event.value) <= wire.EVENT_BYTES_MAX
        assert wire.event_bytes(issued, assessment_made=value, province="inner-mongolia") == len(event.value)

    def test_shows_the_gravest_findings_and_counts_all(self) -> None:
        message = assessment_made()
        finding = message.account.findings[0]
        ranks = ["NOTICE"] * 100 + ["SEVERE"] * 30 + ["WARNING"] * 50 + ["NOTICE"] * 100
        message.account.ClearField("findings")
        for number, severity in enumerate(ranks):
            finding.severity, finding.message = severity, str(number)
            message.account.findings.append(finding)
        made, _ = composed(message.SerializeToString())
        shown = [int(one["message"]) for one in made["account"]["findings"]]  # type: ignore[index, call-overload, union-attr]
        # All 30 severe ones and the newest 34 of the warnings, in the order in which they came.
        assert shown == [*range(100, 130), *range(146, 180)]
        assert made["data_quality"]["open_findings_by_severity"] == {  # type: ignore[index, call-overload]
            "NOTICE": 200,
            "WARNING": 50,
            "SEVERE": 30,
        }

    def test_shows_the_newest_windows_and_counts_all(self) -> None:
        message = assessment_made()
        figures = message.account.annual_figures[0]
        message.account.ClearField("annual_figures")
        for number in range(45):
            figures.output_amount = str(number)
            message.account.annual_figures.append(figures)
        made, _ = composed(message.SerializeToString())
        shown = made["account"]["annual_figures"]  # type: ignore[index, call-overload]
        assert [int(one["output_amount"]) for one in shown] == list(range(5, 45))  # type: ignore[union-attr, index, call-overload, arg-type]
        assert made["data_quality"]["windows"] == 45  # type: ignore[index, call-overload]

    @pytest.mark.parametrize(("length", "shown"), [(250, 250 * "x"), (251, 249 * "x" + "…")])
    def test_cuts_a_long_message_and_shows_that_it_did(self, length: int, shown: str) -> None:
        message = assessment_made()
        message.account.findings[0].message = length * "x"
        made, _ = composed(message.SerializeToString())
        assert made["account"]["findings"][0]["message"] == shown  # type: ignore[index, call-overload]


class TestSignedBytes:
    @pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 1_000, 200_001])
    def test_are_known_before_signing(self, signer: Signer, length: int) -> None:
        assert len(signer.sign(bytes(length))) == signing.signed_bytes(length)

    def test_do_not_depend_on_the_key(self, signer: Signer) -> None:
        assert len(signer.key_id) == signing.KEY_ID_CHARACTERS
        assert len(replace(signer.published, raw=bytes(32)).key_id) == signing.KEY_ID_CHARACTERS

"""What the services write about what they are sent: never a whole subject code, a figure, a record's content or a secret."""

from __future__ import annotations

import json
import re
import time
import uuid
from datetime import date

import pytest
from carbonbureau.intake.v1 import submission_pb2

from services.sandbox.bank import BankRefused
from services.sandbox.domain.subject_codes import with_bad_check_character
from tests import agency
from tests.agency import Agency
from tests.stack import SERVICES, Stack

MONTH = date(2024, 3, 1)
# Nothing of ours looks like these, so that finding one means that it came from a record.
WORD = "KANARIENVOGEL"
FIGURE = "73105829146"
# GB 32100-2015 in full: registration authority, category, region, organisation, check character. A word of its own: eighteen digits in a
# row within a hash, a trace id or a fraction are none.
WHOLE_SUBJECT_CODE = re.compile(r"(?<![0-9A-Za-z.])[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}(?![0-9A-Za-z])")


@pytest.fixture(scope="module")
def subject_code(bureau: Stack) -> str:
    """Have good and hostile submissions handled, some while the database throws its clients out, and a bank ask about them."""
    code = agency.new_subject_code()
    with Agency(bureau, "ndrc-sx") as registry, Agency(bureau, "ent-sx") as enterprise:
        registry.send("registry", agency.registry_entry(code, name=f"{WORD}发电有限公司"))
        for month in agency.months(date(2024, 1, 1), 12):
            enterprise.send("production", agency.output(code, month, mwh=f"{FIGURE}.5", number=WORD))
            enterprise.send("emissions", agency.emissions(code, month, scope1=f"{FIGURE}.25", number=WORD))
        _send_hostile(enterprise, code)
        bureau.wait_settled()
        throw_clients_out(bureau)
        enterprise.send("emissions", agency.emissions(code, MONTH, scope1=f"{FIGURE}.75", number=WORD, revision=2))
        bureau.wait_settled()
    _ask(bureau, code)
    return code


def _send_hostile(enterprise: Agency, code: str) -> None:
    def altered(**fields: object) -> submission_pb2.Submission:
        submission = agency.emissions(code, MONTH, scope1=f"{FIGURE}.1", number=f"{WORD}-{time.monotonic_ns()}")
        submission.MergeFrom(submission_pb2.Submission(**fields))  # type: ignore[arg-type]
        return submission

    sound = altered()
    topic, value = enterprise.topic("emissions"), sound.SerializeToString()
    for bad in (
        altered(reported_emissions={"scope1_tco2e": f"{FIGURE}e308"}),
        altered(reported_emissions={"scope1_tco2e": f"-{FIGURE}"}),
        altered(period={"time_zone": f"Mars/{WORD}"}),
        altered(period={"start_date": WORD}),
        altered(record_number=WORD * 1000),
        altered(subject_code=with_bad_check_character(code)),
    ):
        enterprise.send("emissions", bad)
    enterprise.send("production", sound)
    enterprise.send_bytes(topic, agency.new_subject_code().encode(), value)
    enterprise.send_bytes(topic, code.encode(), value[:-3])
    enterprise.send_bytes(topic, code.encode(), WORD.encode())
    enterprise.send_bytes(topic, code.encode(), b"\x0a\x0d" + WORD.encode())
    for text in (f'{{"{WORD}', f'{{"{WORD}": "{FIGURE}"}}', f'{{"recordRevision": "{WORD}", "subjectCode": "{code}"}}'):
        enterprise.send_bytes(topic, code.encode(), text.encode(), headers=[("content-type", b"application/json")])
    enterprise.send_bytes(topic, code.encode(), value, headers=[(WORD, WORD.encode()), ("traceparent", WORD.encode()), ("ce_id", b"\xff")])


def throw_clients_out(bureau: Stack) -> None:
    """End every connection of the services to the database, as its restart would: their loops log what befell them."""
    with bureau.postgres.connect_as_admin() as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY(%s)", [list(SERVICES)])


def _ask(bureau: Stack, code: str) -> None:
    request_id = uuid.uuid4()
    with bureau.bank() as bank:
        bank.grade(code, request_id=request_id, case_reference=WORD)
        bank.report(code, case_reference=WORD)
        for asked, options in (
            (agency.new_subject_code(), {}),
            (agency.new_subject_code(region="310000"), {}),
            (with_bad_check_character(code), {}),
            (WORD, {}),
            (f"{code}/{WORD}", {}),
            (agency.new_subject_code(), {"request_id": request_id}),
            (code, {"request_id": WORD}),
        ):
            with pytest.raises(BankRefused):
                bank.grade(asked, **options)  # type: ignore[arg-type]


def test_the_logs_are_of_records_that_were_used_and_of_exceptions(bureau: Stack, subject_code: str) -> None:
    """Without this the tests below would praise empty files."""
    accounts = bureau.log_events("collector", "account-revised")
    assert any(str(one["subject_code"]).endswith(subject_code[-4:]) and one["postings"] for one in accounts)
    assert any("SQLSTATE 57P01" in str(line.get("exception")) for service in SERVICES for line in _lines(bureau, service))


@pytest.mark.parametrize("service", SERVICES)
class TestLog:
    def test_tells_what_was_done_about_the_subject(self, bureau: Stack, subject_code: str, service: str) -> None:
        assert any(subject_code[-4:] in json.dumps(line) for line in _lines(bureau, service))

    def test_has_no_whole_subject_code(self, bureau: Stack, subject_code: str, service: str) -> None:
        text = bureau.log(service).read_text()
        assert subject_code not in text
        assert not WHOLE_SUBJECT_CODE.search(text)

    def test_has_nothing_that_was_submitted_or_asked(self, bureau: Stack, subject_code: str, service: str) -> None:
        text = bureau.log(service).read_text()
        for canary in (WORD, FIGURE, FIGURE.encode().hex(), WORD.encode().hex()):
            assert canary not in text

    def test_has_no_secret(self, bureau: Stack, subject_code: str, service: str) -> None:
        text = bureau.log(service).read_text()
        secrets = [file.read_text().strip() for file in bureau.state.secrets.iterdir()]
        assert len(secrets) > len(SERVICES)
        assert not [secret for secret in secrets if secret in text]
        assert "PRIVATE KEY" not in text

    def test_is_json_line_by_line(self, bureau: Stack, subject_code: str, service: str) -> None:
        for line in _lines(bureau, service):
            assert {"time", "level", "service", "logger", "message"} <= line.keys()


def _lines(bureau: Stack, service: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in bureau.log(service).read_text().splitlines()]

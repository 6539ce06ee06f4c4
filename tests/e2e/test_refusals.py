"""What a bank, or somebody who says to be one, is refused, over real mTLS, and what stays on record of it."""

from __future__ import annotations

import datetime
import json
import subprocess
import uuid
from dataclasses import replace

import grpc
import pytest
from carbonbureau.bureau.v1 import inquiry_service_pb2

from deploy.local import certificates
from deploy.local.certificates import KeyPair
from deploy.local.state import REPOSITORY
from services.common.identifiers import RandomIds
from services.sandbox.bank import Bank, BankRefused
from tests import agency
from tests.e2e.conftest import Province
from tests.stack import Stack

NO_PURPOSE = inquiry_service_pb2.PERMITTED_PURPOSE_UNSPECIFIED
OURS = "carbonbureau://subscriber/"


def _bank(province_bureau: Stack, pair: KeyPair) -> Bank:
    access = replace(province_bureau.sandbox_settings().bank(), certificate_file=pair.certificate_file, key_file=pair.key_file)
    return Bank(access=access, ids=RandomIds())


def _refused(bank: Bank, code: str, **options: object) -> BankRefused:
    with pytest.raises(BankRefused) as refused:
        bank.grade(code, **options)  # type: ignore[arg-type]
    return refused.value


class TestRefusals:
    def test_names_a_missing_purpose(self, province_bureau: Stack, province: Province) -> None:
        with province_bureau.bank() as bank:
            refused = _refused(bank, province.subject_codes[0], purpose=NO_PURPOSE)
        assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "PURPOSE_MISSING")

    def test_tells_a_bank_of_the_region_that_a_subject_is_unknown(self, province_bureau: Stack) -> None:
        with province_bureau.bank() as bank:
            refused = _refused(bank, agency.new_subject_code())
        assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "SUBJECT_UNKNOWN")

    def test_tells_a_bank_of_another_region_nothing_of_the_subject(self, province_bureau: Stack) -> None:
        with province_bureau.bank() as bank:
            refused = _refused(bank, agency.new_subject_code(region="310000"))
        assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "REGION_NOT_PERMITTED")

    def test_names_an_unknown_bank(self, province_bureau: Stack, province: Province) -> None:
        pair = certificates.issue(province_bureau.state, name="unknown-bank", uris=[f"{OURS}nobody-knows-me"])
        with _bank(province_bureau, pair) as bank:
            refused = _refused(bank, province.subject_codes[0])
        assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SUBSCRIBER_UNKNOWN")

    def test_names_a_certificate_with_two_of_our_uris(self, province_bureau: Stack, province: Province) -> None:
        pair = certificates.issue(province_bureau.state, name="two-names", uris=[f"{OURS}bank-taihang", f"{OURS}bank-other"])
        with _bank(province_bureau, pair) as bank:
            refused = _refused(bank, province.subject_codes[0])
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "IDENTITY_AMBIGUOUS")

    def test_shuts_out_an_expired_certificate_and_names_it_in_log_and_metric(self, province_bureau: Stack, province: Province) -> None:
        now = datetime.datetime.now(datetime.UTC)
        pair = certificates.issue(
            province_bureau.state,
            name="expired",
            uris=[f"{OURS}bank-taihang"],
            not_before=now - datetime.timedelta(days=30),
            not_after=now - datetime.timedelta(days=1),
        )
        with _bank(province_bureau, pair) as bank:
            refused = _refused(bank, province.subject_codes[0])
        assert refused.code is grpc.StatusCode.UNAVAILABLE
        province_bureau.wait_until(
            "the log names the expired certificate", lambda: "CERTIFICATE_EXPIRED" in province_bureau.log("gateway").read_text()
        )
        province_bureau.wait_until("the metric counts it", lambda: 'reason="CERTIFICATE_EXPIRED"' in province_bureau.metrics("gateway"))

    def test_answers_a_repeated_request_under_the_same_inquiry_and_refuses_another_under_its_id(
        self, province_bureau: Stack, province: Province
    ) -> None:
        request_id = uuid.uuid4()
        with province_bureau.bank() as bank:
            first = bank.grade(province.subject_codes[0], request_id=request_id)
            again = bank.grade(province.subject_codes[0], request_id=request_id)
            refused = _refused(bank, province.subject_codes[1], request_id=request_id)
        assert first.inquiry_id == again.inquiry_id
        assert (refused.code, refused.reason) == (grpc.StatusCode.ABORTED, "REQUEST_ID_REUSED")

    def test_keeps_a_record_of_what_was_refused(self, province_bureau: Stack, province: Province) -> None:
        count = "SELECT count(*) FROM gateway.inquiry"
        before = province_bureau.value(count)
        with province_bureau.bank() as bank:
            _refused(bank, province.subject_codes[0], purpose=NO_PURPOSE)
        assert province_bureau.value(count) == before + 1


class TestStockTools:
    def test_reads_a_grade_by_buf_curl_and_server_reflection(self, province_bureau: Stack, province: Province) -> None:
        access = province_bureau.sandbox_settings().bank()
        request = {
            "name": f"subjects/{province.subject_codes[0]}/creditGrade",
            "purpose": "PERMITTED_PURPOSE_LOAN_APPROVAL",
            "requestId": str(uuid.uuid4()),
        }
        command = [str(REPOSITORY / ".venv" / "bin" / "buf"), "curl", "--protocol", "grpc"]
        command += ["--cacert", str(access.authority_file), "--cert", str(access.certificate_file), "--key", str(access.key_file)]
        command += [
            "--data",
            json.dumps(request),
            f"https://{province_bureau.gateway_address}/carbonbureau.bureau.v1.InquiryService/GetCreditGrade",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["subjectCode"] == province.subject_codes[0]

"""What providers get wrong, by accident or on purpose: each is named to them, and the record behind it is processed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date

import pytest
from carbonbureau.intake.v1 import notice_pb2, submission_pb2
from kafka.errors import KafkaError, MessageSizeTooLargeError, TopicAuthorizationFailedError

from services.sandbox.domain.subject_codes import with_bad_check_character
from tests import agency
from tests.agency import Agency, Sent
from tests.stack import Stack

MONTH = date(2024, 3, 1)
Alter = Callable[[submission_pb2.Submission], None]


def _with(**fields: object) -> Alter:
    def alter(submission: submission_pb2.Submission) -> None:
        for name, value in fields.items():
            setattr(submission, name, value)

    return alter


def _scope1(amount: str) -> Alter:
    def alter(submission: submission_pb2.Submission) -> None:
        submission.reported_emissions.scope1_tco2e = amount

    return alter


def _future(submission: submission_pb2.Submission) -> None:
    submission.period.start_date, submission.period.end_date = "2199-01-01", "2199-02-01"


def _backwards(submission: submission_pb2.Submission) -> None:
    submission.period.start_date, submission.period.end_date = "2024-04-01", "2024-03-01"


def _zoneless(submission: submission_pb2.Submission) -> None:
    submission.period.time_zone = "Mars/Olympus"


class TestHostileInput:
    @pytest.mark.parametrize(
        "alter",
        [
            pytest.param(_scope1("-1"), id="negative amount"),
            pytest.param(_scope1("1e308"), id="exponent"),
            pytest.param(_scope1("1" + "0" * 308), id="1e308 written out"),
            pytest.param(_scope1("NaN"), id="not a number"),
            pytest.param(_future, id="future period"),
            pytest.param(_backwards, id="period backwards"),
            pytest.param(_zoneless, id="unknown zone"),
            pytest.param(_with(record_number=""), id="no record number"),
            pytest.param(_with(record_number="x" * 10_000), id="endless record number"),
            pytest.param(_with(record_revision=0), id="revision zero"),
        ],
    )
    def test_is_rejected_by_name_and_the_next_record_is_taken(self, bureau: Stack, alter: Alter) -> None:
        code = agency.new_subject_code()
        bad = agency.emissions(code, MONTH)
        alter(bad)
        with Agency(bureau, "ent-sx") as enterprise:
            sent = enterprise.send("emissions", bad)
            _assert_moves_on(bureau, enterprise, code)
            assert enterprise.outcome(sent) == notice_pb2.OUTCOME_REJECTED
            assert enterprise.findings(sent)

    def test_is_rejected_when_the_check_character_is_wrong(self, bureau: Stack) -> None:
        code = agency.new_subject_code()
        with Agency(bureau, "ent-sx") as enterprise:
            sent = enterprise.send("emissions", agency.emissions(with_bad_check_character(code), MONTH))
            _assert_moves_on(bureau, enterprise, code)
            assert enterprise.outcome(sent) == notice_pb2.OUTCOME_REJECTED

    def test_is_rejected_when_the_record_key_names_another_subject(self, bureau: Stack) -> None:
        code, other = agency.new_subject_code(), agency.new_subject_code()
        with Agency(bureau, "ent-sx") as enterprise:
            value = agency.emissions(code, MONTH).SerializeToString()
            sent = enterprise.send_bytes(enterprise.topic("emissions"), other.encode(), value)
            _assert_moves_on(bureau, enterprise, code)
            assert enterprise.outcome(sent) == notice_pb2.OUTCOME_REJECTED

    def test_is_rejected_on_the_topic_of_another_domain(self, bureau: Stack) -> None:
        code = agency.new_subject_code()
        with Agency(bureau, "ent-sx") as enterprise:
            sent = enterprise.send("production", agency.emissions(code, MONTH))
            _assert_moves_on(bureau, enterprise, code)
            assert enterprise.outcome(sent) == notice_pb2.OUTCOME_REJECTED

    @pytest.mark.parametrize(
        "value",
        [
            pytest.param(b"\xff\xff\xff\xff", id="noise"),
            pytest.param(b"", id="nothing"),
            pytest.param(None, id="tombstone"),
            pytest.param(b"\x0a\x04\xc3\x28\xa0\xa1", id="invalid UTF-8"),
        ],
    )
    def test_is_kept_aside_when_it_cannot_be_read(self, bureau: Stack, value: bytes | None) -> None:
        code = agency.new_subject_code()
        with Agency(bureau, "ent-sx") as enterprise:
            sent = enterprise.send_bytes(enterprise.topic("emissions"), code.encode(), value)
            _assert_moves_on(bureau, enterprise, code)
            assert enterprise.outcome(sent) in (notice_pb2.OUTCOME_QUARANTINED, notice_pb2.OUTCOME_REJECTED)

    def test_is_kept_aside_or_rejected_wherever_it_is_cut_off(self, bureau: Stack) -> None:
        code = agency.new_subject_code()
        whole = agency.emissions(code, MONTH).SerializeToString()
        with Agency(bureau, "ent-sx") as enterprise:
            sent = [enterprise.send_bytes(enterprise.topic("emissions"), code.encode(), whole[:length]) for length in range(len(whole))]
            _assert_moves_on(bureau, enterprise, code)
            outcomes = _outcomes(enterprise)
        assert all(outcomes[each] in (notice_pb2.OUTCOME_QUARANTINED, notice_pb2.OUTCOME_REJECTED) for each in sent)

    def test_never_leaves_the_provider_when_it_is_ten_megabytes(self, bureau: Stack) -> None:
        code = agency.new_subject_code()
        with Agency(bureau, "ent-sx") as enterprise, pytest.raises(MessageSizeTooLargeError):
            enterprise.send_bytes(enterprise.topic("emissions"), code.encode(), b"\x00\xff" * 5_000_000)
        with Agency(bureau, "ent-sx") as enterprise:
            _assert_moves_on(bureau, enterprise, code)

    @pytest.mark.parametrize(
        "topic",
        ["intake.energy.v1.grid-sx", "bureau.account-revised.v1", "bureau.report-revised.v1", "provider.notices.v1.ent-sx"],
    )
    def test_is_denied_by_the_broker_on_a_topic_that_is_not_the_providers(self, bureau: Stack, topic: str) -> None:
        code = agency.new_subject_code()
        with Agency(bureau, "ent-sx") as enterprise, pytest.raises(TopicAuthorizationFailedError):
            enterprise.send_bytes(topic, code.encode(), agency.emissions(code, MONTH).SerializeToString())

    def test_cannot_be_published_in_a_name_without_its_password(self, bureau: Stack) -> None:
        wrong = bureau.kafka.client_settings("ent-sx") | {"sasl_plain_username": "grid-sx", "bootstrap_timeout_ms": 3000}
        from kafka import KafkaProducer

        with pytest.raises(KafkaError):
            KafkaProducer(**wrong)


def _assert_moves_on(bureau: Stack, enterprise: Agency, code: str) -> None:
    """Publish a sound record behind a bad one on the same topic and wait for its receipt."""
    sent = enterprise.send("emissions", agency.emissions(code, date(2024, 5, 1), number=f"sound-{time.monotonic_ns()}"))
    bureau.wait_settled()
    assert _outcomes(enterprise)[sent] == notice_pb2.OUTCOME_ACCEPTED


def _outcomes(enterprise: Agency) -> dict[Sent, notice_pb2.Outcome.ValueType]:
    return {
        Sent(topic=notice.receipt.topic, partition=notice.receipt.partition, offset=outcome.offset): outcome.outcome
        for notice in enterprise.notices()
        for outcome in notice.receipt.outcomes
    }

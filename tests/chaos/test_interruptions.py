"""Topics that vanish, publishers that sleep through their lease, brokers and databases that go away: nothing lost, nothing doubled."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from datetime import date

import pytest
from carbonbureau.intake.v1 import notice_pb2
from kafka.admin import NewTopic

from tests import agency
from tests.agency import Agency
from tests.stack import SERVICES, Stack, running_stack

MONTHS = agency.months(date(2023, 1, 1), 36)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack() as stack:
        stack.start(*SERVICES)
        yield stack


class TestTopicRecreated:
    def test_has_every_record_of_both_its_lives_taken(self, stack: Stack) -> None:
        topic = "intake.emissions.v1.ent-sx"
        code = agency.new_subject_code()
        with Agency(stack, "ent-sx") as enterprise:
            for month in MONTHS[:10]:
                enterprise.send("emissions", agency.emissions(code, month))
            stack.wait_settled()
        admin = stack.kafka.admin()
        try:
            admin.delete_topics([topic])
            stack.wait_until("the topic to be gone", lambda: topic not in admin.list_topics())
            admin.create_topics([NewTopic(name=topic, num_partitions=1, replication_factor=1)])
        finally:
            admin.close()
        with Agency(stack, "ent-sx") as enterprise:
            sent = [enterprise.send("emissions", agency.emissions(code, month)) for month in MONTHS[10:30]]
        assert sent[0].offset == 0, "the topic is new"
        stack.wait_until(
            "all thirty to be held",
            lambda: stack.value("SELECT count(*) FROM collector.submission WHERE subject_code = %s", code) == 30,
            seconds=60,
        )


class TestPublisherPaused:
    def test_finds_its_lease_gone_when_it_wakes_up(self, stack: Stack) -> None:
        """A second collector takes over while the first sleeps; the first goes on afterwards and doubles nothing."""
        code = agency.new_subject_code()
        stack.signal("collector", signal.SIGSTOP)
        second = stack.start_another("collector")
        try:
            with Agency(stack, "ent-sx") as enterprise:
                sent = [enterprise.send("emissions", agency.emissions(code, month)) for month in MONTHS[:6]]
                stack.wait_until("the second to take over", lambda: enterprise.outcome(sent[-1]) is not None, seconds=60)
                stack.signal("collector", signal.SIGCONT)
                sent += [enterprise.send("emissions", agency.emissions(code, month)) for month in MONTHS[6:12]]
                stack.wait_settled()
                assert all(enterprise.outcome(each) == notice_pb2.OUTCOME_ACCEPTED for each in sent)
        finally:
            second.terminate()
            second.wait(timeout=30)
        assert _held(stack, code) == 12
        _assert_one_event_per_revision(stack)


class TestServersRestarted:
    @pytest.mark.parametrize("server", ["kafka", "postgres"])
    def test_under_load_cost_nothing(self, stack: Stack, server: str) -> None:
        code = agency.new_subject_code()
        with Agency(stack, "ent-sx") as enterprise:
            for month in MONTHS[:12]:
                enterprise.send("emissions", agency.emissions(code, month))
            running = getattr(stack, server)
            running.kill()
            time.sleep(1.0)
            running.start()
        with Agency(stack, "ent-sx") as enterprise:
            for month in MONTHS[12:24]:
                enterprise.send("emissions", agency.emissions(code, month))
            stack.wait_until("all to be held", lambda: _held(stack, code) == 24, seconds=90)
        stack.wait_settled()
        assert set(SERVICES) <= stack.running()
        _assert_one_event_per_revision(stack)


def _held(stack: Stack, code: str) -> int:
    return int(stack.value("SELECT count(*) FROM collector.submission WHERE subject_code = %s", code))


def _assert_one_event_per_revision(stack: Stack) -> None:
    """Each account revision was assessed at most once, and no report revision number was given twice or left out."""
    twice = stack.rows("SELECT subject_id, account_revision FROM scoring.assessment GROUP BY 1, 2, assessed_on HAVING count(*) > 1")
    assert not twice
    gaps = stack.rows("SELECT subject_id FROM reports.report_revision GROUP BY subject_id HAVING max(revision_number) <> count(*)")
    assert not gaps

"""What issued revisions make of the gateway's copy, on a real database."""

from __future__ import annotations

import random
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.common.errors import Refused
from services.gateway import export, store
from services.gateway.consumer import handle
from services.gateway.domain.listing import ListCall
from tests.integration.gateway.conftest import Gateway, record, refusal_of
from tests.unit.gateway.examples import CHANGZHI, DATONG, SUBJECT_ID, report_revised

CHAIN = [report_revised(number=number, score=f"{number}.00") for number in range(1, 9)]


def copy_of(gateway: Gateway) -> tuple[list[int], int]:
    """Give the kept revision numbers and the one that the grade is answered from."""
    numbers = [row["revision_number"] for row in gateway.rows("SELECT revision_number FROM report_revision ORDER BY 1")]
    (grade,) = gateway.rows("SELECT revision_number FROM credit_grade")
    return numbers, grade["revision_number"]


class TestHandle:
    def test_keeps_every_revision_and_grades_by_the_newest(self, gateway: Gateway) -> None:
        gateway.take(*CHAIN)
        assert copy_of(gateway) == (list(range(1, 9)), 8)

    def test_makes_the_same_copy_in_whatever_order_and_batches_revisions_come(self, gateway: Gateway) -> None:
        shuffled = CHAIN + CHAIN[:3]
        random.Random(7).shuffle(shuffled)
        while shuffled:
            size = min(3, len(shuffled))
            gateway.take(*shuffled[:size])
            shuffled = shuffled[size:]
        assert copy_of(gateway) == (list(range(1, 9)), 8)

    def test_changes_nothing_when_everything_is_replayed(self, gateway: Gateway) -> None:
        gateway.take(*CHAIN)
        before = gateway.rows("SELECT * FROM report_revision ORDER BY revision_number"), gateway.rows("SELECT * FROM credit_grade")
        for _ in range(2):
            gateway.take(*CHAIN)
        assert (
            gateway.rows("SELECT * FROM report_revision ORDER BY revision_number"),
            gateway.rows("SELECT * FROM credit_grade"),
        ) == before

    def test_never_lets_a_grade_fall_back_to_a_lower_revision(self, gateway: Gateway) -> None:
        gateway.take(CHAIN[5])
        gateway.take(CHAIN[2])
        assert copy_of(gateway) == ([3, 6], 6)

    def test_keeps_what_it_cannot_take_and_goes_on(self, gateway: Gateway) -> None:
        wrong_hash = report_revised(number=2)
        wrong_hash.content_sha256 = "0" * 64
        gateway.take(b"\xff", wrong_hash, b"", CHAIN[0])
        assert [row["offset"] for row in gateway.rows('SELECT "offset" FROM refused_event ORDER BY 1')] == [0, 1, 2]
        assert copy_of(gateway) == ([1], 1)

    def test_never_overwrites_a_revision_by_another_of_its_number(self, gateway: Gateway) -> None:
        """Somebody issued twice: the first stays, the second is kept aside as an alarm, in one batch or in two."""
        other = report_revised(number=1, score="99.00")
        gateway.take(CHAIN[0], other)
        gateway.take(CHAIN[1], other)
        assert copy_of(gateway) == ([1, 2], 2)
        kept = gateway.rows("SELECT content_sha256 FROM report_revision WHERE revision_number = 1")
        assert kept == [{"content_sha256": CHAIN[0].content_sha256}]
        assert all("another content" in row["reason"] for row in gateway.rows("SELECT reason FROM refused_event"))

    def test_takes_batches_of_the_same_subjects_at_once(self, gateway: Gateway) -> None:
        subjects = [uuid.uuid4() for _ in range(20)]
        batches = [
            [report_revised(number=number, subject_id=one, score=f"{number}.00") for one in random.Random(number).sample(subjects, 20)]
            for number in range(1, 7)
        ]

        def take(batch: list[object]) -> None:
            def once() -> None:
                with gateway.database.transaction("test.batch") as transaction:
                    handle(transaction, [record(message, offset=offset) for offset, message in enumerate(batch)])

            gateway.database.retrying(once)

        threads = [threading.Thread(target=take, args=(batch,)) for batch in batches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {row["revision_number"] for row in gateway.rows("SELECT revision_number FROM credit_grade")} == {6}
        assert gateway.rows("SELECT count(*) AS n FROM report_revision") == [{"n": 120}]

    def test_follows_a_subject_to_another_code(self, gateway: Gateway) -> None:
        gateway.take(report_revised(number=1, code=CHANGZHI), report_revised(number=2, code=DATONG))
        assert gateway.rows("SELECT subject_id, revision_number FROM credit_grade") == [{"subject_id": SUBJECT_ID, "revision_number": 2}]


class TestExport:
    def test_gives_every_inquiry_once_in_order_over_many_pages(self, gateway: Gateway) -> None:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        fill = text("""
            INSERT INTO inquiry (inquiry_id, received_at, identities, peer, method, name, request_id, request_sha256,
                case_reference, decision, reason, claims_request_id)
            SELECT gen_random_uuid(), :start + (n / 3) * interval '1 second', '{}', 'p', 'm', n::text, 'r', 's',
                '', 'DENIED', 'PURPOSE_MISSING', false
            FROM generate_series(0, 1499) AS n
        """)
        with gateway.database.transaction("test.fill") as transaction:
            transaction.execute(fill, {"start": start})
        lines = list(export.lines(gateway.database, since=start, until=start + timedelta(days=1)))
        assert len(lines) == len(set(lines)) == 1500
        part = list(export.lines(gateway.database, since=start + timedelta(seconds=1), until=start + timedelta(seconds=2)))
        assert len(part) == 3

    @pytest.mark.parametrize("portal", [False, True])
    def test_goes_on_where_the_last_one_ended_without_missing_what_was_being_recorded(
        self, gateway: Gateway, portal: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An inquiry that began first and is committed last: an export in between ends before it, and says so."""
        begun, go_on = threading.Event(), threading.Event()
        name = "add_portal_inquiry" if portal else "add_inquiry"
        add = getattr(store, name)

        def slow(*arguments: Any) -> Any:
            begun.set()
            assert go_on.wait(10)
            return add(*arguments)

        def call() -> None:
            if not portal:
                assert refusal_of(lambda: gateway.bank().grade(purpose=0)).reason == "PURPOSE_MISSING"
                return
            listing = ListCall(parent="malformed", page_size=0, page_token="")
            with pytest.raises(Refused):
                gateway.portal.list_report_revisions(authorization=[f"Bearer {gateway.provider.token()}"], peer="peer", call=listing)

        start = datetime(2026, 1, 1, tzinfo=UTC)
        with monkeypatch.context() as patched:
            patched.setattr(store, name, slow)
            first = threading.Thread(target=call)
            first.start()
            assert begun.wait(10)
        call()
        until = export.complete_until(gateway.database)
        before = list(export.lines(gateway.database, since=start, until=until, portal=portal))
        go_on.set()
        first.join()
        later = export.complete_until(gateway.database)
        after = list(export.lines(gateway.database, since=until, until=later, portal=portal))
        assert len({*before, *after}) == len(before) + len(after) == 2
        assert export.complete_until(gateway.database, start) == start

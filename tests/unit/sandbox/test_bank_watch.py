"""The journal tells when a subject's newest record was sent, also while it is being written."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.sandbox.bank_watch import Journal

START = datetime(2026, 11, 21, 16, 0, tzinfo=UTC)
LATER = START + timedelta(hours=1)


def line(key: str, sent_at: datetime) -> str:
    return json.dumps({"key": key, "sent_at": sent_at.isoformat(timespec="microseconds")}) + "\n"


class TestJournal:
    def test_follows_a_growing_file_and_skips_its_unfinished_last_line(self, tmp_path: Path) -> None:
        path = tmp_path / "published.jsonl"
        journal = Journal(path)
        assert journal.last_sent_at("A", before=LATER) is None
        path.write_text(line("A", START) + line("B", START) + line("A", START + timedelta(seconds=5))[:-10])
        assert journal.last_sent_at("A", before=LATER) == START
        path.write_text(line("A", START) + line("B", START) + line("A", START + timedelta(seconds=5)))
        assert journal.last_sent_at("A", before=LATER) == START + timedelta(seconds=5)

    def test_knows_nothing_of_what_was_sent_after_the_report(self, tmp_path: Path) -> None:
        path = tmp_path / "published.jsonl"
        path.write_text(line("A", LATER))
        assert Journal(path).last_sent_at("A", before=START) is None

    def test_knows_nothing_without_a_file(self) -> None:
        assert Journal(None).last_sent_at("A", before=LATER) is None

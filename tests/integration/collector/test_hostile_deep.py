"""A hundred thousand hostile submissions: nothing crashes, nothing stops, each one is accounted for.

Sound records of every kind are changed as hostile or broken programs change them: bytes flipped, cut, doubled, fields filled with what
no field should hold, headers and keys that lie. The seed is fixed, so a failure comes back.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from carbonbureau.intake.v1 import submission_pb2 as intake
from google.protobuf import json_format

from deploy.local.plan import PROVIDERS_FILE
from services.collector.directory_file import parse_directory
from services.collector.domain.basis import Basis
from services.collector.domain.kinds import Kind
from services.collector.domain.provider import domain_and_code
from services.collector.store import directory
from services.common.consumer import Record
from tests.integration.collector.conftest import Collector
from tests.unit.collector.every_kind import example, messages_within, withdrawal
from tests.unit.collector.submissions import code_of, topic_of

SEED = 20261121
SUBMISSIONS = 100_000
BATCH = 2_000
SUBJECTS = 40
# The first two may report everything, the last one of the shipped directory only what is its own.
PROVIDERS = ("every-a", "every-b", "grid-sx")
NASTY_TEXTS = (
    "",
    " ",
    "\x00",
    "NaN",
    "1e308",
    "-0",
    "9" * 400,
    "١٢٣",
    "0x10",
    "null",
    "2024-02-30",
    "9999-12-31",
    "😀" * 300,
    "'; DROP TABLE submission; --",
)
NASTY_NUMBERS = (0, -1, 1, 2**31 - 1, -(2**31), 1990, 100, 101)


def hostile(draw: random.Random) -> tuple[bytes | None, bytes | None, dict[str, bytes], str]:
    """Make the value, key and headers of one record, and the topic it comes by."""
    provider, kind = draw.choice(PROVIDERS), draw.choice(list(Kind))
    code = code_of(draw.randrange(SUBJECTS))
    sent = example(kind, whole=draw.random() < 0.7, code=code, record_number=f"R-{draw.randrange(4_000)}")
    sent.record_revision = draw.choice((1, 1, 1, 2, 3))
    if draw.random() < 0.05:
        sent = withdrawal(kind.value, code=code, record_number=f"R-{draw.randrange(4_000)}")
    topic = topic_of(sent, provider) if draw.random() < 0.9 else f"intake.energy.v1.{provider}"
    for _ in range(draw.choice((0, 0, 1, 1, 2))):
        _spoil(sent, draw)
    is_json = draw.random() < 0.2
    value = json_format.MessageToJson(sent).encode() if is_json else sent.SerializeToString()
    for _ in range(draw.choice((0, 0, 0, 1, 3))):
        value = draw.choice(MUTATIONS)(value, draw)
    key = code.encode() if draw.random() < 0.95 else draw.choice((None, b"", b"\xff\xfe", code_of(77).encode()))
    headers = {"content-type": b"application/json"} if is_json != (draw.random() < 0.02) else {}
    if draw.random() < 0.03:
        headers["jws"] = draw.choice((b"", b"a.b.c", b"..", b"\xff" * 64, b"e30..AAAA"))
    return (None if draw.random() < 0.005 else value), key, headers, topic


def _spoil(sent: intake.Submission, draw: random.Random) -> None:
    """Fill a field of the message, or of one of its lists, with what it should not hold."""
    member = sent.WhichOneof("content")
    message = draw.choice([sent, *(messages_within(getattr(sent, member)) if member else ())])
    fields = [field for field in message.DESCRIPTOR.fields if field.message_type is None and not field.is_repeated]
    field = draw.choice(fields)
    match field.cpp_type:
        case field.CPPTYPE_STRING:
            setattr(message, field.name, draw.choice(NASTY_TEXTS))
        case field.CPPTYPE_INT32 | field.CPPTYPE_ENUM:
            setattr(message, field.name, draw.choice(NASTY_NUMBERS))


def _flip(value: bytes, draw: random.Random) -> bytes:
    if not value:
        return value
    place = draw.randrange(len(value))
    return value[:place] + bytes([value[place] ^ (1 << draw.randrange(8))]) + value[place + 1 :]


def _cut(value: bytes, draw: random.Random) -> bytes:
    return value[: draw.randrange(len(value) + 1)]


def _double(value: bytes, draw: random.Random) -> bytes:
    return value * draw.choice((2, 2, 2, 300))


def _insert(value: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(value) + 1)
    return value[:place] + draw.randbytes(draw.randrange(1, 12)) + value[place:]


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (_flip, _flip, _cut, _double, _insert)


@pytest.fixture
def open_to_all(collector: Collector) -> Collector:
    """A collector whose directory lets two more providers report every kind."""
    shipped = parse_directory(PROVIDERS_FILE.read_text(encoding="utf-8"))
    rights = replace(shipped[0].provider, kinds=frozenset(Kind), bases=frozenset(Basis))
    entries = [*shipped, *(replace(shipped[0], provider=replace(rights, code=code)) for code in PROVIDERS[:2])]
    with collector.database.transaction("test.directory") as transaction:
        directory.replace_directory(transaction, entries, at=datetime(2026, 11, 21, tzinfo=UTC))
    return collector


@pytest.mark.deep
@pytest.mark.timeout(3_000)
class TestAHundredThousandHostileSubmissions:
    def test_are_each_accounted_for_and_stop_nothing(self, open_to_all: Collector) -> None:
        collector = open_to_all
        draw = random.Random(SEED)
        sent: Counter[str] = Counter()
        again: list[Record] = []
        made: list[tuple[bytes | None, bytes | None, dict[str, bytes], str]] = []
        for _ in range(SUBMISSIONS // BATCH):
            batch = []
            for _ in range(BATCH):
                made.append(draw.choice(made) if made and draw.random() < 0.03 else hostile(draw))
                value, key, headers, topic = made[-1]
                _, provider = domain_and_code(topic)
                batch.append(collector.record(provider, value, topic=topic, key=key, headers=headers))
                sent[topic] += 1
            collector.take(*batch)
            again = batch
        # Each offset of each topic stands in one receipt, and what the receipts count is what was sent.
        receipts = collector.rows("""
            SELECT topic, min(first_offset) AS first, max(last_offset) AS last, sum(last_offset - first_offset + 1) AS offsets,
                sum(accepted_count + duplicate_count + rejected_count + quarantined_count) AS answered FROM receipt GROUP BY topic
        """)
        assert {row["topic"]: row["answered"] for row in receipts} == sent
        assert all(row["first"] == 0 and row["last"] + 1 == row["offsets"] == row["answered"] for row in receipts)
        # Everything has one place: a row for each outcome, and no more.
        counts = collector.counts()["records"]
        assert sum(counts[outcome] for outcome in ("accepted", "duplicate", "rejected", "quarantined")) == SUBMISSIONS
        assert min(counts[outcome] for outcome in ("accepted", "duplicate", "rejected", "quarantined")) > 0
        print(f"hostile: {dict(counts)}")
        # Read again, nothing changes.
        collector.take(*again)
        assert collector.counts()["records"] == counts
        # Every account is drawn up; none is left dirty.
        collector.rebuild()
        assert collector.rows("SELECT key FROM work_item") == []
        subjects = {row["subject_id"] for row in collector.rows("SELECT DISTINCT subject_id FROM submission")}
        assert subjects <= {row["subject_id"] for row in collector.rows("SELECT DISTINCT subject_id FROM account_revision")}

"""A provider sees before it sends what intake would answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from carbonbureau.intake.v1 import submission_pb2 as intake
from google.protobuf import json_format

from deploy.local.plan import PROVIDERS_FILE
from services.collector import dry_run
from services.collector.__main__ import main
from services.collector.dry_run import Answer, Layout, LayoutError
from services.collector.wire import SUBMISSION_BYTES_MAX
from tests.unit.collector.submissions import code_of, electricity, fuel, reported

NOW = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)


def as_json(*sent: intake.Submission) -> bytes:
    return b"".join(json_format.MessageToJson(one, indent=None).encode() + b"\n" for one in sent)


def delimited(*sent: intake.Submission) -> bytes:
    content = bytearray()
    for value in (one.SerializeToString() for one in sent):
        length = len(value)
        while length > 0x7F:
            content.append(length & 0x7F | 0x80)
            length >>= 7
        content += bytes([length]) + value
    return bytes(content)


def answers(content: bytes, layout: Layout | None = None) -> list[Answer]:
    return dry_run.answers(content, provider=dry_run.anyone(), received_at=NOW, layout=layout)


def outcomes(found: Sequence[Answer]) -> list[str]:
    return [answer.outcome.value for answer in found]


SENT = (electricity("1.5", record_number="1"), electricity("-1", record_number="2"), reported("1", "2", record_number="3"))


class TestAFile:
    def test_of_json_lines_is_answered_line_by_line(self) -> None:
        content = as_json(SENT[0]) + b"\n" + as_json(*SENT[1:]) + b'{"no": "field"}\n'
        found = answers(content)
        assert [(one.place, one.outcome.value) for one in found] == [
            ("line 1", "ACCEPTED"),
            ("line 3", "REJECTED"),
            ("line 4", "ACCEPTED"),
            ("line 5", "QUARANTINED"),
        ]
        assert [finding.rule_id for finding in found[1].findings] == ["FORM_AMOUNT_NEGATIVE"]

    def test_of_one_json_object_over_many_lines_is_one_record(self) -> None:
        found = answers(json_format.MessageToJson(SENT[0]).encode())
        assert [(one.place, one.outcome.value) for one in found] == [("object", "ACCEPTED")]

    def test_of_one_message_is_one_record(self) -> None:
        for sent, outcome in zip(SENT, ["ACCEPTED", "REJECTED", "ACCEPTED"], strict=True):
            assert outcomes(answers(sent.SerializeToString())) == [outcome]

    def test_of_messages_after_their_lengths_is_answered_message_by_message(self) -> None:
        long = fuel("1", fuel_code="c" * 300)
        assert outcomes(answers(delimited(*SENT, long))) == ["ACCEPTED", "REJECTED", "ACCEPTED", "REJECTED"]

    def test_lies_as_it_is_said_to(self) -> None:
        message = SENT[0].SerializeToString()
        assert outcomes(answers(message, Layout.BINARY)) == ["ACCEPTED"]
        assert outcomes(answers(b"\xff\xff", Layout.BINARY)) == ["QUARANTINED"]
        with pytest.raises(LayoutError, match="reaches beyond the end"):
            answers(message, Layout.DELIMITED)
        with pytest.raises(LayoutError, match="no length of a message"):
            answers(b"\xff" * 10, Layout.DELIMITED)

    @pytest.mark.parametrize("content", [b"", b"\n \n"])
    def test_that_is_empty_is_refused(self, content: bytes) -> None:
        with pytest.raises(LayoutError, match="empty"):
            answers(content)

    def test_of_any_bytes_is_answered(self) -> None:
        for content in (
            b"\x00",
            b"{",
            b"[1]",
            b"[" * 100_000,
            bytes(range(256)),
            b"{" + b"x" * (SUBMISSION_BYTES_MAX + 1),
            b"\xef\xbb\xbf{}",
        ):
            assert "ACCEPTED" not in outcomes(answers(content))

    def test_shows_what_contradicts_itself(self) -> None:
        other = electricity("9", record_number="1")
        found = answers(as_json(SENT[0], SENT[0], other))
        assert outcomes(found) == ["ACCEPTED", "DUPLICATE", "REJECTED"]
        assert [finding.rule_id for finding in found[2].findings] == ["FORM_KEY_CONFLICT"]


class TestTheCommand:
    def test_tells_what_is_wrong_and_what_to_do(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "records.jsonl"
        file.write_bytes(as_json(*SENT))
        assert main(["check", str(file)]) == 1
        text = capsys.readouterr().out
        for shown in ("line 2", "FORM_AMOUNT_NEGATIVE", "what to do: ", "3 records: 2 accepted, 1 rejected", "key and topic"):
            assert shown in text

    def test_ends_well_when_nothing_would_be_rejected(self, tmp_path: Path) -> None:
        file = tmp_path / "record.binpb"
        file.write_bytes(SENT[0].SerializeToString())
        assert main(["check", str(file)]) == 0

    def test_knows_the_rights_of_a_provider_of_a_directory(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "records.jsonl"
        file.write_bytes(as_json(SENT[0], SENT[2], electricity("1", code=code_of(1, region="440300"))))
        assert main(["check", str(file), "--provider", "grid-sx", "--directory", str(PROVIDERS_FILE)]) == 1
        text = capsys.readouterr().out
        assert "FORM_KIND_NOT_ENTITLED" in text
        assert "FORM_REGION_NOT_ENTITLED" in text
        assert "1 accepted, 2 rejected" in text

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["{missing}"], "No such file"),
            (["{directory}"], "Is a directory"),
            (["{empty}"], "the file is empty"),
            (["{sound}", "--provider", "grid-sx"], "--provider and --directory together"),
            (["{sound}", "--provider", "nobody", "--directory", str(PROVIDERS_FILE)], "nobody is not in"),
            (["{sound}", "--provider", "grid-sx", "--directory", "{missing}"], "No such file"),
            (["{sound}", "--provider", "grid-sx", "--directory", "{binary}"], "not UTF-8"),
        ],
    )
    def test_says_in_one_line_what_it_was_called_without(
        self, arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        places = {name: tmp_path / name for name in ("missing", "empty", "sound", "binary")} | {"directory": tmp_path}
        places["empty"].write_bytes(b"")
        places["sound"].write_bytes(as_json(SENT[0]))
        places["binary"].write_bytes(b"\xff\xfe")
        assert main(["check", *(one.format(**places) for one in arguments)]) == 2
        errors = capsys.readouterr().err
        assert says in errors
        assert len(errors.splitlines()) == 1

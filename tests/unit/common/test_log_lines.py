"""Log lines: valid whatever they are given, of use to whoever reads them, and empty of what was submitted."""

from __future__ import annotations

import ast
import errno
import io
import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest
from carbonbureau.intake.v1 import submission_pb2
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.errors import KafkaConnectionError, MessageSizeTooLargeError
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from sqlalchemy.exc import IntegrityError

from services.common import log_lines, telemetry
from services.common.civil_time import PeriodError
from services.common.errors import ErrorKind, Refused
from services.common.kafka import UnreadableBatch

CANARY = "91140400MA0CANARY7"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Log:
    """What has been logged: by us, by a library, as parsed lines."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.ours = logging.getLogger("services.some.module")
        self.library = logging.getLogger("somebody.elses")

    def configure(self, level: str = "INFO") -> None:
        """Configure it anew; within a test it also puts out the handlers of pytest, which insist on texts that can be written."""
        log_lines.configure("svc", level, self.stream)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def line(self) -> dict[str, object]:
        (line,) = self.lines
        return line


@pytest.fixture
def log() -> Iterator[Log]:
    root, ours = logging.getLogger(), logging.getLogger(log_lines.OURS)
    before = list(root.handlers), root.level, ours.level
    made = Log()
    made.configure()
    yield made
    root.handlers[:], root.level, ours.level = before
    logging.getLogger().manager._clear_cache()  # type: ignore[attr-defined]  # levels were put back behind its back


def caught(cause: Callable[[], object]) -> BaseException:
    try:
        cause()
    except BaseException as error:
        return error
    raise AssertionError("it was to raise")


def raised(error: BaseException, *, cause: BaseException | None = None) -> BaseException:
    def throw() -> None:
        raise error from cause

    return caught(throw)


class UniqueViolation(psycopg.errors.UniqueViolation):
    """As the server reports it, without a server."""

    @property
    def diag(self) -> psycopg.errors.Diagnostic:
        return SimpleNamespace(constraint_name="subject_code_key", table_name="subject_code", column_name=None)  # type: ignore[return-value]


def unique_violation() -> IntegrityError:
    detail = f'duplicate key value violates unique constraint "subject_code_key"\nDETAIL:  Key (code)=({CANARY}) already exists.'
    return IntegrityError("INSERT …", {"code": CANARY}, raised(UniqueViolation(detail)), hide_parameters=True)


class TestLine:
    def test_is_one_object_whatever_the_message_holds(self, log: Log) -> None:
        log.ours.info("two\nlines, %s and %s", "状态", '"quotes"', extra={"count": 3, "odd": object, "none": None, "nan": float("nan")})
        assert log.line["message"] == 'two\nlines, 状态 and "quotes"'
        fields = ("level", "service", "logger", "count", "odd", "none", "nan")
        assert [log.line[name] for name in fields] == ["INFO", "svc", "services.some.module", 3, "object", None, "nan"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", str(log.line["time"]))
        assert "trace_id" not in log.line

    def test_carries_the_ids_of_the_current_span(self, log: Log) -> None:
        if not isinstance(trace.get_tracer_provider(), TracerProvider):
            trace.set_tracer_provider(TracerProvider())
        with telemetry.span("work", parent=telemetry.context_of(PARENT)):
            log.ours.warning("inside")
        assert log.line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
        assert re.fullmatch(r"[0-9a-f]{16}", str(log.line["span_id"]))

    def test_says_where_from_warning_on(self, log: Log) -> None:
        log.ours.info("quiet")
        log.ours.warning("loud")
        assert "at" not in log.lines[0]
        assert re.fullmatch(r"tests/unit/common/test_log_lines\.py:\d+ test_says_where_from_warning_on", str(log.lines[1]["at"]))

    @given(st.text(st.characters(), max_size=30))
    def test_survives_any_text(self, text: str) -> None:
        record = logging.LogRecord("services.x", logging.INFO, __file__, 1, "%s", (text,), None)
        line = log_lines.JsonFormatter("svc").format(record)
        assert line.encode()
        assert len(line.splitlines()) == 1 or set(text) & set("\x85\u2028\u2029")
        assert json.loads(line)["message"] == text

    def test_survives_arguments_that_do_not_fit(self, log: Log, capsys: pytest.CaptureFixture[str]) -> None:
        log.configure()
        log.ours.error("%d and %s", CANARY, 1)
        log.ours.error("%s", *[CANARY] * 2)
        assert [line["message"] for line in log.lines] == ["%d and %s (its arguments do not fit)", "%s (its arguments do not fit)"]
        log.stream.close()
        log.ours.error("%s", CANARY)
        assert CANARY not in capsys.readouterr().err

    def test_is_cut_to_a_bearable_length(self, log: Log) -> None:
        log.ours.error("%s", "x" * 10_000, extra={"list": ["y" * 10_000] * 100})
        assert len(log.text) < 2_500


class TestException:
    def test_is_told_by_type_and_frames_with_their_source_and_not_by_its_text(self, log: Log) -> None:
        log.ours.error("failed", exc_info=caught(lambda: int(CANARY)))
        told = str(log.line["exception"]).splitlines()
        assert told[0] == "ValueError"
        assert re.fullmatch(r"  tests/unit/common/test_log_lines\.py:\d+ caught: cause\(\)", told[1])
        assert re.fullmatch(r"  tests/unit/common/test_log_lines\.py:\d+ .*<lambda>: log\.ours\.error\(.*int\(CANARY\)\)\)", told[2])
        assert CANARY not in log.text

    def test_of_the_database_is_told_by_sqlstate_constraint_and_table(self, log: Log) -> None:
        log.ours.error("failed", exc_info=raised(unique_violation()))
        assert str(log.line["exception"]).startswith(
            "sqlalchemy.exc.IntegrityError [SQLSTATE 23505, constraint subject_code_key, table subject_code]\n"
        )
        assert CANARY not in log.text

    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (psycopg.OperationalError(f'connection to server at "{CANARY}" failed: Connection refused'), "[Connection refused]"),
            (psycopg.OperationalError(f'FATAL:  password authentication failed for user "{CANARY}"'), "[password authentication failed]"),
            (KafkaConnectionError(f"111 ECONNREFUSED {CANARY} EVIL"), "[ECONNREFUSED]"),
            (OSError(errno.ENOENT, CANARY, CANARY), "FileNotFoundError [ENOENT]"),
            (OSError(CANARY, CANARY), "OSError"),
            (MessageSizeTooLargeError(CANARY), "kafka.errors.MessageSizeTooLargeError"),
        ],
    )
    def test_of_a_connection_is_told_by_words_of_ours(self, log: Log, error: Exception, told: str) -> None:
        log.ours.error("failed: %s", error, exc_info=raised(error))
        assert str(log.line["message"]).endswith(told)
        assert str(log.line["exception"]).splitlines()[0].endswith(told)
        assert CANARY not in log.text

    def test_is_followed_by_what_caused_it(self, log: Log) -> None:
        def handling() -> None:
            try:
                int(CANARY)
            except ValueError as error:
                raise KeyError(CANARY) from error

        log.ours.error("failed", exc_info=raised(RuntimeError(CANARY), cause=caught(handling)))
        heads = [line for line in str(log.line["exception"]).splitlines() if not line.startswith("  ")]
        assert heads == ["RuntimeError", "caused by KeyError", "caused by ValueError"]

    def test_without_end_is_cut(self, log: Log) -> None:
        def deeper() -> None:
            deeper()

        one, other = ValueError(CANARY), KeyError(CANARY)
        one.__cause__, other.__cause__ = other, one
        log.ours.error("for ever", exc_info=one)
        log.ours.error("deep", exc_info=caught(deeper))
        assert len(log.text) < 10_000
        assert re.search(r"… \d+ frames …", str(log.lines[1]["exception"]))


def _json_of(text: str) -> object:
    return json_format.Parse(text, submission_pb2.Submission())


def _with_context() -> None:
    try:
        raise ValueError(CANARY)
    except ValueError:
        raise RuntimeError("other") from None


def _with_note() -> BaseException:
    error = ValueError("other")
    error.add_note(CANARY)
    return error


def _while_handling() -> None:
    try:
        raise ValueError(CANARY)
    except ValueError:
        UUID("none")


class _Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError(CANARY)


HOLDING_IT = {
    "its arguments": lambda: raised(ValueError(CANARY, {"code": CANARY})),
    "its cause": lambda: raised(RuntimeError("other"), cause=ValueError(CANARY)),
    "its context": lambda: caught(_while_handling),
    "a hidden context": lambda: caught(_with_context),
    "a note": lambda: raised(_with_note()),
    "one of a group": lambda: raised(ExceptionGroup(CANARY, [ValueError(CANARY), ExceptionGroup(CANARY, [KeyError(CANARY)])])),
    "the server's detail": lambda: raised(unique_violation()),
    "the server's detail, bare": lambda: raised(UniqueViolation(CANARY)),
    "a failed str()": lambda: raised(_Unprintable()),
    "int()": lambda: caught(lambda: int(CANARY)),
    "Decimal()": lambda: caught(lambda: Decimal(CANARY)),
    "UUID()": lambda: caught(lambda: UUID(CANARY)),
    "a key that is missing": lambda: caught(lambda: {}[CANARY]),
    "a zone that is unknown": lambda: caught(lambda: ZoneInfo(CANARY)),
    "JSON": lambda: caught(lambda: json.loads(f'{{"{CANARY}')),
    "a protobuf from JSON": lambda: caught(lambda: _json_of(f'{{"{CANARY}": 1}}')),
    "a protobuf": lambda: raised(DecodeError(CANARY)),
    "a decoding": lambda: caught(lambda: f"{CANARY}\udc80".encode("utf-8", "surrogatepass").decode()),
    "an exception of ours": lambda: raised(PeriodError(f"unknown time zone {CANARY!r}")),
    "a refusal": lambda: raised(Refused(ErrorKind.NOT_FOUND, "SUBJECT_UNKNOWN", CANARY, {"code": CANARY})),
    "a batch": lambda: raised(UnreadableBatch(TopicPartition("t", 0), 7, ValueError(CANARY))),
}


class TestCanary:
    @pytest.mark.parametrize("holding", HOLDING_IT)
    def test_in_an_exception_reaches_no_line(self, log: Log, holding: str, capsys: pytest.CaptureFixture[str]) -> None:
        log.configure()
        error = HOLDING_IT[holding]()
        log.ours.error("failed", exc_info=error)
        log.library.error("failed: %s", error, exc_info=error)
        log.library.error("failed: %r and %s", [error], {"why": error})
        log.library.error(f"failed: {CANARY}", exc_info=error)
        log.library.error(error)
        log.ours.error("failed", extra={"why": [error]}, exc_info=(type(error), error, error.__traceback__))
        assert len(log.lines) == 6
        assert CANARY not in log.text + capsys.readouterr().err

    @pytest.mark.parametrize(
        "value",
        [
            CANARY.encode(),
            bytearray(CANARY.encode()),
            memoryview(CANARY.encode()),
            submission_pb2.Submission(subject_code=CANARY),
            SimpleNamespace(code=CANARY),
            [{"key": (CANARY.encode(),)}],
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_in_bytes_or_an_object_reaches_no_line(self, log: Log, value: object) -> None:
        log.ours.error("%s and %r", value, value, extra={"value": value})
        log.ours.error("%(value)s", {"value": value})
        assert len(log.lines) == 2
        assert CANARY not in log.text

    @pytest.mark.parametrize("value", [CANARY, f"subject {CANARY} used it", "98765.4", "x" * 81, f"{{'secret': '{CANARY}'}}", "s3cr3t\n"])
    def test_in_a_string_that_a_library_hands_in_reaches_no_line(self, log: Log, value: str) -> None:
        log.library.warning("%s", value)
        log.library.warning("%s and %r", [value], {"key": (value,)}, extra={"more": value})
        log.library.error(SimpleNamespace(code=value))
        assert value not in log.text
        assert CANARY not in log.text
        assert log.lines[0]["message"] == f"({len(value)} characters)"

    @pytest.mark.parametrize(
        "name", ["intake.energy.v1.grid-sx", "kafka-python-3.0.12-0f2b6f0e-7c1d-4e58-9a53-111111111111", "127.0.0.1:9092", "localhost:9092"]
    )
    def test_is_not_seen_in_a_name_that_a_library_hands_in(self, log: Log, name: str) -> None:
        log.library.warning("%s", name)
        assert log.line["message"] == name

    def test_as_an_amount_reaches_no_line(self, log: Log) -> None:
        log.ours.error("%s", Decimal("123456.789"), extra={"amount": Decimal("123456.789")})
        assert "123456" not in log.text

    def test_with_nobody_to_catch_it_reaches_no_line(self, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        for hooked, name in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook"), (warnings, "showwarning")):
            monkeypatch.setattr(hooked, name, getattr(hooked, name))
        log_lines.catch_the_uncaught()

        class Dying:
            def __del__(self) -> None:
                int(CANARY)

        error = caught(lambda: int(CANARY))
        sys.excepthook(type(error), error, error.__traceback__)
        thread = threading.Thread(target=lambda: int(CANARY), name="worker")
        thread.start()
        thread.join()
        Dying()
        warnings.showwarning(CANARY, UserWarning, __file__, 7)
        assert [line["level"] for line in log.lines] == ["CRITICAL", "CRITICAL", "ERROR", "WARNING"]
        assert log.lines[1]["message"] == "an exception ends thread worker"
        assert all(str(line["exception"]).startswith("ValueError\n") for line in log.lines[:3])
        assert log.lines[3]["message"] == "Python warns: UserWarning at tests/unit/common/test_log_lines.py:7"
        assert CANARY not in log.text


class TestText:
    def test_that_was_put_together_by_a_library_is_replaced_by_its_source(self, log: Log) -> None:
        log.library.error("Topic is not there")
        log.library.error(f"Topic {CANARY} is not there")
        assert [line["message"] for line in log.lines] == ["Topic is not there", 'log.library.error(f"Topic {CANARY} is not there")']

    def test_of_ours_is_always_a_literal(self) -> None:
        for path in (Path(log_lines.__file__).parents[1]).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "_log":
                    assert isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}"

    def test_of_an_exception_of_ours_is_written_where_a_line_of_ours_asks_for_it(self, log: Log) -> None:
        fault = UnreadableBatch(TopicPartition("intake.energy", 3), 7, ValueError(CANARY))
        log.ours.error("not read: %s", fault)
        log.library.error("not read: %s", fault)
        assert [line["message"] for line in log.lines] == [
            "not read: intake.energy-3 from offset 7: ValueError",
            "not read: services.common.kafka.UnreadableBatch",
        ]


class TestLevel:
    def test_of_ours_is_the_one_that_was_set_and_libraries_are_heard_from_warning_on(self, log: Log) -> None:
        log.configure("DEBUG")
        log.ours.debug("ours")
        for name in ("kafka.producer.kafka", "sqlalchemy.engine.Engine", "grpc._server"):
            logging.getLogger(name).info("what passes through")
        log.library.warning("worth a look")
        logging.getLogger("kafka.net.selector").warning("Task %r ran for %.3fs", "x", 0.1)
        logging.getLogger("kafka.net.selector").error("IO loop crashed")
        assert [line["message"] for line in log.lines] == ["ours", "worth a look", "IO loop crashed"]

    def test_above_warning_holds_for_libraries_too(self, log: Log) -> None:
        log.configure("ERROR")
        log.ours.warning("ours")
        log.library.warning("theirs")
        assert log.lines == []


class TestNoise:
    @pytest.mark.parametrize(("logger", "text"), sorted(log_lines._NOISE))
    def test_is_left_out(self, log: Log, logger: str, text: str) -> None:
        logging.getLogger(logger).error(text, *["x"] * text.count("%s"))
        assert log.lines == []

    @pytest.mark.parametrize(("logger", "text"), sorted(log_lines._NOISE))
    def test_is_what_this_version_of_the_library_says(self, logger: str, text: str) -> None:
        package, _, module = logger.rpartition(".")
        assert f"'{text}'" in resources.files(package).joinpath(f"{module}.py").read_text()

    @pytest.mark.parametrize(
        ("logger", "text"),
        [
            ("kafka.cluster", "Topic %s is not authorized for this client"),
            ("kafka.cluster", "Topic %s not found in cluster metadata"),
            ("kafka.net.connection", "%s: Connection lost"),
            ("kafka.coordinator", "Marking the coordinator dead (node %s)"),
            ("kafka.coordinator.heartbeat", "Heartbeat session expired for %s"),
        ],
    )
    def test_is_nothing_else(self, log: Log, logger: str, text: str) -> None:
        logging.getLogger(logger).warning(text, "intake.energy.v1.grid-sx")
        assert log.line["message"] == text % "intake.energy.v1.grid-sx"

    def test_names_the_broker_where_the_library_does(self, log: Log) -> None:
        connection = type("KafkaConnection", (), {"__module__": "kafka.net.connection", "__str__": lambda _: "<KafkaConnection node_id=1>"})
        logging.getLogger("kafka.net.connection").error("%s: Connection lost: %s", connection(), KafkaConnectionError("111 ECONNREFUSED"))
        assert log.line["message"] == "<KafkaConnection node_id=1>: Connection lost: kafka.errors.KafkaConnectionError [ECONNREFUSED]"


def test_paths_are_told_without_the_machine(log: Log) -> None:
    log.ours.error("failed", exc_info=caught(lambda: json.loads("{")))
    assert "  json/decoder.py:" in str(log.line["exception"])
    assert str(Path(log_lines.__file__).parents[2]) not in log.text

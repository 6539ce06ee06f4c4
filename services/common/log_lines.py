"""Decides what may stand on a log line: our own words, numbers and names, never the text of an exception or the bytes of a record.

The texts of exceptions quote what was submitted: PostgreSQL the key that stands twice, int() what it could not read. What stands for
them is type, SQLSTATE, constraint and table, words of a closed vocabulary, and where it happened with the line of source, which reads
the same whatever came in.
"""

import errno
import json
import linecache
import logging
import math
import re
import sys
import sysconfig
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, TextIO
from uuid import UUID

import psycopg
from opentelemetry import trace
from sqlalchemy.exc import DBAPIError

_log = logging.getLogger(__name__)

OURS = "services"
# What every log record has anyway; whatever else it carries was handed in by `extra` and belongs on the line.
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_TEXT_CHARACTERS_MAX = 500
_CHAIN_MAX = 8
_FIRST_FRAMES = 5
_LAST_FRAMES = 20
# Strings of a library that are names: of a topic, a group, a member, a host. A subject code has no small letter, a figure no letter first.
_IDENTIFIER = re.compile(r"(?=.*[a-z])[A-Za-z][A-Za-z0-9_.:/-]{0,79}|\d{1,3}(\.\d{1,3}){3}(:\d{1,5})?")
# How many lines of source a call that logs may take until its text stands there.
_CALL_LINES = 3

# What an SRE wants of a failed connection, whose only account is a text. Nothing but these words can come out of it.
_TROUBLE = (
    "Connection refused",
    "Connection reset",
    "No route to host",
    "Name or service not known",
    "could not translate host name",
    "timeout expired",
    "timed out",
    "server closed the connection",
    "socket disconnected",
    "password authentication failed",
    "Authentication failed",
    "no pg_hba.conf entry",
    "too many clients",
    "too many connections",
    "remaining connection slots",
    "is starting up",
    "is shutting down",
    "in recovery mode",
    "certificate verify failed",
    "does not exist",
)
_ERRNO_NAME = re.compile(r"\bE[A-Z0-9]{3,}\b")

# What kafka-python 3.0.12 says at every connection, join or close, or says again: one fault would fill a screen.
_NOISE = frozenset({
    # SCRAM without TLS is what the settings chose; the password is not what is exchanged.
    ("kafka.net.sasl.scram", "Exchanging credentials in the clear during Sasl Authentication"),
    # The first join after a subscription runs before the metadata is there; the next one has it. Ours: "topics of …, missing …".
    ("kafka.coordinator.assignors.roundrobin", "No partition metadata for topic %s"),
    # Every close of a client cancels a refresh. One that failed has lost its connection, which kafka.net.connection says.
    ("kafka.cluster", "Metadata refresh: failed %s"),
    # Every second of an outage; kafka.net.manager names the broker and the cause.
    ("kafka.cluster", "No node available for metadata refresh - backoff/retry"),
    # Two steps on the way to kafka.net.connection's "Connection lost".
    ("kafka.net.transport", "%s: socket disconnected"),
    ("kafka.net.transport", "%s: Abort (%s)"),
})  # fmt: skip

# Longest first: the environment may lie within the repository.
_ROOTS = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), str(Path(__file__).parents[2])}, key=len, reverse=True)


def configure(service: str, level: str, stream: TextIO | None = None) -> None:
    """Send every log line of this process as JSON to stdout, or to `stream`.

    `level` is that of our own lines. Libraries are heard from WARNING on at most: below it they print what passes through them,
    kafka-python keys and values, SQLAlchemy rows.
    """
    handler = _Handler(sys.stdout if stream is None else stream)
    handler.setFormatter(JsonFormatter(service))
    handler.addFilter(is_news)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    logging.getLogger(OURS).setLevel(level)
    # Its warnings are of its own insides, nearly all that a task took 0.1 s, as on any busy machine. What breaks it is an error.
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)


def catch_the_uncaught() -> None:
    """Have what nobody catches, and what Python warns of, logged too: by itself Python prints exceptions to stderr with their texts."""

    def in_main(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        _log.critical("an exception ends the process", exc_info=(kind, error, where))

    def in_thread(found: threading.ExceptHookArgs) -> None:
        if found.exc_value is not None and not isinstance(found.exc_value, SystemExit):
            _log.critical("an exception ends thread %s", found.thread.name if found.thread is not None else None, exc_info=found.exc_value)

    def in_nobody(found: Any) -> None:
        _log.error("an exception has nowhere to go", exc_info=found.exc_value)

    def warned(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None, line: str | None = None
    ) -> None:
        _log.warning("Python warns: %s at %s", category, _place(filename, lineno))

    sys.excepthook, threading.excepthook, sys.unraisablehook = in_main, in_thread, in_nobody
    warnings.showwarning = warned


class JsonFormatter(logging.Formatter):
    """One JSON object per line, with the ids of the span in which it was logged. Never raises."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": _message(record),
        }
        if record.levelno >= logging.WARNING:
            line["at"] = f"{_place(record.pathname, record.lineno)} {record.funcName}"
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace_id"] = format(span.trace_id, "032x")
            line["span_id"] = format(span.span_id, "016x")
        ours = _is_ours(record.name)
        for name, value in vars(record).items():
            if name not in _STANDARD_FIELDS and name not in line:
                line[name] = _value(value, ours=ours)
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = described(record.exc_info[1])
        # A lone surrogate, which no stream takes, stays readable as the escape that JSON has for it.
        return json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def is_news(record: logging.LogRecord) -> bool:
    """Tell whether a line says anything; for use as a logging filter."""
    return not isinstance(record.msg, str) or (record.name, record.msg) not in _NOISE


def described(error: BaseException) -> str:
    """Describe an exception and what caused it, in lines: what each is, and its frames, innermost last."""
    lines = []
    for relation, one in _chain(error, "", set()):
        lines.append(relation + summary(one))
        lines += _frames(one)
    return "\n".join(lines)


def summary(error: BaseException) -> str:
    """Say in a few words what an exception is, without its text."""
    source = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    facts: list[str] = []
    if isinstance(source, psycopg.Error):
        told = source.diag
        named = {"SQLSTATE": source.sqlstate, "constraint": told.constraint_name, "table": told.table_name, "column": told.column_name}
        facts += [f"{what} {name}" for what, name in named.items() if name]
    if isinstance(error, OSError) and isinstance(error.errno, int):
        facts.append(errno.errorcode.get(error.errno, str(error.errno)))
    # The server's account of a statement may quote values; where there is a SQLSTATE it says enough.
    if not facts:
        facts += _trouble(source)
    return _name(type(error)) + (f" [{', '.join(facts)}]" if facts else "")


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (the library's name)
        """Drop a line that cannot be written: Python would print its arguments to stderr instead."""


def _message(record: logging.LogRecord) -> str:
    """Fill the text of a line with its arguments.

    A text that a library put together before may hold anything: its source stands for it. Ours are literals, which a test holds.
    """
    ours = _is_ours(record.name)
    if not isinstance(record.msg, str):
        return _shown(record.msg, ours=ours)
    if not record.args:
        written = ours or _is_written(record)
        return record.msg if written else _source(record.pathname, record.lineno) or "(a text made at run time)"
    try:
        if isinstance(record.args, Mapping):
            return record.msg % {name: _argument(value, ours=ours) for name, value in record.args.items()}
        return record.msg % tuple(_argument(value, ours=ours) for value in record.args)
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} (its arguments do not fit)"


def _is_written(record: logging.LogRecord) -> bool:
    """Tell whether the text of a line stands in the source of the call that logs it."""
    source = "".join(linecache.getlines(record.pathname)[record.lineno - 1 : record.lineno + _CALL_LINES])
    return f'"{record.msg}"' in source or f"'{record.msg}'" in source


def _argument(value: object, *, ours: bool) -> object:
    if ours and isinstance(value, BaseException) and _is_ours(type(value).__module__):
        # A line of ours that asks for an exception of ours by name means its text.
        return _cut(_text(value))
    return _value(value, ours=ours)


def _value(value: object, *, ours: bool) -> object:
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _shown(value, ours=ours)


def _shown(value: object, *, ours: bool) -> str:
    """Write a value that a line was given: names and what is made of them. Of anything else, which may hold a record, the type.

    Which strings ours hand in is ours to know; of a library's only what looks like a name is written.
    """
    match value:
        case BaseException():
            return summary(value)
        case Enum():
            return _shown(value.value, ours=ours)
        case type():
            return _name(value)
        case str() if not ours and not _IDENTIFIER.fullmatch(value):
            return f"({len(value)} characters)"
        case None | str() | int() | float() | UUID() | date() | PurePath():
            return _cut(str(value))
        case bytes() | bytearray() | memoryview():
            return f"({len(value)} bytes)"
        case Mapping():
            return _cut("{" + ", ".join(f"{_shown(name, ours=ours)}: {_shown(one, ours=ours)}" for name, one in value.items()) + "}")
        case tuple() | list() | set() | frozenset():
            return _cut("[" + ", ".join(_shown(one, ours=ours) for one in value) + "]")
    # Its connections and transports, which say which broker they are of.
    return _cut(str(value)) if type(value).__module__.startswith("kafka.net.") else f"({_name(type(value))})"


def _chain(error: BaseException | None, relation: str, seen: set[int]) -> Iterator[tuple[str, BaseException]]:
    if error is None or id(error) in seen or len(seen) >= _CHAIN_MAX:
        return
    seen.add(id(error))
    yield relation, error
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _chain(one, "one of them: ", seen)
    if error.__cause__ is not None:
        yield from _chain(error.__cause__, "caused by ", seen)
    elif not error.__suppress_context__:
        yield from _chain(error.__context__, "while handling ", seen)


def _frames(error: BaseException) -> list[str]:
    frames = [
        f"  {_place(frame.f_code.co_filename, lineno)} {frame.f_code.co_qualname}: {_source(frame.f_code.co_filename, lineno)}"
        for frame, lineno in traceback.walk_tb(error.__traceback__)
    ]
    left_out = len(frames) - _FIRST_FRAMES - _LAST_FRAMES
    if left_out > 0:
        frames[_FIRST_FRAMES:-_LAST_FRAMES] = [f"  … {left_out} frames …"]
    return frames


def _place(filename: str, lineno: int) -> str:
    for root in _ROOTS:
        if filename.startswith(root):
            return f"{filename[len(root) + 1 :]}:{lineno}"
    return f"{filename}:{lineno}"


def _source(filename: str, lineno: int) -> str:
    return _cut(linecache.getline(filename, lineno).strip())


def _trouble(error: BaseException) -> list[str]:
    text = _text(error)
    known = set(errno.errorcode.values())
    return [name for name in dict.fromkeys(_ERRNO_NAME.findall(text)) if name in known] + [words for words in _TROUBLE if words in text]


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _is_ours(name: str) -> bool:
    return name == OURS or name.startswith(f"{OURS}.")


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT_CHARACTERS_MAX else f"{text[:_TEXT_CHARACTERS_MAX]}… ({len(text)} characters)"

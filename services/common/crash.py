"""Names the places where a test may kill the process, and finds all of them in the code.

Inert unless armed by a setting that the production profile refuses. The kill is SIGKILL, because every softer end would
run handlers that a power cut does not run.
"""

import ast
import os
import re
import signal
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_SPEC = re.compile(r"([a-z][a-z0-9_.-]*)(?:@([1-9][0-9]*))?\Z")


class CrashPointsRefused(Exception):
    """A crash point was asked for where none may be armed, or in words that name none."""


@dataclass(kw_only=True)
class _Armed:
    name: str | None = None
    remaining: int = 0


# The one global of the mechanism: a crash point must be reachable from anywhere without being handed through every signature.
_armed = _Armed()
_lock = threading.Lock()


def arm(spec: str | None, allowed: bool) -> None:
    """Arm one crash point: `name` kills when it is passed first, `name@3` when it is passed for the third time.

    None disarms. The count is of this process; threads share it.

    Raises:
        CrashPointsRefused: not allowed here, or the spec cannot be read.
    """
    if spec is None or spec == "":
        _armed.name = None
        return
    if not allowed:
        raise CrashPointsRefused("a crash point is named but crash points are not allowed (ALLOW_CRASH_POINTS, never in production)")
    match = _SPEC.match(spec)
    if match is None:
        raise CrashPointsRefused(f"{spec!r} is not a crash point: write name or name@3")
    _armed.remaining = int(match.group(2) or 1)
    _armed.name = match.group(1)


def crash_point(name: str) -> None:
    """Kill this process here and now if this place is armed; otherwise do nothing."""
    if _armed.name != name:
        return
    with _lock:
        _armed.remaining -= 1
        due = _armed.remaining == 0
    if due:
        os.kill(os.getpid(), signal.SIGKILL)


def enumerate_points(package_dirs: Iterable[str | Path]) -> list[str]:
    """List every crash point written in the Python files under `package_dirs`, sorted, each once.

    A literal `transaction("x")` or `something.transaction("x")` stands for two points, `x.before_commit` and
    `x.after_commit`; a literal `crash_point("x")` for one. Names built at run time are not found, which is why they are
    written as literals.

    Raises:
        ValueError: a crash point is named by anything but a literal, so that a chaos test would miss it.
    """
    points: set[str] = set()
    for directory in package_dirs:
        for path in sorted(Path(directory).rglob("*.py")):
            points.update(_points_of(path))
    return sorted(points)


def _points_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if not isinstance(node, ast.Call):
            continue
        called = _called_name(node.func)
        if called not in ("transaction", "crash_point"):
            continue
        literal = _only_literal(node)
        if literal is None:
            # The mechanism itself builds the two names of a transaction from its one literal.
            if called == "crash_point" and _is_built_from_transaction(node):
                continue
            if called == "crash_point" or node.args or node.keywords:
                raise ValueError(f"{path}:{node.lineno}: {called}(…) must name its crash point by a literal")
            continue
        if called == "transaction":
            yield f"{literal}.before_commit"
            yield f"{literal}.after_commit"
        else:
            yield literal


def _called_name(function: ast.expr) -> str | None:
    if isinstance(function, ast.Name):
        return function.id
    if isinstance(function, ast.Attribute):
        return function.attr
    return None


def _only_literal(call: ast.Call) -> str | None:
    values = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "name")]
    if values and isinstance(values[0], ast.Constant) and isinstance(values[0].value, str):
        return values[0].value
    return None


def _is_built_from_transaction(call: ast.Call) -> bool:
    argument = call.args[0] if call.args else None
    if not isinstance(argument, ast.JoinedStr) or not argument.values:
        return False
    last = argument.values[-1]
    return isinstance(last, ast.Constant) and last.value in (".before_commit", ".after_commit")

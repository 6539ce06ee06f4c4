"""Crash points: inert unless armed where it is allowed, and all of them found in the code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common import crash
from services.common.crash import CrashPointsRefused, enumerate_points

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    crash.arm(None, False)


class TestArm:
    @pytest.mark.parametrize("spec", ["outbox.claim", "outbox.claim@2"])
    def test_is_refused_where_crash_points_are_not_allowed(self, spec: str) -> None:
        with pytest.raises(CrashPointsRefused):
            crash.arm(spec, False)

    @pytest.mark.parametrize("spec", ["@3", "name@0", "name@-1", "name@x", "Name", "a b", "name@"])
    def test_refuses_what_names_no_point(self, spec: str) -> None:
        with pytest.raises(CrashPointsRefused):
            crash.arm(spec, True)

    @pytest.mark.parametrize("spec", [None, ""])
    def test_arms_nothing_by_nothing(self, spec: str | None) -> None:
        """Being alive afterwards is the proof."""
        crash.arm("one.point", True)
        crash.arm(spec, False)
        assert [crash.crash_point(name) for name in ("", "one.point", "anything")] == [None] * 3

    @pytest.mark.parametrize(("spec", "passes"), [("here", 1), ("here@3", 3)])
    def test_kills_at_the_pass_that_was_asked_for(self, spec: str, passes: int) -> None:
        script = (
            "import sys; from services.common import crash\n"
            "crash.arm(sys.argv[1], True)\n"
            "for number in range(5):\n"
            "    crash.crash_point('elsewhere')\n"
            "    crash.crash_point('here')\n"
            "    print(number, flush=True)\n"
        )
        done = subprocess.run([sys.executable, "-c", script, spec], cwd=ROOT, capture_output=True, text=True, timeout=30)
        assert done.returncode == -9
        assert done.stdout.split() == [str(number) for number in range(passes - 1)]


def written(path: Path, text: str) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / "module.py").write_text(text)
    return path


class TestEnumeratePoints:
    def test_finds_both_sides_of_every_transaction_and_every_point_once(self, tmp_path: Path) -> None:
        one = written(tmp_path / "one", "with db.transaction('a.b') as t:\n    crash_point('c')\ncrash.crash_point('c')\n")
        two = written(tmp_path / "two" / "deeper", "def f(d):\n    with transaction(name='x') as t: pass\n")
        expected = ["a.b.after_commit", "a.b.before_commit", "c", "x.after_commit", "x.before_commit"]
        assert enumerate_points([one, two.parent]) == expected

    @pytest.mark.parametrize("text", ["crash_point(name)", "db.transaction(name)", "crash_point()", "db.transaction(f'a.{b}')"])
    def test_refuses_a_point_that_a_test_could_not_name(self, text: str, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"module\.py:1"):
            enumerate_points([written(tmp_path / "one", text)])

    def test_does_not_mistake_other_calls(self, tmp_path: Path) -> None:
        assert enumerate_points([written(tmp_path / "one", "other('a')\nx.transaction()\nf'transaction'\n'crash_point(\"x\")'\n")]) == []

    def test_brackets_every_commit_and_publish_of_the_mechanism(self) -> None:
        points = enumerate_points([ROOT / "services" / "common"])
        for name in ("outbox.claim", "outbox.mark", "consumer.batch"):
            assert {f"{name}.before_commit", f"{name}.after_commit"} <= set(points)
        assert {"outbox.before_send", "outbox.after_send", "consumer.before_kafka_commit"} <= set(points)

"""Loops and signals in a real process, and what telemetry shows of it from outside."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

_SERVE = """
import logging, sys, threading
from services.common import metrics, telemetry
from services.common.process import run_until_stopped
from services.common.settings import TelemetrySettings

telemetry_ = telemetry.configure("test", TelemetrySettings())
log = logging.getLogger("services.loop")

def steady(stop):
    with telemetry.span("work"):
        log.info("started %s", "steady", extra={"port": telemetry_.metrics_port, "traceparent": telemetry.current_traceparent()})
    metrics.OUTBOX_PUBLISHED.add(3, {"topic": "t"})
    metrics.CONSUMER_LAG.replace({"consumer": "c"}, "topic", {"t": 7, "u": 1})
    metrics.CONSUMER_LAG.replace({"consumer": "c"}, "topic", {"t": 8})
    metrics.RPC_DURATION.record(0.002, {"method": "/m", "code": "OK"})
    stop.wait()

def breaking(stop):
    stop.wait(0.3)
    raise RuntimeError("broken invariant")

loops = {"steady": steady, **({"breaking": breaking} if "break" in sys.argv else {})}
code = run_until_stopped(loops, lambda: log.info("on stop"))
telemetry_.shutdown()
sys.exit(code)
"""


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _SERVE, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)


class TestRunUntilStopped:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_ends_with_zero_when_told_to(self, number: signal.Signals) -> None:
        child = started()
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(number)
        rest, _ = child.communicate(timeout=10)
        assert child.returncode == 0
        assert [json.loads(line)["message"] for line in rest.splitlines()] == ["stopping", "on stop"]

    def test_a_loop_that_raises_stops_everything_with_one(self) -> None:
        child = started("break")
        out, _ = child.communicate(timeout=10)
        assert child.returncode == 1
        lines = [json.loads(line) for line in out.splitlines()]
        broke = next(line for line in lines if line["level"] == "ERROR")
        assert broke["message"] == "loop breaking broke"
        assert re.fullmatch(r"RuntimeError\n  services/common/process\.py:\d+ .*\n  <string>:\d+ breaking: ", broke["exception"])
        assert "on stop" in [line["message"] for line in lines]


class TestTelemetry:
    def test_logs_json_with_trace_ids_and_serves_metrics(self) -> None:
        child = started()
        assert child.stdout is not None
        line = json.loads(child.stdout.readline())
        time.sleep(0.3)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{line['port']}/metrics", timeout=5) as answer:
                page = answer.read().decode()
        finally:
            child.terminate()
            child.communicate(timeout=10)
        assert (line["service"], line["level"], line["message"]) == ("test", "INFO", "started steady")
        assert line["traceparent"].startswith(f"00-{line['trace_id']}-{line['span_id']}-")
        samples = dict(row.rsplit(" ", 1) for row in page.splitlines() if row.startswith("carbonbureau_"))
        assert _only(samples, "carbonbureau_outbox_published_total", 'topic="t"') == "3.0"
        assert _only(samples, "carbonbureau_consumer_lag", 'topic="') == "8.0"
        assert _only(samples, "carbonbureau_rpc_duration_seconds_bucket", 'le="0.0025"') == "1.0"


def _only(samples: dict[str, str], name: str, label: str) -> str:
    (value,) = [value for sample, value in samples.items() if sample.startswith(name + "{") and label in sample]
    return value

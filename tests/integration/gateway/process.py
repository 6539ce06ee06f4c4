"""The gateway as a process of its own, started by its own command: for what only a whole process shows."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.state import REPOSITORY


@dataclass(kw_only=True)
class ServiceProcess:
    """One running `python -m services.<service> serve`, with its log and its ports."""

    child: subprocess.Popen[bytes]
    log_file: Path
    settings: Mapping[str, str]
    prefix: str

    def setting(self, name: str) -> str:
        return self.settings[self.prefix + name]

    @property
    def port(self) -> int:
        return int(self.setting("RPC_LISTEN_ADDRESS").rpartition(":")[2])

    @property
    def portal_port(self) -> int:
        return int(self.setting("PORTAL_LISTEN_ADDRESS").rpartition(":")[2])

    def log(self) -> list[dict[str, Any]]:
        """Give the JSON lines of the log; other lines are left out."""
        found = []
        for line in self.log_file.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                found += [entry] if isinstance(entry, dict) else []
        return found

    def events(self, event: str) -> list[dict[str, Any]]:
        return [entry for entry in self.log() if entry.get("event") == event]

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.setting('METRICS_PORT')}/metrics", timeout=5) as answer:
            text: str = answer.read().decode()
        return text

    def metric(self, name: str, **labels: str) -> float:
        """Give the value of one series, 0 when there is none."""
        for line in self.metrics().splitlines():
            if line.startswith(f"carbonbureau_{name}") and all(f'{label}="{value}"' in line for label, value in labels.items()):
                return float(line.rpartition(" ")[2])
        return 0.0

    def wait(self, what: str, condition: Callable[[], object], *, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}\n{self.log_file.read_text()[-3000:]}"
            time.sleep(0.05)

    def wait_ready(self) -> None:
        with grpc.insecure_channel(self.setting("HEALTH_LISTEN_ADDRESS")) as channel:
            stub = health_pb2_grpc.HealthStub(channel)

            def serving() -> bool:
                assert self.child.poll() is None, f"ended with {self.child.returncode}:\n{self.log_file.read_text()[-3000:]}"
                with contextlib.suppress(grpc.RpcError):
                    answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
                    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
                return False

            self.wait("serving", serving, seconds=40)

    def wait_killed(self) -> None:
        assert self.child.wait(timeout=60) == -signal.SIGKILL, self.log_file.read_text()[-3000:]

    def stop(self) -> int:
        """End the process as Kubernetes would and give its exit code."""
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(timeout=30)


@contextlib.contextmanager
def serving(service: str, settings: Mapping[str, str], log_file: Path, *, ready: bool = True) -> Iterator[ServiceProcess]:
    """Run a service; whatever happens, it is gone afterwards."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CARBONBUREAU_")}
    with log_file.open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", f"services.{service}", "serve"],
            cwd=REPOSITORY,
            env={**inherited, **settings, "PYTHONUNBUFFERED": "1"},
            stdout=log,
            stderr=log,
        )
    process = ServiceProcess(child=child, log_file=log_file, settings=settings, prefix=f"CARBONBUREAU_{service.upper()}_")
    try:
        if ready:
            process.wait_ready()
        yield process
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()

"""The commands of the collector, as a person or the supervisor runs them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kafka import KafkaProducer

from deploy.local.plan import PROVIDERS_FILE
from services.collector.__main__ import main
from tests.integration.collector.conftest import Collector
from tests.integration.collector.test_providers import Directory, applied
from tests.unit.collector.submissions import CODE, electricity, entry, fuel, month, reported

__all__ = ["applied"]


@pytest.fixture
def environment(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give a function that sets the collector's settings, further ones by name."""

    def set_settings(**more: str) -> None:
        settings = {
            "POSTGRES_URL": collector.url,
            "POSTGRES_PASSWORD_FILE": str(collector.password_file),
            "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "KAFKA_USERNAME": "collector",
            "KAFKA_PASSWORD_FILE": str(collector.password_file),
            **more,
        }
        for name, value in settings.items():
            monkeypatch.setenv(f"CARBONBUREAU_COLLECTOR_{name}", value)

    return set_settings


class TestSummary:
    def test_is_one_json_object_in_which_counts_add_up(
        self, collector: Collector, environment: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        collector.take(*(collector.record("grid-sx", one) for one in (electricity("1"), electricity("-1"), b"\xff")))
        environment()
        assert main(["summary"]) == 0
        summary = json.loads(capsys.readouterr().out)
        assert summary["records"] == {"accepted": 1, "parked": 0, "duplicate": 0, "rejected": 1, "quarantined": 1}
        assert summary["submissions_by_kind"] == {"ELECTRICITY_USE": 1}
        assert summary["dirty_subjects"] == 1


class TestMethods:
    def test_are_released_tried_and_recomputed(
        self, collector: Collector, environment: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        collector.send(("ndrc-sx", entry()), ("grid-sx", electricity("1000")))
        collector.rebuild()
        environment()
        decided = ["--operator", "wang", "--reason", "the guideline was revised"]
        assert main(["methods", "releases"]) == 0
        assert "first release of this database" in capsys.readouterr().out
        assert main(["methods", "dry-run", "general-industry", "--subject", CODE]) == 0
        tried = capsys.readouterr().out
        assert "general-industry/2015 tried on a subject of industry 4411, accounted by release 1" in tried
        assert "scope 2 MARKET_BASED  0.000000    609.600000  609.600000" in tried
        # The same files are no new release; there is no second one to go to; everyone is on the first.
        assert main(["methods", "release", *decided]) == 1
        assert main(["methods", "recompute", "--release", "2", "--all", *decided]) == 1
        assert main(["methods", "recompute", "--release", "1", "--subject", CODE, *decided]) == 0
        said = capsys.readouterr()
        assert "ALREADY_RELEASED" in said.err
        assert "RELEASE_NOT_FOUND" in said.err
        assert "0 accounts go to release 1" in said.out
        assert main(["summary"]) == 0
        assert json.loads(capsys.readouterr().out)["tables"]["method_run"] == 1


class TestExplain:
    def test_prints_the_account(self, collector: Collector, environment: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
        collector.send(*(("eco-sx", reported("100.5", "7", period=month(2024, number))) for number in range(1, 13)))
        collector.rebuild()
        environment()
        assert main(["explain", "--subject", CODE]) == 0
        text = capsys.readouterr().out
        for shown in (CODE, "1206.000000", "84.000000", "SUBJECT_NOT_IN_DIRECTORY", "12 submissions", "emissions-as-reported/1"):
            assert shown in text

    def test_by_period_gives_the_same_bytes_for_an_instant_after_a_correction_as_before(
        self, collector: Collector, environment: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        collector.send(
            *(("eco-sx", reported("100.5", "7", record_number=str(number), period=month(2024, number))) for number in range(1, 13))
        )
        collector.rebuild()
        then = collector.rows("SELECT clock_timestamp() AS now")[0]["now"].isoformat()
        environment()
        command = ["explain", "--subject", CODE, "--by", "quarter", "--known-on", then, "--json"]
        assert main(command) == 0
        before = capsys.readouterr().out
        collector.send(("eco-sx", reported("1", "7", record_number="2", record_revision=2, period=month(2024, 2))))
        collector.rebuild()
        assert main(command) == 0
        assert capsys.readouterr().out == before
        first = json.loads(before)["periods"][0]
        assert (first["name"], first["complete"], first["totals"][-1]["amount_tco2e"]) == ("2024-Q1", True, "322.500000")
        assert main([*command[:5]]) == 0
        assert "2024-Q1  complete" in (text := capsys.readouterr().out)
        assert "223.000000" in text
        assert main(["explain", "--subject", CODE, "--json"]) == 2

    def test_says_what_it_cannot(self, environment: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
        environment()
        assert main(["explain", "--subject", CODE]) == 1
        assert main(["explain", "--subject", CODE, "--known-on", "2999-01-01T00:00:00+08:00"]) == 1
        errors = capsys.readouterr().err
        assert "SUBJECT_NOT_FOUND" in errors
        assert "NOT_YET_KNOWABLE" in errors


class TestProvidersShow:
    def test_prints_the_directory_as_it_holds_with_what_came(
        self, collector: Collector, environment: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        collector.take(*(collector.record("grid-sx", one) for one in (electricity("1"), electricity("-1"), b"\xff")))
        environment()
        assert main(["providers", "show", "--provider", "grid-sx"]) == 0
        text = capsys.readouterr().out
        for shown in ("grid-sx  山西电网 (sandbox)  (电力)", "3 records in the last 24 h of 2,000,000", "every month, due 10 days"):
            assert shown in text
        assert "tax-sx" not in text
        assert main(["providers", "show"]) == 0
        assert "tax-sx" in capsys.readouterr().out

    def test_says_whom_it_does_not_know(self, environment: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
        environment()
        assert main(["providers", "show", "--provider", "nobody"]) == 1
        assert "nobody is not in the directory" in capsys.readouterr().err


class TestRefusals:
    def test_of_settings_name_the_setting(self, environment: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
        environment(POOL_SIZ="3", INTAKE_BATCH_RECORDS_MAX="0")
        assert main(["serve"]) == 2
        errors = capsys.readouterr().err
        assert "CARBONBUREAU_COLLECTOR_POOL_SIZ" in errors

    def test_of_a_directory_name_every_fault(
        self, environment: Callable[..., None], capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        environment()
        file = tmp_path / "providers.toml"
        file.write_text(
            PROVIDERS_FILE.read_text(encoding="utf-8").replace('"OUTPUT"', '"OUTPT"', 1).replace('"grid-sx"', '"Grid"'), "utf-8"
        )
        assert main(["providers", "apply", str(file), "--secrets-dir", str(tmp_path)]) == 1
        errors = capsys.readouterr().err
        assert "OUTPT" in errors
        assert "Grid" in errors

    def test_of_a_key_that_everyone_can_sign_with_is_made_in_production(
        self, environment: Callable[..., None], capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        environment(PROFILE="production")
        assert main(["providers", "apply", str(PROVIDERS_FILE), "--secrets-dir", str(tmp_path)]) == 1
        assert "verify-sx: the private part of key" in capsys.readouterr().err


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_serving(port: int) -> bool:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def wait(what: Callable[[], bool], *, seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "did not come to pass in time"
        time.sleep(0.1)


class TestServe:
    def test_runs_the_whole_service_until_it_is_told_to_stop(self, applied: Directory) -> None:
        applied.apply(eco="REPORTED_EMISSIONS", ent="FUEL_USE")
        collector, port = applied.collector, free_port()
        prefix = "CARBONBUREAU_COLLECTOR_"
        settings = {
            "POSTGRES_URL": collector.url,
            "POSTGRES_PASSWORD_FILE": str(collector.password_file),
            "KAFKA_BOOTSTRAP_SERVERS": applied.broker.bootstrap_servers,
            "KAFKA_USERNAME": "collector",
            "KAFKA_PASSWORD_FILE": str(applied.broker.password_file("collector")),
            "HEALTH_LISTEN_ADDRESS": f"127.0.0.1:{port}",
        }
        with subprocess.Popen(
            [sys.executable, "-m", "services.collector", "serve"],
            env={**os.environ, **{prefix + name: value for name, value in settings.items()}},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                wait(lambda: is_serving(port))
                producer = KafkaProducer(**applied.client("ent"), acks="all")
                sent = fuel("1")
                producer.send(f"intake.energy.v1.{applied.code('ent')}", sent.SerializeToString(), key=CODE.encode()).get(timeout=10)
                producer.close(timeout=1)
                wait(lambda: bool(collector.statements()))
                wait(lambda: collector.rows("SELECT count(*) AS n FROM outbox_event WHERE published_at IS NULL")[0]["n"] == 0)
                process.send_signal(signal.SIGTERM)
                output, _ = process.communicate(timeout=30)
            finally:
                process.kill()
        assert process.returncode == 0
        lines = [json.loads(line) for line in output.splitlines()]
        (revised,) = (line for line in lines if line.get("event") == "account-revised")
        assert (revised["subject_code"], revised["account_revision"]) == ("…" + CODE[-4:], 1)
        assert CODE not in output

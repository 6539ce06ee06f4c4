"""`python -m deploy.local` with the real servers, as a person uses it."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg
from kafka import KafkaAdminClient

from deploy.local import kafka, postgres, processes
from deploy.local.environment import servers_from
from deploy.local.state import REPOSITORY, open_state


def deploy_local(*arguments: str, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.local", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **(variables or {})},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


class TestServers:
    def test_are_started_taken_over_shown_and_stopped(self, state_dir):
        state, options = open_state(state_dir), ("--servers-only", "--state", str(state_dir))
        assert deploy_local("status", *options).returncode == 3

        killed = subprocess.Popen([sys.executable, "-u", "-m", "deploy.local", "run", *options], stdout=subprocess.PIPE, text=True)
        assert killed.stdout is not None
        assert any("Ctrl-C" in line for line in killed.stdout)
        before = {name: record.pid for name, record in state.processes().items()}
        killed.kill()
        killed.communicate()
        shown = deploy_local("status", *options)
        assert shown.returncode == 0
        for words in ("running", str(before["postgres"]), str(state.port("kafka")), str(state.log_file("kafka"))):
            assert words in shown.stdout

        again = deploy_local("up", *options)
        assert "postgres: taken over" in again.stdout
        assert "kafka: taken over" in again.stdout

        stopped = deploy_local("stop", "--state", str(state_dir))
        assert stopped.stdout == "kafka: stopped\npostgres: stopped\n"
        assert not state.processes()
        assert all(processes.identity(pid) is None for pid in before.values())
        assert not processes.strays(state)

    def test_may_be_those_of_somebody_else(self, state_dir):
        """Their own passwords, roles and topics are made on a server that another state directory runs."""
        with postgres.running(state_dir / "theirs") as database, kafka.running(state_dir / "theirs") as broker:
            (state_dir / "ours").mkdir()
            variables = {
                "CARBONBUREAU_POSTGRES_ADMIN_URL": database.admin_url,
                "CARBONBUREAU_POSTGRES_ADMIN_PASSWORD_FILE": str(database.admin_password_file),
                "CARBONBUREAU_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
                "CARBONBUREAU_KAFKA_ADMIN_USERNAME": "admin",
                "CARBONBUREAU_KAFKA_ADMIN_PASSWORD_FILE": str(broker.password_file("admin")),
                "CARBONBUREAU_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            }
            ours = open_state(state_dir / "ours")
            done = deploy_local("up", "--servers-only", "--state", str(ours.path), variables=variables)

            assert done.returncode == 0, done.stderr
            assert done.stdout.count("outside") == 2
            assert not ours.processes()
            servers = servers_from(variables, ours)
            with psycopg.connect(servers.postgres.url(role="scoring"), password=ours.password("scoring")) as connection:
                assert connection.execute("SELECT current_schema").fetchone() == ("scoring",)
            settings = servers.kafka.client_settings("gateway", ours.password_file("gateway"))
            with contextlib.closing(KafkaAdminClient(**settings)) as gateway:
                assert gateway.list_topics() == ["bureau.report-revised.v1"]

    def test_that_cannot_be_reached_are_named_in_one_line(self, state_dir):
        (state_dir / "password").write_text("x")
        variables = {
            "CARBONBUREAU_POSTGRES_ADMIN_URL": "postgresql://owner@127.0.0.1:1/carbon",
            "CARBONBUREAU_POSTGRES_ADMIN_PASSWORD_FILE": str(state_dir / "password"),
            "CARBONBUREAU_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "CARBONBUREAU_KAFKA_ADMIN_USERNAME": "admin",
            "CARBONBUREAU_KAFKA_ADMIN_PASSWORD_FILE": str(state_dir / "password"),
        }
        done = deploy_local("up", "--servers-only", "--state", str(state_dir), variables=variables)
        assert done.returncode == 1
        assert done.stderr.startswith("deploy.local: the outside postgres server cannot be prepared: ")


class TestMissingPrograms:
    def test_are_named_in_one_line_before_anything_starts(self, state_dir):
        done = deploy_local("up", "--servers-only", "--state", str(state_dir), variables={"PATH": "/nonexistent", "JAVA_HOME": ""})
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert "install a Java 17" in done.stderr
        assert not open_state(state_dir).processes()


class TestClean:
    def test_removes_everything_of_a_state_directory(self, state_dir):
        (state_dir / "closed").mkdir(mode=0o700)
        path: Path = state_dir / "closed" / "state"
        with postgres.running(path) as server:
            pass
        assert deploy_local("clean", "--state", str(path)).returncode == 0
        assert not list(path.iterdir())
        assert not server.home.exists()


class TestSignals:
    def test_end_a_start_half_way(self, state_dir):
        starting = subprocess.Popen(
            [sys.executable, "-u", "-m", "deploy.local", "run", "--servers-only", "--state", str(state_dir)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert starting.stdout is not None
        assert "postgres: ready" in starting.stdout.readline()
        starting.send_signal(signal.SIGTERM)
        _, error = starting.communicate(timeout=60)
        assert (starting.returncode, error) == (0, "")
        assert not open_state(state_dir).processes()

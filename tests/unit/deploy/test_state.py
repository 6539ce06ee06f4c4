"""What the runtime remembers."""

import os
import threading

import pytest

from deploy.local import processes
from deploy.local.errors import CannotRunError
from deploy.local.state import ProcessRecord, open_state


def record(pid: int, identity: str) -> ProcessRecord:
    return ProcessRecord(pid=pid, identity=identity, fingerprint="", stop_signal=15, stop_seconds_max=1.0)


class TestState:
    def test_is_open_to_pass_but_closed_where_secrets_lie(self, tmp_path):
        state = open_state(tmp_path / "state")
        assert state.path.stat().st_mode & 0o777 == 0o711
        for folder in (state.secrets, state.keys, state.tls):
            assert folder.stat().st_mode & 0o777 == 0o700
        assert state.password_file("collector").stat().st_mode & 0o777 == 0o600

    def test_remembers_passwords_and_ports(self, state):
        again = open_state(state.path)
        assert again.password("collector") == state.password("collector") != state.password("scoring")
        assert again.port("kafka") == state.port("kafka")

    def test_loses_no_record_to_a_concurrent_one(self, state):
        threads = [threading.Thread(target=state.record_process, args=(f"p{number}", record(number, "x"))) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(state.processes()) == {f"p{number}" for number in range(20)}

    def test_lists_processes_in_the_order_of_their_start(self, state):
        for name in ("a", "b", "a"):
            state.record_process(name, record(1, "x"))
        assert list(state.processes()) == ["b", "a"]

    def test_says_so_when_its_file_was_damaged(self, state):
        state.runtime_file.write_text("{")
        with pytest.raises(CannotRunError, match="not JSON"):
            state.processes()

    def test_replaces_a_link_planted_under_a_file_s_name(self, state, tmp_path):
        target = tmp_path / "target"
        target.write_text("{}")
        state.runtime_file.unlink()
        state.runtime_file.symlink_to(target)
        state.record_process("a", record(1, "x"))
        assert target.read_text() == "{}"


class TestAdopt:
    def test_takes_the_process_it_recorded(self, state):
        state.record_process("us", record(os.getpid(), processes.identity(os.getpid()) or ""))
        assert processes.adopt(state, "us") is not None

    def test_forgets_a_process_whose_pid_a_stranger_has(self, state):
        state.record_process("gone", record(os.getpid(), "another boot:1"))
        assert processes.adopt(state, "gone") is None
        assert state.process("gone") is None

"""What a person is told when a program is missing."""

from pathlib import Path

import pytest

from deploy.local import kafka_programs
from deploy.local.errors import CannotRunError


def fake_java(folder: Path, version: str) -> Path:
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    program.chmod(0o755)
    return program


class TestJava:
    def test_is_named_as_missing_with_what_to_install(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("JAVA_HOME", raising=False)
        with pytest.raises(CannotRunError, match=r"(?s)^[^\n]*no.* on the path: install a Java 17[^\n]*$"):
            kafka_programs.java()

    @pytest.mark.parametrize("version", ["1.8.0_402", "11.0.22"])
    def test_is_refused_when_too_old(self, monkeypatch, tmp_path, version):
        fake_java(tmp_path, version)
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))
        with pytest.raises(CannotRunError, match=r"needs Java 17, and .* is older"):
            kafka_programs.java()

    @pytest.mark.parametrize("version", ["17.0.15", "21", "25.0.1"])
    def test_is_taken_from_java_home_first(self, monkeypatch, tmp_path, version):
        program = fake_java(tmp_path, version)
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))
        assert kafka_programs.java() == str(program)


class TestJars:
    def test_name_maven_as_missing_and_leave_nothing_half_fetched(self, monkeypatch, tmp_path):
        monkeypatch.setattr(kafka_programs, "CACHE", tmp_path / "cache")
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(CannotRunError, match="install it"):
            kafka_programs.jars()
        assert not list((tmp_path / "cache").glob("*/lib*"))

    def test_tell_maven_s_own_reason_when_it_fails(self, monkeypatch, tmp_path):
        maven = tmp_path / "mvn"
        maven.write_text("#!/bin/sh\necho '[ERROR] the network is unreachable'\nexit 1\n")
        maven.chmod(0o755)
        monkeypatch.setattr(kafka_programs, "CACHE", tmp_path / "cache")
        monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
        said: list[str] = []
        with pytest.raises(CannotRunError, match="the network is unreachable"):
            kafka_programs.jars(said.append)
        assert said == ["fetching Apache Kafka 4.1.1 (about 54 MB, once)"]
        assert not list((tmp_path / "cache").glob("*/lib-*"))

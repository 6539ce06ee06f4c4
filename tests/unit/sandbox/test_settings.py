"""Settings are asked for where they are needed, and missing ones are named all at once."""

from pathlib import Path

import pytest

from services.common.settings import SettingsError, load
from services.sandbox.__main__ import main
from services.sandbox.settings import SandboxSettings


class TestSandboxSettings:
    def test_gives_each_provider_its_own_principal_and_password(self, tmp_path: Path) -> None:
        (tmp_path / "grid-sx.password").write_text("canary-51\n")
        environment = {
            "CARBONBUREAU_SANDBOX_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1,127.0.0.1:2",
            "CARBONBUREAU_SANDBOX_SECRETS_DIR": str(tmp_path),
        }
        settings = load(SandboxSettings, service="sandbox", environment=environment)
        access = settings.kafka_as("grid-sx")
        assert access.username == "grid-sx"
        assert access.bootstrap_servers == ("127.0.0.1:1", "127.0.0.1:2")
        assert access.password_file.read() == "canary-51"
        assert "canary-51" not in repr(settings) + repr(access)

    def test_says_which_provider_has_no_password(self, tmp_path: Path) -> None:
        settings = SandboxSettings(kafka_bootstrap_servers=("127.0.0.1:1",), secrets_dir=str(tmp_path))
        with pytest.raises(SettingsError, match="is nobody-sx in the provider directory"):
            settings.kafka_as("nobody-sx")

    def test_names_every_missing_setting_of_the_bank_at_once(self) -> None:
        with pytest.raises(SettingsError) as missing:
            SandboxSettings().bank()
        assert len(missing.value.problems) == 4

    def test_refuses_a_setting_that_does_not_exist(self) -> None:
        with pytest.raises(SettingsError, match="did you mean CARBONBUREAU_SANDBOX_GATEWAY_ADDRESS"):
            load(SandboxSettings, service="sandbox", environment={"CARBONBUREAU_SANDBOX_GATEWAY_ADRESS": "x"})


class TestCommands:
    def test_end_with_two_and_a_clear_line_when_a_setting_is_missing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.delenv("CARBONBUREAU_SANDBOX_KAFKA_BOOTSTRAP_SERVERS", raising=False)
        assert main(["notices", "--provider", "grid-sx"]) == 2
        assert "CARBONBUREAU_SANDBOX_KAFKA_BOOTSTRAP_SERVERS: required" in capsys.readouterr().err

    def test_end_with_one_when_the_file_is_missing(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["replay", str(tmp_path / "missing.csv")]) == 1
        assert "missing.csv" in capsys.readouterr().err

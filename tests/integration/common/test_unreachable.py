"""A command that cannot reach the database says so in one line, whichever service it is of."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest


@pytest.mark.parametrize("service", ["collector", "scoring", "reports", "gateway"])
@pytest.mark.parametrize("command", ["summary", "migrate"])
def test_says_in_one_line_that_the_database_is_away(
    service: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("canary-password")
    settings = {
        "POSTGRES_URL": f"postgresql://{service}@127.0.0.1:1/carbonbureau",
        "POSTGRES_PASSWORD_FILE": str(file),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "KAFKA_USERNAME": service,
        "KAFKA_PASSWORD_FILE": str(file),
    }
    own = {
        "reports": {"SIGNING_KEY_FILE": str(file), "PUBLISHED_KEYS_FILE": str(file)},
        "gateway": dict.fromkeys(
            ("TLS_CERTIFICATE_FILE", "TLS_KEY_FILE", "CLIENT_CA_FILE", "CLIENT_CRL_FILE", "SUBSCRIBERS_FILE"), str(file)
        ),
    }
    for name, value in (settings | own.get(service, {})).items():
        monkeypatch.setenv(f"CARBONBUREAU_{service.upper()}_{name}", value)
    main = importlib.import_module(f"services.{service}.__main__").main
    assert main([command]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f"{service}: the database cannot be reached: connection to server at")
    assert "refused" in errors
    assert len(errors.splitlines()) == 1
    assert "canary" not in errors

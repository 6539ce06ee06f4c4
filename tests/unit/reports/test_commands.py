"""The commands that need no server: `keys create` and `verify`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.reports import signing, wire
from services.reports.__main__ import main
from services.reports.domain.report import Issuer, KeyProfile, compose
from services.reports.domain.revision import Place
from tests.unit.reports.examples import assessment_made


@pytest.fixture
def report_file(tmp_path: Path) -> Path:
    """A signed report with its published keys beside it, as a bank would keep them."""
    assert main(["keys", "create", "--out", str(tmp_path / "key.pem"), "--published", str(tmp_path / "published-keys.json")]) == 0
    signer = signing.load(key_file=tmp_path / "key.pem", published_file=tmp_path / "published-keys.json", production=False)
    assessed = wire.assessed_subject(assessment_made().SerializeToString())
    report = compose(
        assessed=assessed,
        place=Place(number=1, predecessor=None),
        issuer=Issuer(name="Bureau", province="shanxi"),
        key_profile=KeyProfile.SANDBOX,
        composed_at=datetime.now(UTC),
    )
    file = tmp_path / "report.jws"
    file.write_bytes(signer.sign(wire.canonical(report)))
    return file


class TestVerifyCommand:
    def test_ends_with_0_and_shows_each_check(self, report_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["verify", str(report_file)]) == 0
        shown = capsys.readouterr().out
        for check in ("structure", "header", "key known", "signature", "canonical payload", "schema claims", "key valid", "profile"):
            assert f"ok   {check}" in shown
        assert "verified" in shown

    def test_ends_with_1_and_names_the_bytes_when_one_is_flipped(self, report_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        altered = bytearray(report_file.read_bytes())
        altered[500] ^= 1
        report_file.write_bytes(altered)
        assert main(["verify", str(report_file)]) == 1
        shown = capsys.readouterr().out
        assert "FAIL signature" in shown
        assert "NOT VERIFIED" in shown

    def test_ends_with_2_without_keys(self, report_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["verify", str(report_file), "--keys", str(tmp_path / "none.json")]) == 2
        assert "none.json" in capsys.readouterr().err

    def test_ends_with_2_without_the_file(self, tmp_path: Path, report_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["verify", str(tmp_path / "missing.jws")]) == 2
        assert "missing.jws" in capsys.readouterr().err


class TestKeysCommand:
    def test_marks_a_key_as_sandbox_unless_told_otherwise(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["keys", "create", "--out", str(tmp_path / "a.pem"), "--published", str(tmp_path / "k.json")]) == 0
        assert capsys.readouterr().out.startswith("sandbox key ")
        arguments = ["keys", "create", "--out", str(tmp_path / "b.pem"), "--published", str(tmp_path / "k.json"), "--production"]
        assert main(arguments) == 0
        assert capsys.readouterr().out.startswith("production key ")

    def test_shows_no_private_key(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        main(["keys", "create", "--out", str(tmp_path / "a.pem"), "--published", str(tmp_path / "k.json")])
        body = "".join((tmp_path / "a.pem").read_text().splitlines()[1:-1])
        shown = capsys.readouterr()
        assert body not in shown.out + shown.err

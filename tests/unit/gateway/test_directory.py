"""The subscriber file is read again when it changes, and never half."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.gateway.directory import SubscriberDirectory
from services.gateway.domain.subscriber import DirectoryError

ENTRY = """
[[subscriber]]
code = "{code}"
name = "Bank"
identity = "carbonbureau://subscriber/{code}"
regions = ["14"]
purposes = ["LOAN_APPROVAL"]
valid_from = 2026-01-01
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "subscribers.toml"
    path.write_text(ENTRY.format(code="bank-one"))
    return path


def codes(directory: SubscriberDirectory) -> list[str]:
    return sorted(one.code for one in directory.current.by_identity.values())


class TestSubscriberDirectory:
    def test_takes_up_a_changed_file(self, file: Path) -> None:
        directory = SubscriberDirectory(file)
        assert not directory.reload_if_changed()
        file.write_text(ENTRY.format(code="bank-one") + ENTRY.format(code="bank-two"))
        assert directory.reload_if_changed()
        assert codes(directory) == ["bank-one", "bank-two"]

    def test_takes_up_a_file_that_was_replaced(self, file: Path) -> None:
        directory = SubscriberDirectory(file)
        new = file.with_name("new")
        new.write_text(ENTRY.format(code="bank-two"))
        os.replace(new, file)
        assert directory.reload_if_changed()
        assert codes(directory) == ["bank-two"]

    @pytest.mark.parametrize("text", ["[[subscriber]]\ncode = 5", "not toml", ENTRY.format(code="bank-one") * 2, "\udcff"])
    def test_keeps_the_old_one_while_the_new_cannot_be_used(self, file: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
        directory = SubscriberDirectory(file)
        file.write_bytes(text.encode(errors="surrogateescape"))
        assert not directory.reload_if_changed()
        assert codes(directory) == ["bank-one"]
        assert any(getattr(record, "event", None) == "directory-refused" for record in caplog.records)

    def test_keeps_the_old_one_while_the_file_is_away(self, file: Path) -> None:
        directory = SubscriberDirectory(file)
        file.unlink()
        assert not directory.reload_if_changed()
        assert codes(directory) == ["bank-one"]

    def test_does_not_start_with_a_file_that_cannot_be_used(self, tmp_path: Path) -> None:
        with pytest.raises(DirectoryError, match="missing"):
            SubscriberDirectory(tmp_path / "missing.toml")

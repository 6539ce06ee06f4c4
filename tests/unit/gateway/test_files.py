"""Files that are read again: a failure that passes is not for ever, and is told once."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.gateway.directory import SubscriberDirectory
from services.gateway.files import WatchedFiles

SUBSCRIBER = """
[[subscriber]]
code = "{code}"
name = "Bank"
identity = "carbonbureau://subscriber/{code}"
regions = ["14"]
purposes = ["LOAN_APPROVAL"]
valid_from = 2026-01-01
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "subscribers.toml"
    made.write_text(SUBSCRIBER.format(code="one"))
    return made


def test_a_file_that_could_not_be_read_for_a_moment_is_read_at_the_next_look(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It has not changed since: only that the reading failed says that it must be read again."""
    directory = SubscriberDirectory(path)
    path.write_text(SUBSCRIBER.format(code="another"))

    def fails(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error", str(path))

    with monkeypatch.context() as broken:
        broken.setattr(Path, "open", fails)
        assert [directory.reload_if_changed() for _ in range(3)] == [False] * 3
    assert [getattr(record, "event", None) for record in caplog.records] == ["directory-refused"]
    assert [directory.reload_if_changed() for _ in range(2)] == [True, False]
    assert list(directory.current.by_identity) == ["carbonbureau://subscriber/another"]


def test_a_failure_is_news_when_it_or_the_file_is_another_or_it_comes_again(path: Path) -> None:
    files = WatchedFiles(path)

    def fail(why: str) -> bool:
        assert files.changed()
        return files.failed(ValueError(why))

    path.unlink()
    assert [fail("away"), fail("away"), fail("other"), fail("other")] == [True, False, True, False]
    path.write_text("more")
    assert [fail("other"), fail("other")] == [True, False]
    assert files.changed()
    assert not files.changed()
    path.unlink()
    assert fail("other")


def test_a_file_nested_without_end_is_of_no_use(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory = SubscriberDirectory(path)
    path.write_text("a = " + "[" * 20_000)
    assert not directory.reload_if_changed()
    assert len(directory.current.by_identity) == 1

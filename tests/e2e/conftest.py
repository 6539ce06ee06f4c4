"""One running bureau for all end-to-end tests; each test speaks of subjects of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.sandbox import truth_file
from tests.stack import SERVICES, Stack, running_stack

SUBJECTS = 12


@dataclass(frozen=True, kw_only=True)
class Province:
    """A province that was published and has settled."""

    truth: Path
    subject_codes: list[str]


@pytest.fixture(scope="package")
def bureau() -> Iterator[Stack]:
    """Run the four services for tests that make their own records; at the end each must stop cleanly on SIGTERM."""
    yield from _bureau()


@pytest.fixture(scope="package")
def province_bureau() -> Iterator[Stack]:
    """Run another bureau, to which only the sandbox publishes, so that its whole content can be held against the truth."""
    yield from _bureau()


@pytest.fixture(scope="package")
def province(province_bureau: Stack, tmp_path_factory: pytest.TempPathFactory) -> Province:
    """Let a small province publish once, through its providers' own principals."""
    truth = tmp_path_factory.mktemp("province") / "truth.jsonl"
    publish_province(province_bureau, truth)
    return Province(truth=truth, subject_codes=truth_file.subject_codes(truth))


def publish_province(bureau: Stack, truth: Path) -> None:
    bureau.sandbox("province", "--subjects", str(SUBJECTS), "--seed", "11", "--order", "subject", "--truth", str(truth))
    bureau.wait_settled(seconds=240)


def _bureau() -> Iterator[Stack]:
    with running_stack() as stack:
        stack.start(*SERVICES)
        yield stack
        stack.stop(*SERVICES)

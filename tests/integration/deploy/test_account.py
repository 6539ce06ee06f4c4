"""What the servers' account reaches, asked of the real kernel."""

import os
import shutil
from pathlib import Path

import pytest

from deploy.local import account
from deploy.local.errors import CannotRunError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the servers under another account")


@pytest.fixture
def closed(state_dir: Path) -> Path:
    folder = state_dir / "closed"
    folder.mkdir(mode=0o700)
    return folder


class TestProgramsWithinReach:
    def test_are_used_where_they_are_if_they_can_be(self, state_dir):
        (state_dir / "program").write_text("#!/bin/sh\n")
        assert account.programs_within_reach(account.of_servers(), state_dir, parts=(".",), probes=("program",)) == state_dir

    def test_are_copied_with_their_libraries_if_not(self, closed):
        for part in ("bin", "libraries", "other"):
            (closed / part).mkdir()
            (closed / part / "file").write_text(part)
            (closed / part / "file").chmod(0o700)
        who = account.of_servers()

        found = account.programs_within_reach(who, closed, parts=("bin", "libraries", "absent"), probes=("bin/file",))
        try:
            assert found != closed
            assert account.reaches(who, found / "bin" / "file", mode="-x")
            assert account.reaches(who, found / "libraries" / "file")
            assert not (found / "other").exists()
            assert account.programs_within_reach(who, closed, parts=("bin", "libraries", "absent"), probes=("bin/file",)) == found
        finally:
            shutil.rmtree(found.parent)


class TestHomeOfData:
    def test_refuses_a_folder_that_someone_else_made_under_its_name(self, closed):
        who = account.of_servers()
        squatted = account.home_of_data(who, closed)
        try:
            os.chown(squatted, who.uid, who.gid)
            with pytest.raises(CannotRunError, match="belongs to someone else"):
                account.home_of_data(who, closed)
        finally:
            os.chown(squatted, os.geteuid(), os.getegid())
            account.remove_outside(closed)

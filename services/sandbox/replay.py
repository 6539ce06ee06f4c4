"""Does the replay of the real facility records: reads the file, plans, publishes as their provider. A second replay changes nothing."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.sandbox.domain.nger import COLUMNS, BadRow, FacilityYear, Owners, owners, read_row, replay_plan
from services.sandbox.domain.statements import PlannedSubmission


class ReplayFileError(Exception):
    """The file is not one of facility records; the text has one line per reason, a few of them."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What a file becomes."""

    rows: tuple[FacilityYear, ...]
    submissions: tuple[PlannedSubmission, ...]
    owners: Owners

    def summary(self) -> Sequence[str]:
        """Say what will be replayed, owners included, line by line."""
        years = sorted({row.end_year for row in self.rows})
        without_output = sum(row.generation_mwh == 0 for row in self.rows)
        return (
            f"{len(self.rows):,} facility-years of {self.owners.facilities} facilities, financial years ending {years[0]} to {years[-1]}",
            f"{self.owners.changed} facilities appear under more than one operator name as reported, "
            f"{self.owners.changed_beyond_spelling} of them beyond spelling: owners change, the facility stays one subject, "
            "and its registry entries tell the operator of the time",
            f"{without_output} facility-years have emissions but no generation; they are sent as they are",
            f"{len(self.submissions):,} submissions in all",
        )


def plan_replay(path: Path) -> Replay:
    """Read the file and plan its replay.

    Raises:
        ReplayFileError: the file has other columns, no rows, or rows that cannot be read.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if missing := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
            raise ReplayFileError(f"{path} has no column {', '.join(missing)}")
        read = [read_row(row, line=reader.line_num) for row in reader]
    if bad := [row for row in read if isinstance(row, BadRow)]:
        raise ReplayFileError("\n".join(f"{path}:{row.line}: {row.reason}" for row in bad[:10]))
    rows = tuple(row for row in read if isinstance(row, FacilityYear))
    if not rows:
        raise ReplayFileError(f"{path} has no rows")
    return Replay(rows=rows, submissions=tuple(replay_plan(rows)), owners=owners(rows))

"""Decides what the monthly close (月结) means for findings: which are final by it, and by which records providers are told of them.

A finding waits for the close of the month in which the days it speaks of end: until then the next record may end it. It is final from
the first revision after that close; a later correction closes it as any other.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

from services.collector.domain.account import AccountView
from services.collector.domain.finding import AccountFinding, FindingState
from services.collector.domain.submission import Submission

# By which day a record without period is known to speak, the first that it has.
_DAYS = (
    "executed_date",
    "as_of_date",
    "drawn_date",
    "decided_date",
    "listed_date",
    "filed_date",
    "issued_date",
    "effective_date",
    "adopted_date",
)


def month_after(first_day: date) -> date:
    """Give the first day of the month after the one that begins on a day."""
    return (first_day + timedelta(days=31)).replace(day=1)


def settled(findings: Iterable[AccountFinding], view: AccountView, closed_until: date | None) -> list[AccountFinding]:
    """Make final what speaks of days before `closed_until`, the first day after the last closed month; None is no close yet."""
    if closed_until is None:
        return list(findings)
    return [replace(finding, state=FindingState.FINAL) if _speaks_until(finding, view) <= closed_until else finding for finding in findings]


def _speaks_until(finding: AccountFinding, view: AccountView) -> date:
    """Give the day after the last one that a finding speaks of; one about the account as a whole speaks of its first figures."""
    if finding.period is not None:
        return finding.period.end
    ends = [end for submission in finding.evidence if (end := _end_of(submission)) is not None]
    if ends:
        return max(ends)
    figures = [use.submission.period.end for use in view.uses if use.submission.period is not None]
    return min(figures, default=date.min)


def _end_of(submission: Submission) -> date | None:
    if submission.period is not None:
        return submission.period.end
    days = (getattr(submission.content, name, None) for name in _DAYS)
    day = next((day for day in days if day is not None), None)
    return day + timedelta(days=1) if day is not None and day < date.max else None


def records_concerned(finding: AccountFinding, view: AccountView) -> tuple[Submission, ...]:
    """Give the records by which providers are told of a finding: its evidence, else the newest of each provider that it concerns."""
    if finding.evidence:
        return finding.evidence
    uses = [use for use in view.uses if finding.facility_id in (None, use.facility.facility_id)]
    if finding.about and finding.facility_id is None:
        uses = [use for use in uses if finding.about in (use.facility.number, use.submission.provider_code)]
    newest: dict[str, Submission] = {}
    for use in sorted(uses, key=lambda use: (_end_of(use.submission) or date.min, use.submission.record_number)):
        newest[use.submission.provider_code] = use.submission
    return tuple(newest[provider_code] for provider_code in sorted(newest))

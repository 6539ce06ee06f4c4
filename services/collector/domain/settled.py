"""Decides with which day the newest window to be compared ends: with the newest month of which everything has come.

The figures of a month come one by one, from several agencies, over weeks. A window that ended with a month of which only the
first figure has come would be incomplete; the grade would fall back a year, and return with the last figure. So what covered the
months before is waited for; what has come already stands in a window of its own, which is too short to be compared.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from services.collector.domain.coverage import Coverage
from services.collector.domain.lines import OutputLine
from services.collector.domain.months import middles_before
from services.collector.domain.posting import Posting
from services.collector.domain.series import AllSeries
from services.common.civil_time import Period

# What was made in one of so many months before is waited for.
WAIT_MONTHS = 3
# A longer figure is not cut in two: no window ends within a quarter or a year that is told as one.
CUT_DAYS_MAX = 62


def settled_end(*, postings: Sequence[Posting], outputs: Sequence[OutputLine], all_series: AllSeries, holes: Coverage) -> date:
    """Return the newest end of a figure at which the month is whole; the newest of all ends where no month is.

    `holes` are the days of which something is known that does not stand among the postings. Needs at least one figure.
    """
    made: dict[tuple[UUID, str], list[Period]] = defaultdict(list)
    for line in outputs:
        made[line.facility_id, line.product_code].append(line.period)
    output_days = [Coverage(periods) for periods in made.values()]
    periods = {posting.period for posting in postings} | {line.period for line in outputs}
    long = [period for period in periods if period.days() > CUT_DAYS_MAX]
    ends = sorted({period.end for period in periods}, reverse=True)
    for end in ends:
        month, *before = middles_before(end, 1 + WAIT_MONTHS)
        all_made = all(days.has_day(month) for days in output_days if any(days.has_day(day) for day in before))
        cuts = any(period.start < end < period.end for period in long)
        if not cuts and all_made and not holes.has_day(month) and all_series.have_come(month):
            return end
    return ends[0]

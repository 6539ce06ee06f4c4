"""Decides which computed lines stand: those whose balance is whole, and beside or instead of reported figures.

What was computed from activity data stands instead of a reported figure of the same facility and scope only where it covers every
day of it and is of no worse data quality: one tonne in one month must not take the place of a verified year. Else the reported
figure is posted and what was computed for any of its days is left out.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from services.collector.domain.activity_lines import ComputedLine
from services.collector.domain.coverage import Coverage, same_days_overlap
from services.collector.domain.quantity import ProviderFigure
from services.common.civil_time import Period


def balanced(lines: Sequence[ComputedLine], failed: Mapping[str, Sequence[Period]]) -> tuple[list[ComputedLine], list[ComputedLine]]:
    """Split the lines of one facility into those that stand and those whose balance is not whole on all of their days.

    Coal charged without the coke that came of it is far too much, coke alone less than nothing: on days for which a required activity
    is not known, or a member could not be computed (`failed`), no member stands. A line that falls takes the days of others with
    it, so it is decided again until nothing changes.
    """
    standing, fallen = list(lines), []
    while any(line.balance is not None for line in standing):
        covered: dict[str, list[Period]] = defaultdict(list)
        for line in standing:
            covered[line.formula.activity.name].append(line.posting.period)
        coverage = {name: Coverage(periods) for name, periods in covered.items()}

        def whole(line: ComputedLine, coverage: Mapping[str, Coverage] = coverage) -> bool:
            if line.balance is None:
                return True
            period = line.posting.period
            known = all(required in coverage and coverage[required].covers(period) for required in line.balance.requires)
            return known and not any(same_days_overlap(lost, period) for lost in failed.get(line.balance.name, ()))

        out = [line for line in standing if not whole(line)]
        if not out:
            break
        fallen += out
        standing = [line for line in standing if whole(line)]
    return standing, fallen


def stand_off(
    reported: Sequence[ProviderFigure],
    computed: Sequence[ComputedLine],
    failed: Sequence[Period],
    others: Sequence[ComputedLine],
) -> tuple[list[ProviderFigure], list[ComputedLine]]:
    """Decide between reported figures and computed lines of one facility and scope: give those that stand, none sharing a day.

    A computed line that has to yield to one reported figure is missing beside the next, which then stands too; so is the rest of a
    balance that it belonged to. Decided again until nothing changes. Each round takes at least one reported figure, and the outcome
    does not depend on their order. `others` are the lines of the facility's other scopes, on which balances may rest.
    """
    posted: list[ProviderFigure] = []
    yielded = list(failed)
    waiting, standing = list(reported), list(computed)
    while True:
        stay = [figure for figure in waiting if not _stands_instead(touching(standing, figure.period), figure, yielded)]
        if not stay:
            return posted, standing
        posted += stay
        kept = {id(figure) for figure in stay}
        waiting = [figure for figure in waiting if id(figure) not in kept]
        coverage = Coverage(figure.period for figure in stay)
        left = [one for one in standing if not coverage.overlaps(one.posting.period)]
        whole, _ = balanced([*left, *others], {})
        stands = {id(one) for one in whole}
        yielded += [one.posting.period for one in standing if id(one) not in stands]
        standing = [one for one in left if id(one) in stands]


def _stands_instead(beside: Sequence[ComputedLine], figure: ProviderFigure, missing: Sequence[Period]) -> bool:
    """Tell whether computed lines cover every day of a reported figure, none of them is missing, and none is worse."""
    if not beside or any(same_days_overlap(period, figure.period) for period in missing):
        return False
    no_worse = max(one.figure.data_quality for one in beside) <= figure.data_quality
    return no_worse and Coverage(one.posting.period for one in beside).covers(figure.period)


def touching(lines: Sequence[ComputedLine], period: Period) -> list[ComputedLine]:
    """List the lines that share a day with a period."""
    return [one for one in lines if same_days_overlap(one.posting.period, period)]

"""The account rules by history: a subject's figures against its own past, and one statement against its twin. They never reject."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from statistics import median

from services.collector.domain.account import AccountView
from services.collector.domain.contents.emissions import EmissionsInventory, EtsVerifiedEmissions
from services.collector.domain.contents.production import Capacity
from services.collector.domain.contents.tax import FinancialRatios, TaxReturn
from services.collector.domain.finding import Severity, Suspicion
from services.collector.domain.quantity import Measure, ProviderFigure
from services.collector.domain.rules.rule import rule
from services.collector.domain.rules.stated import contents
from services.collector.domain.submission import Submission

HISTORY_MIN = 5
# A slip between kWh and MWh, kg and t is a factor of 1,000, between units and 10,000 units one of 10,000: 500 finds both and no real month.
SLIP_FACTOR_MIN = 500
# One half more or less within a year: the standard deviation of real year-on-year changes is 4 % (coal) and 14 % (other thermal), Clean
# Energy Regulator, facility data 2015 to 2021.
FALL_MAX = Decimal("0.5")
RISE_MAX = Decimal("1.5")
RUN_MONTHS_MIN = 6
COPIED_MONTHS_MIN = 6
COPIED_AMOUNT_MIN = Decimal(100)


@rule(
    rule_id="UNIT_SLIP",
    severity=Severity.WARNING,
    rationale="A figure 500 times above or below the subject's own usual one is in another unit.",
    possible_harm="One month decides the year: emissions or output are wrong a thousandfold.",
    source="this bureau, falsification patterns and mishaps: kWh for MWh, kg for t, yuan for 10,000 yuan",
    innocent_explanation="The plant hardly ran in the month, or only then.",
    what_to_do="Check the unit against the field's name and correct the record.",
)
def unit_slip(view: AccountView) -> Iterator[Suspicion]:
    for name, figures in _monthly(view):
        amounts = [figure.amount for figure in figures if figure.amount > 0]
        if len(amounts) < HISTORY_MIN:
            continue
        usual = median(amounts)
        for figure in figures:
            above = figure.amount >= SLIP_FACTOR_MIN * usual
            below = 0 < figure.amount * SLIP_FACTOR_MIN <= usual
            if above or below:
                message = f"{name}: 500 times off the usual figure"
                yield Suspicion(message=message, evidence=figure.evidence(), period=figure.period, about=name)


@rule(
    rule_id="INTENSITY_JUMPED",
    severity=Severity.WARNING,
    rationale="Plants do not change by half from one year to the next unless they are rebuilt.",
    possible_harm="A false fall is read as a reduction, and a bank pays for it; a false rise costs the subject its grade.",
    source="Clean Energy Regulator, facility data 2015 to 2021: standard deviation 4 % (coal), 14 % (other thermal); the limit is ours",
    innocent_explanation="A new unit, another fuel, a long standstill, or an early year with gaps.",
    what_to_do="Check the years' figures; name what was rebuilt.",
)
def intensity_jumped(view: AccountView) -> Iterator[Suspicion]:
    years = [(one, one.intensity_tco2e_per_unit) for one in sorted(view.annual_figures, key=lambda year: year.period.end)]
    for (before, then), (after, now) in pairwise((one, intensity) for one, intensity in years if intensity):
        same = (before.product_code, before.process_route) == (after.product_code, after.process_route)
        if same and not then * FALL_MAX <= now <= then * RISE_MAX:
            yield Suspicion(message="intensity changed by more than half within a year", period=after.period)


@rule(
    rule_id="MONTH_LEFT_OUT",
    severity=Severity.NOTICE,
    rationale="A series that runs for half a year before and goes on after a month without a figure has a hole, not a pause.",
    possible_harm="The month with the highest emissions is the one that is missing; the year shows no intensity.",
    source="this bureau",
    innocent_explanation="The plant stood still: that is a figure of 0.",
    what_to_do="Send the month, 0 if there was nothing.",
    rests_on_absence=True,
)
def month_left_out(view: AccountView) -> Iterator[Suspicion]:
    for name, figures in _monthly(view):
        run = 1
        for before, after in pairwise(figures):
            if run >= RUN_MONTHS_MIN and before.period.end < after.period.start:
                message = f"{name}: a month without a figure, after {before.period.end}"
                yield Suspicion(message=message, evidence=after.evidence(), about=f"{name}/{before.period.end}")
            run = run + 1 if before.period.end == after.period.start else 1


@rule(
    rule_id="YEAR_COPIED",
    severity=Severity.SEVERE,
    rationale="Six months that are the same to the last digit as the year before were not measured again.",
    possible_harm="A rise of a whole year is hidden; trend and stage are invented.",
    source="this bureau, falsification patterns: copied periods",
    innocent_explanation="The template of the year before was sent by mistake.",
    what_to_do="Send the figures of the year.",
)
def year_copied(view: AccountView) -> Iterator[Suspicion]:
    for name, figures in _monthly(view):
        by_month = {(figure.period.start.year, figure.period.start.month): figure for figure in figures}
        copies: dict[int, list[ProviderFigure]] = defaultdict(list)
        for (year, month), figure in by_month.items():
            before = by_month.get((year - 1, month))
            if before is not None and before.amount == figure.amount >= COPIED_AMOUNT_MIN:
                copies[year].append(figure)
        for year, same in copies.items():
            if len(same) >= COPIED_MONTHS_MIN and len({figure.amount for figure in same}) > 1:
                evidence = tuple(each for figure in same for each in figure.evidence())
                yield Suspicion(
                    message=f"{name}: months of {year} repeat those of the year before", evidence=evidence, about=f"{name}/{year}"
                )


@rule(
    rule_id="YEAR_SCALED",
    severity=Severity.WARNING,
    rationale="Months that all differ from those of the year before by one and the same factor were computed, not measured.",
    possible_harm="A reduction of exactly the promised percent is made on paper.",
    source="this bureau, falsification patterns: figures scaled from the year before",
    innocent_explanation="The year is budgeted from the year before and was sent as its result.",
    what_to_do="Send measured figures.",
)
def year_scaled(view: AccountView) -> Iterator[Suspicion]:
    for name, figures in _monthly(view):
        by_month = {(figure.period.start.year, figure.period.start.month): figure for figure in figures}
        ratios: dict[tuple[int, Decimal], list[ProviderFigure]] = defaultdict(list)
        for (year, month), figure in by_month.items():
            before = by_month.get((year - 1, month))
            if before is not None and before.amount >= COPIED_AMOUNT_MIN and before.amount != figure.amount:
                ratios[year, (figure.amount / before.amount).quantize(Decimal("1.000000"))].append(figure)
        for (year, _), same in ratios.items():
            if len(same) >= COPIED_MONTHS_MIN:
                evidence = tuple(each for figure in same for each in figure.evidence())
                message = f"{name}: months of {year} are those of the year before, times one factor"
                yield Suspicion(message=message, evidence=evidence, about=f"{name}/{year}")


def _monthly(view: AccountView) -> Iterator[tuple[str, Sequence[ProviderFigure]]]:
    """Give each provider's monthly figures of each measured quantity, in the order of the months."""
    for resolution in view.resolutions:
        if resolution.quantity.measure is Measure.INVESTMENT:
            continue
        by_provider: dict[str, list[ProviderFigure]] = defaultdict(list)
        for figure in resolution.all_figures():
            if figure.period.months() == 1:
                by_provider[figure.provider_code].append(figure)
        for figures in by_provider.values():
            yield resolution.quantity.name(), figures


@rule(
    rule_id="STATED_DIFFERENTLY",
    severity=Severity.WARNING,
    rationale="Of some things there is one a period: a return, an inventory, the capacity. Two are two counts, like 45 or 46 firms.",
    possible_harm="Whichever of the two is read moves the figures that rest on it.",
    source="published pilot reports (45 or 46 firms)",
    innocent_explanation="A revised return was sent under a new record number in place of a correction.",
    what_to_do="Withdraw the record that does not hold, or send the new one as its correction.",
)
def stated_differently(view: AccountView) -> Iterator[Suspicion]:
    said: dict[tuple[object, ...], dict[object, Submission]] = defaultdict(dict)
    for of in (TaxReturn, FinancialRatios, EmissionsInventory):
        for submission, one in contents(view, of):
            said[of, submission.provider_code, submission.facility_number, submission.period][one] = submission
    for submission, capacity in contents(view, Capacity):
        line = (submission.facility_number, submission.period, capacity.product_code, capacity.process_route, capacity.unit)
        said[Capacity, submission.provider_code, *line][capacity.quantity] = submission
    for submission, ets in contents(view, EtsVerifiedEmissions):
        said[EtsVerifiedEmissions, submission.provider_code, submission.facility_number, ets.ets_year][ets.verified_tco2] = submission
    for different in said.values():
        if len(different) > 1:
            evidence = tuple(different.values())
            message = "one thing of one period stated twice, and differently"
            yield Suspicion(message=message, evidence=evidence, period=evidence[0].period)

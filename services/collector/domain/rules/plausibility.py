"""The plausibility rules: what is hard to believe of an account. They never reject; a finding is told and stands on the account.

Limits are this bureau's own where no source is named, and marked so: they say when to ask, not what is true.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby

from services.collector.domain.account import AccountView
from services.collector.domain.contents.energy import FuelUse
from services.collector.domain.coverage import Coverage
from services.collector.domain.finding import Severity, Suspicion
from services.collector.domain.months import middles_before
from services.collector.domain.quantity import Measure, ProviderFigure, relative_difference
from services.collector.domain.rules.rule import rule
from services.collector.domain.series import AllSeries

DIFFERENCE_MAX = Decimal("0.10")
REPEATED_PERIODS_MIN = 3
REPEATED_AMOUNT_MIN = Decimal(100)
ROUND_FIGURES_MIN = 6
ROUND_SHARE_MIN = Decimal("0.8")
ROUND_AMOUNT_MIN = Decimal(10_000)
ROUND_STEP = Decimal(1_000)

ANY_ROUTE = ""
# (lowest, highest) believable intensity in tCO2e per unit of product, by product and route; ours, set wide around typical values.
INTENSITY_RANGE = {
    ("electricity", "coal"): (Decimal("0.5"), Decimal("1.7")),
    ("electricity", "black_coal"): (Decimal("0.5"), Decimal("1.3")),
    ("electricity", "brown_coal"): (Decimal("0.8"), Decimal("1.7")),
    ("electricity", "gas"): (Decimal("0.3"), Decimal("1.5")),
    ("electricity", "natural_gas"): (Decimal("0.3"), Decimal("1.5")),
    ("electricity", "diesel"): (Decimal("0.4"), Decimal("2")),
    ("electricity", "wind"): (Decimal(0), Decimal("0.3")),
    ("electricity", "solar"): (Decimal(0), Decimal("0.3")),
    ("electricity", "hydro"): (Decimal(0), Decimal("0.3")),
    ("crude_steel", "bf_bof"): (Decimal("0.8"), Decimal("4")),
    ("crude_steel", "eaf"): (Decimal("0.05"), Decimal("2")),
    ("coke", ANY_ROUTE): (Decimal("0.02"), Decimal("2")),
}
# (lowest, highest) believable measured parameters of fuels: GJ per unit and tC/GJ; around the defaults of the guideline.
MEASURED_RANGE = {
    "coal": ((Decimal(10), Decimal(33)), (Decimal("0.022"), Decimal("0.036"))),
    "natural_gas": ((Decimal(300), Decimal(450)), (Decimal("0.014"), Decimal("0.017"))),
    "diesel": ((Decimal(40), Decimal(45)), (Decimal("0.019"), Decimal("0.0215"))),
    "fuel_oil": ((Decimal(38), Decimal(44)), (Decimal("0.0195"), Decimal("0.0225"))),
}


# ---- Between providers ----

# How far two figures are apart is in no message: with the share and its own figure each provider could compute the other's.


@rule(
    rule_id="PROVIDERS_DIFFER",
    severity=Severity.WARNING,
    rationale="Two providers that state the same quantity more than 10 % apart cannot both be right.",
    possible_harm="One of the two figures is wrong, and it may be the one that counts: the grade rests on a coin.",
    source="this bureau, between providers; so is the limit of 10 %",
    innocent_explanation="Meter reading days and invoice days differ; a stock was built up or used.",
    what_to_do="Compare meter, invoice and records of the plant; send a correction if yours is wrong.",
)
def providers_differ(view: AccountView) -> Iterator[Suspicion]:
    for resolution in view.resolutions:
        for passed in resolution.passed_over:
            if passed.comparable and passed.difference() > DIFFERENCE_MAX:
                evidence = [*passed.figure.evidence(), *(one for figure in passed.instead for one in figure.evidence())]
                yield Suspicion(
                    message=f"{resolution.quantity.name()}: two authorised providers differ by more than 10 %",
                    evidence=tuple(evidence),
                    period=passed.figure.period,
                    facility_id=resolution.quantity.facility_id,
                    about=resolution.quantity.name(),
                    difference=passed.difference(),
                )


@rule(
    rule_id="REPORTED_DIFFERS_FROM_ACTIVITY",
    severity=Severity.WARNING,
    rationale="Reported emissions must follow from the fuel that was burnt and the electricity that was bought.",
    possible_harm="Emissions are under- or overstated; a loan is priced by a figure that the fuel does not bear out.",
    source="GB/T 32151.1; the limit of 10 % is ours",
    innocent_explanation="Measured carbon content was used for the report and not sent with the fuel.",
    what_to_do="Send measured NCV and carbon content with the fuel, or correct the report.",
)
def reported_differs_from_activity(view: AccountView) -> Iterator[Suspicion]:
    for one in view.comparisons:
        if relative_difference(one.reported.amount, one.computed_tco2e) > DIFFERENCE_MAX:
            yield Suspicion(
                message=f"{one.quantity.measure} differs by more than 10 % from what follows from activity data",
                evidence=one.reported.evidence(),
                period=one.reported.period,
                facility_id=one.quantity.facility_id,
                about=one.quantity.name(),
            )


# ---- Between quantities ----


@rule(
    rule_id="OUTPUT_WITHOUT_ENERGY",
    severity=Severity.WARNING,
    rationale="Nothing is made without energy; output for which neither energy nor emissions are reported hides one of the two.",
    possible_harm="Intensity is computed over output whose emissions are missing: the subject looks cleaner than it is.",
    source="this bureau, falsification patterns",
    innocent_explanation="Energy is reported later, or for a facility without number.",
    what_to_do="Send the energy use or the emissions of the period.",
    rests_on_absence=True,
)
def output_without_energy(view: AccountView) -> Iterator[Suspicion]:
    behind = (Measure.ELECTRICITY_USE, Measure.FUEL_USE, Measure.SCOPE_1, Measure.SCOPE_2)
    seen = Coverage(figure.period for one in view.resolutions if one.quantity.measure in behind for figure in one.all_figures())
    for line in view.outputs:
        if line.amount > 0 and not seen.overlaps(line.period):
            yield Suspicion(
                message=f"output of {line.product_code} without any energy or emissions in the period",
                period=line.period,
                facility_id=line.facility_id,
                about=f"{line.product_code}/{line.process_route}",
            )


@rule(
    rule_id="SERIES_CEASED",
    severity=Severity.WARNING,
    rationale="Figures that stop while the plant goes on making things are lost data or a way to look cleaner; until they come, the "
    "account is compared as of the last month that is whole.",
    possible_harm="A lost feed looks like a reduction; a transition loan is granted for it.",
    source="this bureau",
    innocent_explanation="The source was taken out of service, or another provider reports it under another name.",
    what_to_do="Send the figures that are missing; where the source has ended, send figures of 0.",
    rests_on_absence=True,
)
def series_ceased(view: AccountView) -> Iterator[Suspicion]:
    ends = [posting.period.end for posting in view.postings] + [line.period.end for line in view.outputs]
    if not ends:
        return
    # Three months are given to figures that come late.
    *_, day = middles_before(max(ends), 4)
    for (facility_id, scope, carrier), since in AllSeries(postings=view.in_total, outputs=view.outputs).ceased(day):
        yield Suspicion(
            message=f"scope {scope} of {carrier or 'all carriers'} has no figures from {since} on, while the facility goes on",
            facility_id=facility_id,
            about=f"{scope}/{carrier}/{since}",
        )


@rule(
    rule_id="EMISSIONS_WITHOUT_OUTPUT",
    severity=Severity.WARNING,
    rationale="Emissions of a year in which nothing was made have no intensity and no place among peers.",
    possible_harm="No intensity, no peers: the subject is not graded for the year.",
    source="this bureau; the Clean Energy Regulator's facility data have such rows",
    innocent_explanation="The plant was built, mothballed or held in reserve; or the output is reported by someone else.",
    what_to_do="Send the output of the year, 0 if there was none, or explain.",
    rests_on_absence=True,
)
def emissions_without_output(view: AccountView) -> Iterator[Suspicion]:
    for year in view.annual_figures:
        if year.is_year() and year.scope1_tco2e + year.scope2_tco2e > 0 and not year.output_amount:
            yield Suspicion(message="emissions in a window without output", period=year.period)


@rule(
    rule_id="INTENSITY_OUT_OF_RANGE",
    severity=Severity.WARNING,
    rationale="Physics bounds what a unit of product can emit on its route: wind above 0.3 t/MWh does not come from wind.",
    possible_harm="The subject is best or worst of its peers by a wrong unit, and moves their quantiles.",
    source="this bureau, around typical intensities of the technologies",
    innocent_explanation="The plant hardly ran; it has an auxiliary boiler or diesel set; it also delivers heat.",
    what_to_do="Check units, energy source and output; explain if they are right.",
)
def intensity_out_of_range(view: AccountView) -> Iterator[Suspicion]:
    for year in view.annual_figures:
        route = year.process_route.casefold().replace(" ", "_")
        limits = INTENSITY_RANGE.get((year.product_code, route)) or INTENSITY_RANGE.get((year.product_code, ANY_ROUTE))
        intensity = year.intensity_tco2e_per_unit
        # A year in which months are missing on either side has no intensity.
        if limits is None or intensity is None:
            continue
        of = f"intensity of {year.product_code} by {route or 'any route'} is"
        if intensity < limits[0]:
            yield Suspicion(message=f"{of} below {limits[0]} tCO2e per {year.output_unit}", period=year.period, about="below")
        if intensity > limits[1]:
            yield Suspicion(message=f"{of} above {limits[1]} tCO2e per {year.output_unit}", period=year.period, about="above")


@rule(
    rule_id="MEASURED_PARAMETER_OUT_OF_RANGE",
    severity=Severity.WARNING,
    rationale="A measured calorific value or carbon content far from any fuel of the name moves emissions by the same share.",
    possible_harm="All emissions of the fuel are wrong by the same factor.",
    source="this bureau, around the defaults of 企业温室气体排放核算与报告指南 发电设施",
    innocent_explanation="The value was stated in kcal/kg, or on another basis (dry, as received).",
    what_to_do="State GJ per unit and tC/GJ on the basis as received.",
)
def measured_parameter_out_of_range(view: AccountView) -> Iterator[Suspicion]:
    for submission in view.effective:
        content = submission.content
        if not isinstance(content, FuelUse) or content.fuel_code not in MEASURED_RANGE:
            continue
        of_ncv, of_carbon = MEASURED_RANGE[content.fuel_code]
        measured = {"ncv_gj_per_unit": (content.ncv_gj_per_unit, *of_ncv)}
        measured["carbon_content_tc_per_gj"] = (content.carbon_content_tc_per_gj, *of_carbon)
        for name, (value, low, high) in measured.items():
            if value is not None and not low <= value <= high:
                message = f"{name} of {content.fuel_code} is not between {low} and {high}"
                yield Suspicion(message=message, evidence=(submission,), period=submission.period, about=name)


@rule(
    rule_id="INVESTMENT_ABOVE_EXPENDITURE",
    severity=Severity.WARNING,
    rationale="A part of capital expenditure cannot be larger than the whole; the share would pass 100 %.",
    possible_harm="The investment share, 40 % of an early-stage score together with progress, passes 100 %.",
    source="carbonbureau.intake.v1.TransitionInvestment",
    innocent_explanation="One figure is in yuan, the other in 10,000 yuan; or the two speak of different periods.",
    what_to_do="Send both in yuan for the same period.",
)
def investment_above_expenditure(view: AccountView) -> Iterator[Suspicion]:
    for line in view.investments:
        if line.amount_yuan > line.total_capital_expenditure_yuan:
            message = f"investment in {line.technology_code} is larger than all capital expenditure of the period"
            yield Suspicion(message=message, evidence=line.evidence, period=line.period, about=line.technology_code)


@rule(
    rule_id="TECHNOLOGY_NOT_RECOGNISED",
    severity=Severity.NOTICE,
    rationale="Only recognised reduction technologies count in the investment share; an air-pollutant retrofit is no carbon measure.",
    possible_harm="Money for an air-pollutant retrofit would count as transition.",
    source="domain/recognised_technologies.toml",
    innocent_explanation="The technology is known under another code or not yet in the catalogue.",
    what_to_do="Use the code of the catalogue, or propose the technology for it.",
)
def technology_not_recognised(view: AccountView) -> Iterator[Suspicion]:
    if view.profile is None:
        return
    for technology in sorted({line.technology_code for line in view.investments if not line.recognised}):
        yield Suspicion(message=f"{technology} is not a recognised reduction technology of the subject's industry", about=technology)


# ---- Within one provider's figures ----


@rule(
    rule_id="PERIOD_ENDS_ON_LAST_DAY",
    severity=Severity.NOTICE,
    rationale="The end of a period is the first day after it. From the first of a month to the last, one day is probably missing.",
    possible_harm="One day in thirty is missing from both emissions and output.",
    source="carbonbureau.common.v1.Period",
    innocent_explanation="The plant was closed or sold on the day before; the period is what it says.",
    what_to_do="If the last day belongs to the period, correct the record: January 2024 is 2024-01-01 to 2024-02-01.",
)
def period_ends_on_last_day(view: AccountView) -> Iterator[Suspicion]:
    for submission in view.effective:
        period = submission.period
        if period is not None and period.start.day == 1 and period.end.day == monthrange(period.end.year, period.end.month)[1]:
            message = f"the period ends before {period.end}, the last day of a month; that day is not counted"
            yield Suspicion(message=message, evidence=(submission,), period=period)


@rule(
    rule_id="FIGURE_REPEATED",
    severity=Severity.WARNING,
    rationale="A measured quantity is never the same to the last digit in three periods running: such figures are copied.",
    possible_harm="A rise since then is hidden; the trend that the grade follows is invented.",
    source="this bureau, falsification patterns: copied periods, frozen readings",
    innocent_explanation="A minimum quantity is invoiced; the period's share of a yearly figure was reported.",
    what_to_do="Send the figures of each period, or state that they are shares of a year.",
)
def figure_repeated(view: AccountView) -> Iterator[Suspicion]:
    for name, series in _series(view):
        for amount, run in groupby(series, key=lambda figure: figure.amount):
            copies = list(run)
            if amount >= REPEATED_AMOUNT_MIN and len(copies) >= REPEATED_PERIODS_MIN:
                first = copies[0]
                yield Suspicion(
                    message=f"{name}: the same figure in {REPEATED_PERIODS_MIN} or more periods running, from {first.period.start}",
                    evidence=first.evidence(),
                    period=first.period,
                    about=name,
                )


@rule(
    rule_id="ROUND_NUMBERS",
    severity=Severity.NOTICE,
    rationale="Meters and scales do not read in thousands; figures that always do are estimates.",
    possible_harm="Estimates count with the data quality of measurements.",
    source="this bureau, falsification patterns: round numbers; so are six figures and 80 %",
    innocent_explanation="The provider rounds on purpose, or its system keeps only thousands.",
    what_to_do="Send figures as they were measured, or state the basis as declared.",
)
def round_numbers(view: AccountView) -> Iterator[Suspicion]:
    for name, series in _series(view):
        large = [figure for figure in series if figure.amount >= ROUND_AMOUNT_MIN]
        if len(large) < ROUND_FIGURES_MIN:
            continue
        round_ones = [figure for figure in large if figure.amount % ROUND_STEP == 0]
        if len(round_ones) >= ROUND_SHARE_MIN * len(large):
            yield Suspicion(message=f"{name}: most figures are whole thousands", evidence=round_ones[0].evidence(), about=name)


@rule(
    rule_id="QUANTITY_STATED_TWICE",
    severity=Severity.WARNING,
    rationale="The same amount of the same quantity and period under two record numbers is more likely one record sent twice.",
    possible_harm="The quantity counts twice: emissions or output are overstated.",
    source="this bureau",
    innocent_explanation="Two equal invoices, or two equal meters.",
    what_to_do="Correct one of the two to 0 if it stands for the same thing.",
)
def quantity_stated_twice(view: AccountView) -> Iterator[Suspicion]:
    for resolution in view.resolutions:
        for figure in resolution.all_figures():
            same = defaultdict(list)
            for one in figure.figures:
                same[one.part, one.amount].append(one.submission)
            for (part, amount), submissions in same.items():
                if amount > 0 and len(submissions) > 1:
                    yield Suspicion(
                        message=f"{resolution.quantity.name()}: the same amount under more than one record number; all are counted",
                        evidence=tuple(submissions),
                        period=figure.period,
                        facility_id=resolution.quantity.facility_id,
                        about=f"{resolution.quantity.name()}/{part}",
                    )


def _series(view: AccountView) -> Iterator[tuple[str, Sequence[ProviderFigure]]]:
    """Give each provider's figures of each quantity that is measured, in the order of the periods. Money may well be round."""
    for resolution in view.resolutions:
        if resolution.quantity.measure is Measure.INVESTMENT:
            continue
        for _, figures in groupby(resolution.all_figures(), key=lambda figure: figure.provider_code):
            yield resolution.quantity.name(), list(figures)


@rule(
    rule_id="DIRECT_EMISSIONS_NEGATIVE",
    severity=Severity.WARNING,
    rationale="No more carbon can leave a plant in its products than went in; net purchased energy may be negative, scope 1 may not.",
    possible_harm="The intensity comes out too low, below zero even: the firm looks better than physics allows.",
    source="conservation of mass; balances of the method files",
    innocent_explanation="A default stands in for the carbon content of a feedstock or product; or stocks were used that came in before.",
    what_to_do="Send measured carbon contents, or correct the side of the balance that is wrong.",
)
def direct_emissions_negative(view: AccountView) -> Iterator[Suspicion]:
    for figures in view.annual_figures:
        if figures.scope1_tco2e < 0:
            message = f"scope 1 of the window is {figures.scope1_tco2e} tCO2e: more carbon leaves in products than came in"
            yield Suspicion(message=message, period=figures.period)

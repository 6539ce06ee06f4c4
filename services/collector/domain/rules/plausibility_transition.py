"""The account rules about transition: plans whose parts do not fit, reductions that nothing brings, evidence that is none.

They never reject.
"""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

from services.collector.domain.account import AccountView
from services.collector.domain.contents.energy import ElectricityGeneration, GenerationSource
from services.collector.domain.contents.tax import TaxReturn
from services.collector.domain.contents.transition import (
    GreenTechnologySupply,
    Milestone,
    MilestoneEvidence,
    ResearchAndDevelopment,
    TransitionInvestment,
    TransitionPlan,
)
from services.collector.domain.finding import Severity, Suspicion
from services.collector.domain.rules.rule import rule
from services.collector.domain.rules.stated import NOTHING, Stated, contents, stated
from services.collector.domain.submission import Submission
from services.common.civil_time import Period

# No grid emits more per MWh than its worst coal unit with its losses, so no MWh of sun or wind saves more.
SAVED_PER_MWH_MAX = Decimal("1.3")
SOURCE_OF_TECHNOLOGY = {"solar_pv": GenerationSource.SOLAR, "wind_power": GenerationSource.WIND}
# Yuan for a yearly reduction of 1 t. Energy management, the cheapest measure there is, costs about 100; ours.
YUAN_PER_TONNE_A_YEAR_MIN = Decimal(5)
# Between what a plan's measures add up to and the fall of emissions that it aims at growth may stand, but no factor of four.
PARTS_FACTOR_MAX = Decimal(4)
MILESTONE_DAYS_MAX = 31
# Generation of eleven months or more stands for a year.
YEAR_DAYS_MIN = 334
YEARS_REVENUE_MAX = Decimal(5)


@rule(
    rule_id="SAVING_ABOVE_ANY_GRID",
    severity=Severity.SEVERE,
    rationale="Photovoltaics of 750 MWh a year that save 6 Mt would replace electricity of 8 t per kWh; the dirtiest grid has 0.0013.",
    possible_harm="The one measure carries the plan: a transition loan is granted for a reduction that cannot come.",
    source="published pilot reports (750 MWh a year, 6 Mt); MEE provincial grid factors (transcription), 1.3 t/MWh is ours",
    innocent_explanation="Kilograms were stated as tonnes; generation of the first months stands beside the saving of the whole life.",
    what_to_do="State the yearly saving in tonnes: MWh × the grid factor of the region.",
)
def saving_above_any_grid(view: AccountView) -> Iterator[Suspicion]:
    for submission, technology, saved in _savings(view):
        source = SOURCE_OF_TECHNOLOGY.get(technology)
        records = [one for one in stated(view, ElectricityGeneration) if one.content.source is source]
        years = _by_year(records)
        if years and saved > SAVED_PER_MWH_MAX * max(years.values()):
            evidence = (submission, *(one.submission for one in records))
            yield Suspicion(
                message=f"{technology} saves more than any grid emits for what it generates", evidence=evidence, about=technology
            )


def _by_year(records: list[Stated[ElectricityGeneration]]) -> dict[int, Decimal]:
    """Add up generation by calendar year, only of years of which at least eleven months are stated."""
    amounts: dict[int, Decimal] = defaultdict(Decimal)
    days: dict[int, int] = defaultdict(int)
    for one in records:
        amounts[one.period.start.year] += one.content.generated_mwh
        days[one.period.start.year] += one.period.days()
    return {year: amount for year, amount in amounts.items() if days[year] >= YEAR_DAYS_MIN}


def _savings(view: AccountView) -> Iterator[tuple[Submission, str, Decimal]]:
    """Give every yearly reduction that a technology is said to bring: planned, or shown by evidence of its milestone."""
    technology_of_milestone = {}
    for submission, plan in contents(view, TransitionPlan):
        technology_of_measure = {measure.measure_number: measure.technology_code for measure in plan.measures}
        for measure in plan.measures:
            yield submission, measure.technology_code, measure.expected_reduction_tco2e_per_year
        for milestone in plan.milestones:
            technology_of_milestone[milestone.milestone_number] = technology_of_measure.get(milestone.measure_number, "")
    for submission, evidence in contents(view, MilestoneEvidence):
        if evidence.achieved_reduction_tco2e_per_year is not None:
            yield submission, technology_of_milestone.get(evidence.milestone_number, ""), evidence.achieved_reduction_tco2e_per_year


@rule(
    rule_id="REDUCTION_TOO_CHEAP",
    severity=Severity.WARNING,
    rationale="A yearly tonne for less than 5 yuan of investment is cheaper than anything that was ever built.",
    possible_harm="An invented reduction fills the plan by which a transition loan is granted.",
    source="this bureau: the cheapest measures cost about 100 yuan per yearly tonne",
    innocent_explanation="Money is in 10,000 yuan; a change of operation that costs nothing.",
    what_to_do="Check the units of money and reduction; name the cost of running where there is no investment.",
)
def reduction_too_cheap(view: AccountView) -> Iterator[Suspicion]:
    for submission, plan in contents(view, TransitionPlan):
        for measure in plan.measures:
            if measure.planned_investment_yuan < YUAN_PER_TONNE_A_YEAR_MIN * measure.expected_reduction_tco2e_per_year:
                message = "a reduction cheaper than anything that was ever built"
                yield Suspicion(message=message, evidence=(submission,), about=measure.measure_number)


@rule(
    rule_id="REDUCTION_ABOVE_EMISSIONS",
    severity=Severity.WARNING,
    rationale="Measures cannot save more than was emitted.",
    possible_harm="A plan that ends below nothing is taken for the most ambitious of all.",
    source="arithmetic",
    innocent_explanation="Savings at others (green electricity sold) were counted as own; kilograms were stated as tonnes.",
    what_to_do="Count reductions of the subject's own emissions.",
)
def reduction_above_emissions(view: AccountView) -> Iterator[Suspicion]:
    for submission, plan in contents(view, TransitionPlan):
        saved = sum((measure.expected_reduction_tco2e_per_year for measure in plan.measures), NOTHING)
        if plan.base_year_emissions_tco2e is not None and saved > plan.base_year_emissions_tco2e:
            yield Suspicion(message="measures save more than the emissions of the base year", evidence=(submission,))


@rule(
    rule_id="PLAN_PARTS_MISS_TOTAL",
    severity=Severity.WARNING,
    rationale="What the measures bring is what the total falls by: a plan of −25 % whose parts give −2.5 % or −0.4 % contradicts itself.",
    possible_harm="A bank lends for the total, and the parts never come near it.",
    source="published pilot reports (−25 % × −0.1 % per 1 % = −2.5 %, reported −0.4 %); the factor of four is ours",
    innocent_explanation="Part of the fall is to come from less output, or from a plant that is sold.",
    what_to_do="List the measures that make up the target, or state the target that the measures reach.",
)
def plan_parts_miss_total(view: AccountView) -> Iterator[Suspicion]:
    for submission, plan in contents(view, TransitionPlan):
        if plan.base_year_emissions_tco2e is None or not plan.measures:
            continue
        for target in plan.yearly_targets:
            if target.emissions_tco2e is None:
                continue
            falls = plan.base_year_emissions_tco2e - target.emissions_tco2e
            parts = sum((one.expected_reduction_tco2e_per_year for one in plan.measures if one.start_year <= target.year), NOTHING)
            if falls > PARTS_FACTOR_MAX * parts or parts > PARTS_FACTOR_MAX * falls:
                message = f"measures and target for {target.year} do not fit each other"
                yield Suspicion(message=message, evidence=(submission,), about=str(target.year))


@rule(
    rule_id="TARGET_CONTRADICTS_BASE",
    severity=Severity.WARNING,
    rationale="A target is for a year after the one it is measured against.",
    possible_harm="Progress is measured against the past, and is complete before it began.",
    source="GHG Protocol Corporate Standard, ch. 11: target year after base year",
    innocent_explanation="The base year itself was listed with a reduction of 0.",
    what_to_do="List targets for the years after the base year.",
)
def target_contradicts_base(view: AccountView) -> Iterator[Suspicion]:
    for submission, plan in contents(view, TransitionPlan):
        for target in plan.yearly_targets:
            if target.year <= plan.base_year and target.intensity_reduction_percent != 0:
                yield Suspicion(
                    message=f"a target for {target.year}, not after the base year", evidence=(submission,), about=str(target.year)
                )


@rule(
    rule_id="TARGETS_FALL_BACK",
    severity=Severity.NOTICE,
    rationale="A plan that asks for less in a later year than in an earlier one ends behind its own middle.",
    possible_harm="The stage that a bank pays for is given up again within the plan.",
    source="this bureau",
    innocent_explanation="Targets are stated year by year in place of since the base year.",
    what_to_do="State each target as the fall since the base year.",
)
def targets_fall_back(view: AccountView) -> Iterator[Suspicion]:
    for submission, plan in contents(view, TransitionPlan):
        in_time = sorted(plan.yearly_targets, key=lambda target: target.year)
        for before, after in pairwise(in_time):
            if after.intensity_reduction_percent < before.intensity_reduction_percent:
                yield Suspicion(
                    message=f"the target for {after.year} is behind the one before", evidence=(submission,), about=str(after.year)
                )


@rule(
    rule_id="MEASURE_ENDS_BEFORE_START",
    severity=Severity.NOTICE,
    rationale="A measure ends in the year it begins or later.",
    possible_harm="Its reduction and its money count in no year, or in all.",
    source="carbonbureau.intake.v1.PlannedMeasure",
    innocent_explanation="The two years were swapped.",
    what_to_do="Correct the years of the measure.",
)
def measure_ends_before_start(view: AccountView) -> Iterator[Suspicion]:
    for submission, plan in contents(view, TransitionPlan):
        for measure in plan.measures:
            if measure.end_year < measure.start_year:
                yield Suspicion(message="a measure that ends before it begins", evidence=(submission,), about=measure.measure_number)


# ---- Milestones ----


def _milestones(view: AccountView) -> dict[str, tuple[Submission, Milestone]]:
    return {one.milestone_number: (submission, one) for submission, plan in contents(view, TransitionPlan) for one in plan.milestones}


@rule(
    rule_id="MILESTONE_WITHOUT_EVIDENCE",
    severity=Severity.NOTICE,
    rationale="Progress of the plan counts where something shows it.",
    possible_harm="At the early stage investment share and progress weigh 40 %: words alone would move the grade.",
    source="Shanxi pilot: plan progress is judged; milestone evidence is a kind of its own",
    innocent_explanation="The evidence is on its way.",
    what_to_do="Send the evidence of the milestone, with the hash of its document.",
    rests_on_absence=True,
)
def milestone_without_evidence(view: AccountView) -> Iterator[Suspicion]:
    shown = {evidence.milestone_number for _, evidence in contents(view, MilestoneEvidence)}
    for number, (submission, milestone) in _milestones(view).items():
        if milestone.completed_date is not None and number not in shown:
            yield Suspicion(message="a milestone completed, with nothing that shows it", evidence=(submission,), about=number)


@rule(
    rule_id="MILESTONE_DATES_APART",
    severity=Severity.NOTICE,
    rationale="Plan and evidence speak of one day.",
    possible_harm="Progress counts in a year in which nothing had been reached.",
    source="this bureau; a month is ours",
    innocent_explanation="The plan names the first run, the evidence the acceptance.",
    what_to_do="Correct one of the two days.",
)
def milestone_dates_apart(view: AccountView) -> Iterator[Suspicion]:
    planned = _milestones(view)
    for submission, evidence in contents(view, MilestoneEvidence):
        if evidence.milestone_number not in planned:
            continue
        plan, milestone = planned[evidence.milestone_number]
        day = milestone.completed_date
        if day is not None and abs((evidence.completed_date - day).days) > MILESTONE_DAYS_MAX:
            message = "plan and evidence name days more than a month apart"
            yield Suspicion(message=message, evidence=(submission, plan), about=evidence.milestone_number)


@rule(
    rule_id="EVIDENCE_OF_NO_MILESTONE",
    severity=Severity.NOTICE,
    rationale="Evidence shows a milestone of the plan.",
    possible_harm="Something is shown that was never promised, and what was promised is not.",
    source="carbonbureau.intake.v1.MilestoneEvidence",
    innocent_explanation="The plan is on its way, or was replaced with new numbers.",
    what_to_do="Send the plan, or correct the number of the milestone.",
    rests_on_absence=True,
)
def evidence_of_no_milestone(view: AccountView) -> Iterator[Suspicion]:
    planned = _milestones(view)
    for submission, evidence in contents(view, MilestoneEvidence):
        if evidence.milestone_number not in planned:
            yield Suspicion(message="evidence of a milestone that no plan names", evidence=(submission,), about=evidence.milestone_number)


@rule(
    rule_id="DOCUMENT_SHOWN_TWICE",
    severity=Severity.WARNING,
    rationale="One document that shows two milestones shows one of them at most.",
    possible_harm="Progress is counted twice.",
    source="this bureau: documents are told apart by their SHA-256",
    innocent_explanation="One acceptance report covers two measures.",
    what_to_do="Name in the description what the document says of each milestone.",
)
def document_shown_twice(view: AccountView) -> Iterator[Suspicion]:
    shown: dict[str, dict[str, Submission]] = defaultdict(dict)
    for submission, evidence in contents(view, MilestoneEvidence):
        shown[evidence.document_sha256.casefold()][evidence.milestone_number] = submission
    for document, milestones in shown.items():
        if document and len(milestones) > 1:
            yield Suspicion(message="one document for several milestones", evidence=tuple(milestones.values()))


# ---- Money ----


@rule(
    rule_id="EXPENDITURE_STATED_DIFFERENTLY",
    severity=Severity.WARNING,
    rationale="A subject has one total of capital expenditure a period; two totals are two counts of the same thing, like 45 or 46 firms.",
    possible_harm="The investment share is computed over the larger or the smaller total: it moves the grade either way.",
    source="published pilot reports (45 or 46 firms); carbonbureau.intake.v1.TransitionInvestment",
    innocent_explanation="The total was revised between two records.",
    what_to_do="Correct the records that hold the old total.",
)
def expenditure_stated_differently(view: AccountView) -> Iterator[Suspicion]:
    totals: dict[tuple[Period | None, str], dict[Decimal, Submission]] = defaultdict(dict)
    for submission, one in contents(view, TransitionInvestment):
        totals[submission.period, submission.provider_code][one.total_capital_expenditure_yuan] = submission
    for (period, _), different in totals.items():
        if len(different) > 1:
            message = "two totals of the capital expenditure of one period"
            yield Suspicion(message=message, evidence=tuple(different.values()), period=period)


@rule(
    rule_id="INVESTMENT_FAR_ABOVE_REVENUE",
    severity=Severity.WARNING,
    rationale="Nobody spends five years' revenue in one.",
    possible_harm="The investment share, which weighs most at the early stage, is invented.",
    source="this bureau; five times are ours",
    innocent_explanation="A plant under construction has no revenue yet; the parent pays.",
    what_to_do="Check yuan against 10,000 yuan; name who pays.",
)
def investment_far_above_revenue(view: AccountView) -> Iterator[Suspicion]:
    returns: dict[Period | None, Decimal] = {one.period: one.content.revenue_yuan for one in stated(view, TaxReturn)}
    for submission, one in contents(view, TransitionInvestment):
        revenue = returns.get(submission.period)
        if revenue is not None and one.amount_yuan > YEARS_REVENUE_MAX * revenue:
            message = "investment of more than five times the revenue"
            yield Suspicion(message=message, evidence=(submission,), period=submission.period, about=one.technology_code)


@rule(
    rule_id="PATENTS_WITHOUT_SPENDING",
    severity=Severity.NOTICE,
    rationale="Patents come from research, and research costs.",
    possible_harm="Bought or borrowed patents pass for the subject's own strength.",
    source="this bureau",
    innocent_explanation="The research was paid in years before; the patents were bought.",
    what_to_do="State the spending, or leave bought patents out.",
)
def patents_without_spending(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, ResearchAndDevelopment):
        if one.content.patents_granted > 0 and one.content.expenditure_yuan == 0:
            yield one.suspicion("patents without any spending", about=one.content.technology_code)


@rule(
    rule_id="SUPPLY_TO_NOBODY",
    severity=Severity.NOTICE,
    rationale="What was supplied to others has a recipient.",
    possible_harm="Green technology supplied to others, decisive at the mature stage, is sold to oneself.",
    source="carbonbureau.intake.v1.GreenTechnologySupply",
    innocent_explanation="The number of recipients was not counted.",
    what_to_do="State the number of recipients outside the group.",
)
def supply_to_nobody(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, GreenTechnologySupply):
        if one.content.revenue_yuan > 0 and one.content.recipients == 0:
            yield one.suspicion("revenue with green technology, and nobody who received it", about=one.content.technology_code)

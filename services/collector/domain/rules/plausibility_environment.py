"""The account rules about permits, penalties, notices and classes of the environmental authorities. They never reject."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from services.collector.domain.account import AccountView
from services.collector.domain.contents.energy import FuelUse
from services.collector.domain.contents.environment import (
    EnergyOverConsumptionNotice,
    EnvironmentalCredit,
    EnvironmentalCreditClass,
    Penalty,
    PenaltyGround,
    PenaltyRepair,
    Permit,
    PermitState,
    QualityControlPlan,
    UltraLowEmissionState,
    UltraLowEmissionStatus,
)
from services.collector.domain.contents.production import Output
from services.collector.domain.contents.registry import CourtListing, CourtListKind, EnterpriseState, RegistryEntry
from services.collector.domain.finding import Severity, Suspicion
from services.collector.domain.months import months_before
from services.collector.domain.rules.rule import rule
from services.collector.domain.rules.stated import contents, stated
from services.collector.domain.submission import Submission

# A penalty moves the class of the year in which it was decided.
CLASS_MONTHS = 12
# 企业环境信用评价办法 (2013): a fine of this size is a serious one in the class; unverified, the sum is ours.
HEAVY_FINE_YUAN = Decimal(200_000)


@rule(
    rule_id="PENALTY_FOR_FALSIFICATION",
    severity=Severity.SEVERE,
    rationale="A subject that was fined for falsified carbon data cannot be graded by its data.",
    possible_harm="A bank lends on figures that an authority has found to be invented.",
    source="碳排放权交易管理暂行条例 Art. 22 and 27: a not-rated event",
    innocent_explanation="The decision is under appeal, or concerns a plant that was sold.",
    what_to_do="Nothing; the subject may show the repair (信用修复) or the annulment of the decision.",
)
def penalty_for_falsification(view: AccountView) -> Iterator[Suspicion]:
    for submission, penalty in contents(view, Penalty):
        if penalty.ground is PenaltyGround.FALSIFIED_CARBON_DATA:
            yield Suspicion(message="fined for falsified carbon data", evidence=(submission,), about=penalty.decision_number)


@rule(
    rule_id="REPAIR_WITHOUT_PENALTY",
    severity=Severity.WARNING,
    rationale="A repair takes back the weight of one decision; without the decision nobody knows of which.",
    possible_harm="The penalty is missing from the account, or the repair will be counted for another one.",
    source="信用修复 rules: a repair names its decision",
    innocent_explanation="The decision is older than the records of the agency, or on its way.",
    what_to_do="Send the penalty, or correct the number of the decision.",
    rests_on_absence=True,
)
def repair_without_penalty(view: AccountView) -> Iterator[Suspicion]:
    known = {penalty.decision_number for _, penalty in contents(view, Penalty)}
    for submission, repair in contents(view, PenaltyRepair):
        if repair.decision_number not in known:
            yield Suspicion(message="a repair of a decision that is not known", evidence=(submission,), about=repair.decision_number)


@rule(
    rule_id="REPAIR_BEFORE_PENALTY",
    severity=Severity.WARNING,
    rationale="Nothing is repaired before it was decided.",
    possible_harm="The penalty never weighs on the grade.",
    source="信用修复 rules",
    innocent_explanation="The day of the repair of an earlier decision was sent.",
    what_to_do="Correct the day or the number of the decision.",
)
def repair_before_penalty(view: AccountView) -> Iterator[Suspicion]:
    for submission, repair in contents(view, PenaltyRepair):
        for other, penalty in contents(view, Penalty):
            if penalty.decision_number == repair.decision_number and repair.repaired_date < penalty.decided_date:
                message = "repaired before it was decided"
                yield Suspicion(message=message, evidence=(submission, other), about=repair.decision_number)


@rule(
    rule_id="OUTPUT_WITHOUT_PERMIT",
    severity=Severity.SEVERE,
    rationale="A plant whose permits have all ended or were taken may not run.",
    possible_harm="A bank finances output that an authority can stop any day.",
    source="排污许可管理条例 Art. 2: no discharge without a permit",
    innocent_explanation="The renewal was granted and has not been sent.",
    what_to_do="Send the permit in force, or correct the period of the output.",
    rests_on_absence=True,
)
def output_without_permit(view: AccountView) -> Iterator[Suspicion]:
    permits = list(contents(view, Permit))
    if not permits:
        return
    for one in stated(view, Output):
        day = one.period.start
        if one.content.quantity > 0 and not any(_holds(permit, day) or permit.valid_from_date > day for _, permit in permits):
            yield one.suspicion("output after the end of every permit", beside=[submission for submission, _ in permits])


def _holds(permit: Permit, day: date) -> bool:
    ended = permit.valid_until_date is not None and permit.valid_until_date <= day
    return permit.state is PermitState.GRANTED and not ended


@rule(
    rule_id="OVER_CONSUMPTION_WITHIN_QUOTA",
    severity=Severity.WARNING,
    rationale="A notice of energy use above quota states a use above the quota.",
    possible_harm="A negative fact weighs on the grade that its own figures contradict.",
    source="carbonbureau.intake.v1.EnergyOverConsumptionNotice",
    innocent_explanation="The two figures were swapped; the quota was raised afterwards.",
    what_to_do="Correct the figures, or withdraw the notice.",
)
def over_consumption_within_quota(view: AccountView) -> Iterator[Suspicion]:
    for submission, notice in contents(view, EnergyOverConsumptionNotice):
        if notice.consumed_tce <= notice.quota_tce:
            message = "the notice states no use above the quota"
            yield Suspicion(message=message, evidence=(submission,), period=submission.period, about=notice.notice_number)


@rule(
    rule_id="MEASURED_WITHOUT_PLAN",
    severity=Severity.NOTICE,
    rationale="Measured values count instead of defaults where a data quality control plan says how they are measured.",
    possible_harm="A favourable carbon content without a procedure behind it lowers emissions by a tenth or more.",
    source="碳排放权交易管理暂行条例 Art. 11 (数据质量控制方案)",
    innocent_explanation="The plan is filed with another agency, or on its way.",
    what_to_do="Send the quality control plan that covers the parameter, or the fuel without the measured value.",
    rests_on_absence=True,
)
def measured_without_plan(view: AccountView) -> Iterator[Suspicion]:
    plans = list(contents(view, QualityControlPlan))
    told: set[str] = set()
    for one in stated(view, FuelUse):
        filed = [plan for _, plan in plans if plan.filed_date < one.period.end]
        ncv = one.content.ncv_gj_per_unit is None or any(plan.measures_ncv for plan in filed)
        carbon = one.content.carbon_content_tc_per_gj is None or any(plan.measures_carbon_content for plan in filed)
        # Once for each fuel: every month says the same.
        if not (ncv and carbon) and one.content.fuel_code not in told:
            told.add(one.content.fuel_code)
            yield one.suspicion("a measured value that no quality control plan covers", about=one.content.fuel_code)


@rule(
    rule_id="CREDIT_CLASS_CONTRADICTORY",
    severity=Severity.WARNING,
    rationale="A subject has one environmental credit class at a time.",
    possible_harm="The grade depends on which of the two was read.",
    source="企业环境信用评价办法 (2013): one class a year",
    innocent_explanation="City and province publish classes of their own.",
    what_to_do="Send the class that holds, and withdraw the other.",
)
def credit_class_contradictory(view: AccountView) -> Iterator[Suspicion]:
    decided: dict[date, list[tuple[Submission, EnvironmentalCredit]]] = defaultdict(list)
    for submission, one in contents(view, EnvironmentalCreditClass):
        decided[one.decided_date].append((submission, one.credit_class))
    for day, classes in decided.items():
        if len({credit_class for _, credit_class in classes}) > 1:
            evidence = tuple(submission for submission, _ in classes)
            yield Suspicion(message="two classes decided on one day", evidence=evidence, period=evidence[0].period, about=str(day))


@rule(
    rule_id="CREDIT_CLASS_DESPITE_PENALTY",
    severity=Severity.WARNING,
    rationale="The best class is for subjects without a serious offence in the year before.",
    possible_harm="Environmental credit counts in the grade: an offender is priced like the best.",
    source="企业环境信用评价办法 (2013), unverified; a fine of 200,000 yuan is our reading of serious",
    innocent_explanation="The penalty was repaired or annulled; the class is that of the year before it.",
    what_to_do="The environmental authority confirms the class or sends the new one.",
)
def credit_class_despite_penalty(view: AccountView) -> Iterator[Suspicion]:
    repaired = {repair.decision_number for _, repair in contents(view, PenaltyRepair)}
    for submission, one in contents(view, EnvironmentalCreditClass):
        for other, penalty in contents(view, Penalty):
            recent = months_before(one.decided_date, CLASS_MONTHS) <= penalty.decided_date <= one.decided_date
            heavy = penalty.fine_yuan >= HEAVY_FINE_YUAN and penalty.decision_number not in repaired
            if one.credit_class is EnvironmentalCredit.GREEN and recent and heavy:
                message = "the best class within a year of a serious penalty"
                yield Suspicion(message=message, evidence=(submission, other), about=penalty.decision_number)


@rule(
    rule_id="ULTRA_LOW_WITHOUT_PUBLICATION",
    severity=Severity.NOTICE,
    rationale="Ultra-low emission counts as reached on the day of its publication.",
    possible_harm="A plant profits from a status that nobody published.",
    source="关于推进实施钢铁行业超低排放的意见 (2019): published after assessment, unverified",
    innocent_explanation="The date is on the notice and was not typed in.",
    what_to_do="Send the day of the publication.",
)
def ultra_low_without_publication(view: AccountView) -> Iterator[Suspicion]:
    for submission, one in contents(view, UltraLowEmissionStatus):
        published = one.state in (UltraLowEmissionState.PUBLISHED, UltraLowEmissionState.PARTLY_PUBLISHED)
        if published and one.published_date is None:
            yield Suspicion(message="published, without the day", evidence=(submission,), about=submission.facility_number)


@rule(
    rule_id="OUTPUT_AFTER_DEREGISTRATION",
    severity=Severity.WARNING,
    rationale="A subject that was struck off makes nothing any more.",
    possible_harm="A dead code is used to carry output or emissions that belong to another.",
    source="市场主体登记管理条例: the code ends with the enterprise",
    innocent_explanation="The plant goes on under a successor, and the agency still uses the old code.",
    what_to_do="Report under the code of the successor; the registry sends the structural change.",
)
def output_after_deregistration(view: AccountView) -> Iterator[Suspicion]:
    if not view.entries:
        return
    entry = view.entries[-1]
    assert isinstance(entry.content, RegistryEntry)
    if entry.content.state not in (EnterpriseState.DEREGISTERED, EnterpriseState.REVOKED):
        return
    for one in stated(view, Output):
        if one.period.start >= entry.content.effective_date and one.content.quantity > 0:
            yield one.suspicion("output after the subject was struck off", beside=(entry,))


@rule(
    rule_id="LISTED_AS_INSOLVENT",
    severity=Severity.SEVERE,
    rationale="An enterprise in insolvency has no transition to finance but that of its administrator.",
    possible_harm="A bank lends against a plan that the insolvency has ended.",
    source="企业破产法; public list of insolvency cases",
    innocent_explanation="The application was refused and the list not yet changed.",
    what_to_do="The court's list is corrected, or the day of removal is sent.",
)
def listed_as_insolvent(view: AccountView) -> Iterator[Suspicion]:
    for submission, one in contents(view, CourtListing):
        if one.list is CourtListKind.INSOLVENCY and one.removed_date is None:
            yield Suspicion(message="the subject is on the list of insolvencies", evidence=(submission,), about=one.case_number)

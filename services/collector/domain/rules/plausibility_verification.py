"""The account rules about reports, inventories and verification: what was declared, laid against what stands. They never reject."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from services.collector.domain.account import AccountView
from services.collector.domain.contents.emissions import EmissionsInventory, EtsVerifiedEmissions, ReportedEmissions
from services.collector.domain.contents.energy import ElectricityUse, FuelUse, HeatUse
from services.collector.domain.contents.verification import (
    RecheckAnswer,
    RecheckOutcome,
    SectorOpinion,
    SectorStanding,
    VerificationOpinion,
    VerifierStatement,
)
from services.collector.domain.coverage import Coverage, lies_within
from services.collector.domain.finding import Severity, Suspicion
from services.collector.domain.quantity import relative_difference
from services.collector.domain.rules.rule import rule
from services.collector.domain.rules.stated import contents, stated, total
from services.collector.domain.submission import Submission
from services.common.civil_time import Period

DIFFERENCE_MAX = Decimal("0.10")
# tCO2 from a unit of fuel: from the lowest calorific value and carbon content of anything sold under the name, 90 % oxidised, to the
# highest, burnt whole (24-industry guideline defaults, partly transcribed, ± 20 %). 0.8 kg per litre of diesel is 0.95 t/t, a third of it.
FUEL_FACTOR_RANGE = {
    "diesel": (Decimal("2.5"), Decimal("3.6")),
    "gasoline": (Decimal("2.4"), Decimal("3.5")),
    "fuel_oil": (Decimal("2.4"), Decimal("3.6")),
    "coal": (Decimal("0.7"), Decimal("3.6")),
    "natural_gas": (Decimal("15"), Decimal("26")),
}
# No grid emits more per MWh than its worst coal unit with its losses; the highest provincial factor is about 0.8.
GRID_FACTOR_MAX = Decimal("1.3")
# tCO2 per MWh supplied: the best gas turbines and the worst small coal units; ours, around the ETS benchmarks of 0.39 to 1.15.
ETS_INTENSITY_RANGE = (Decimal("0.3"), Decimal("2.0"))
CORRECTIONS_MAX = 5


@rule(
    rule_id="REPORTED_FACTOR_IMPOSSIBLE",
    severity=Severity.WARNING,
    rationale="Carbon in fuel becomes CO2: a litre of diesel gives about 2.6 kg; who reports 0.8 kg used a wrong factor.",
    possible_harm="Emissions of the fuel are wrong by the same factor, for everyone who uses the table it came from.",
    source="24-industry guideline, fuel defaults (partly transcribed); published pilot reports (0.8 kgCO2 per litre)",
    innocent_explanation="Part of the fuel was resold; litres were stated as tonnes.",
    what_to_do="Report emissions by the factor of the guideline, and fuel in tonnes (gases in 10^4 Nm3).",
)
def reported_factor_impossible(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, ReportedEmissions):
        limits, scope1 = FUEL_FACTOR_RANGE.get(one.content.energy_carrier), one.content.scope1_tco2e
        if limits is None or scope1 is None:
            continue
        used = total(
            view,
            FuelUse,
            "quantity",
            days=one.period,
            facility_id=one.facility_id,
            code=one.content.energy_carrier,
        )
        if used is not None and not limits[0] * used.amount <= scope1 <= limits[1] * used.amount:
            carrier = one.content.energy_carrier
            yield one.suspicion(f"no {carrier} emits per unit what is reported", about=carrier, beside=used.evidence)


@rule(
    rule_id="SCOPE2_FACTOR_IMPOSSIBLE",
    severity=Severity.WARNING,
    rationale="No grid emits more than 1.3 t per MWh: fossil electricity is bounded by the worst coal unit and the losses behind it.",
    possible_harm="Indirect emissions are overstated, or the electricity is understated by as much.",
    source="MEE provincial grid factors (highest about 0.8 t/MWh, transcription); the limit is ours",
    innocent_explanation="Scope 2 includes heat that is not reported apart; kWh and MWh were confused.",
    what_to_do="Send the heat bought, and electricity in MWh.",
)
def scope2_factor_impossible(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, ReportedEmissions):
        scope2 = one.content.scope2_tco2e
        bought = total(view, ElectricityUse, "purchased_mwh", days=one.period, facility_id=one.facility_id)
        heat = total(view, HeatUse, "purchased_gj", days=one.period, facility_id=one.facility_id)
        if scope2 is not None and bought is not None and heat is None and scope2 > GRID_FACTOR_MAX * bought.amount:
            yield one.suspicion("scope 2 is more than any grid emits for the electricity bought", beside=bought.evidence)


@rule(
    rule_id="ETS_INTENSITY_IMPOSSIBLE",
    severity=Severity.WARNING,
    rationale="Verified emissions over electricity supplied lie between the best gas turbine and the worst small coal unit.",
    possible_harm="Allowances are granted for electricity that never was, or emissions were left out.",
    source="MEE allocation plans: benchmarks of 0.39 to 1.15 tCO2/MWh (transcription); the range is ours",
    innocent_explanation="The plant mostly delivers heat; the unit ran for a few hours.",
    what_to_do="Compare the verification report; state heat supplied.",
)
def ets_intensity_impossible(view: AccountView) -> Iterator[Suspicion]:
    for submission, ets in contents(view, EtsVerifiedEmissions):
        supplied = ets.output_supplied_mwh
        if (
            supplied
            and not ets.heat_supplied_gj
            and not ETS_INTENSITY_RANGE[0] * supplied <= ets.verified_tco2 <= ETS_INTENSITY_RANGE[1] * supplied
        ):
            yield Suspicion(
                message="verified emissions do not fit the electricity supplied", evidence=(submission,), about=str(ets.ets_year)
            )


@rule(
    rule_id="INVENTORY_DIFFERS_FROM_ACCOUNT",
    severity=Severity.WARNING,
    rationale="The inventory that an enterprise declares and the account drawn up from its records speak of the same chimneys.",
    possible_harm="The subject shows one figure to the bureau and another to the public or the bank.",
    source="GB/T 32150; the limit of 10 % is ours",
    innocent_explanation="The inventory covers plants that belong to another subject here; process emissions are not reported to us.",
    what_to_do="Name the boundary of the inventory; send what is missing on the account.",
)
def inventory_differs_from_account(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, EmissionsInventory):
        posted = _posted_scope1(view, one.period)
        if posted is not None and relative_difference(one.content.scope1_tco2e, posted) > DIFFERENCE_MAX:
            yield one.suspicion("the inventory differs from the account by more than 10 %")


@rule(
    rule_id="VERIFIED_DIFFERS_FROM_ACCOUNT",
    severity=Severity.WARNING,
    rationale="What a verifier confirmed and what stands on the account cannot both be the emissions of the year.",
    possible_harm="The obligation is met for one figure and the loan is priced by another.",
    source="碳排放权交易管理暂行条例 Art. 12; the limit of 10 % is ours",
    innocent_explanation="The scheme covers the power units only; its year ends on another day.",
    what_to_do="Say which units the verified figure covers.",
)
def verified_differs_from_account(view: AccountView) -> Iterator[Suspicion]:
    for submission, ets in contents(view, EtsVerifiedEmissions):
        year = Period(start=date(ets.ets_year, 1, 1), end=date(ets.ets_year + 1, 1, 1), zone="Asia/Shanghai")
        posted = _posted_scope1(view, year)
        if posted is not None and relative_difference(ets.verified_tco2, posted) > DIFFERENCE_MAX:
            message = "emissions verified for the scheme differ from the account by more than 10 %"
            yield Suspicion(message=message, evidence=(submission,), period=year)
    for one in stated(view, VerifierStatement):
        posted = _posted_scope1(view, one.period)
        confirmed = one.content.scope1_tco2e
        if posted is not None and confirmed is not None and relative_difference(confirmed, posted) > DIFFERENCE_MAX:
            yield one.suspicion("the verifier's figure differs from the account by more than 10 %")


def _posted_scope1(view: AccountView, days: Period) -> Decimal | None:
    """Add up direct emissions posted for these days; None where not every day has some."""
    within = [posting for posting in view.postings if posting.scope == 1 and lies_within(posting.period, days)]
    if not Coverage(posting.period for posting in within).covers(days):
        return None
    return sum((posting.amount_tco2e for posting in within), Decimal(0))


@rule(
    rule_id="ETS_DIFFERS_FROM_INVENTORY",
    severity=Severity.WARNING,
    rationale="Both speak of direct emissions of one year: the one for the scheme, the other for everybody else.",
    possible_harm="One of two published figures is wrong; a reader of the report cannot tell which.",
    source="this bureau, between kinds of one subject; the limit of 10 % is ours",
    innocent_explanation="The inventory has process emissions and plants outside the scheme.",
    what_to_do="Name what the inventory holds beyond the scheme, or correct it.",
)
def ets_differs_from_inventory(view: AccountView) -> Iterator[Suspicion]:
    for submission, ets in contents(view, EtsVerifiedEmissions):
        year = (date(ets.ets_year, 1, 1), date(ets.ets_year + 1, 1, 1))
        for one in stated(view, EmissionsInventory):
            same_year = (one.period.start, one.period.end) == year
            if same_year and relative_difference(ets.verified_tco2, one.content.scope1_tco2e) > DIFFERENCE_MAX:
                message = "emissions verified for the scheme differ from the inventory by more than 10 %"
                yield one.suspicion(message, beside=(submission,))


@rule(
    rule_id="VERIFIED_WITHOUT_INVENTORY",
    severity=Severity.NOTICE,
    rationale="What was verified is a report; without it nobody sees what the verifier looked at.",
    possible_harm="A verified total stands with the best data quality, and what lies behind it is not known.",
    source="ISO 14064-3: verification is of a statement",
    innocent_explanation="The inventory goes to another agency, or is on its way.",
    what_to_do="Send the inventory or the reported emissions of the year.",
    rests_on_absence=True,
)
def verified_without_inventory(view: AccountView) -> Iterator[Suspicion]:
    declared = [one.period for one in stated(view, EmissionsInventory)]
    declared += [one.period for one in stated(view, ReportedEmissions)]
    known = Coverage(declared)
    for one in stated(view, VerifierStatement):
        if not known.covers(one.period):
            yield one.suspicion("verified, and no report of these days is known")


@rule(
    rule_id="VERIFIER_COMPILED_DATA",
    severity=Severity.SEVERE,
    rationale="One agency may not both compile and verify in one province: it would judge its own work.",
    possible_harm="The best data quality, 1, is given to figures that nobody independent has seen.",
    source="碳排放权交易管理暂行条例 Art. 13, read as any data of the subject, not only the same file",
    innocent_explanation="Two agencies share a code after a merger; the code of the verifier was written into both fields.",
    what_to_do="Have another verifier verify; correct the code if it is wrong.",
)
def verifier_compiled_data(view: AccountView) -> Iterator[Suspicion]:
    compiled: dict[str, list[Submission]] = defaultdict(list)
    for submission, inventory in contents(view, EmissionsInventory):
        compiled[inventory.compiled_by_code].append(submission)
    for submission, statement in contents(view, VerifierStatement):
        compiled[statement.compiler_code].append(submission)
    for code, verified in _verifiers(view):
        if code in compiled:
            yield Suspicion(message="the verifier also compiled data of the subject", evidence=(verified, *compiled[code]), about=code)


def _verifiers(view: AccountView) -> Iterator[tuple[str, Submission]]:
    for submission, statement in contents(view, VerifierStatement):
        yield statement.verifier_code, submission
    for submission, ets in contents(view, EtsVerifiedEmissions):
        yield ets.verifier_code, submission


@rule(
    rule_id="VERIFIER_OPINION_ADVERSE",
    severity=Severity.SEVERE,
    rationale="A verifier that finds a material misstatement, or cannot conclude, says that the figures cannot be relied on.",
    possible_harm="A loan rests on figures that their own verifier refuses.",
    source="ISO 14064-3: adverse opinion, disclaimer",
    innocent_explanation="The statement is on a first version that was corrected since.",
    what_to_do="Correct the figures and have them verified again.",
)
def verifier_opinion_adverse(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, VerifierStatement):
        if one.content.opinion in (VerificationOpinion.ADVERSE, VerificationOpinion.DISCLAIMED):
            yield one.suspicion("the verifier does not confirm the figures")


@rule(
    rule_id="QUALIFIED_WITHOUT_EXCEPTIONS",
    severity=Severity.NOTICE,
    rationale="A qualified opinion is one with exceptions, and names them.",
    possible_harm="A reader cannot tell which figure the verifier doubts.",
    source="ISO 14064-3: qualified opinion",
    innocent_explanation="The exceptions stand in an annex that was not sent.",
    what_to_do="Send the exceptions in words.",
)
def qualified_without_exceptions(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, VerifierStatement):
        if one.content.opinion is VerificationOpinion.QUALIFIED and not one.content.exceptions:
            yield one.suspicion("a qualified opinion that names no exception")


@rule(
    rule_id="SECTOR_OPINIONS_APART",
    severity=Severity.NOTICE,
    rationale="Of two associations one cannot see the subject leading and the other lagging in the same sector.",
    possible_harm="The joint rating (联合评级) moves the grade by whichever opinion was read.",
    source="this bureau: joint rating is a step with roles",
    innocent_explanation="The associations stand for two sectors in which the subject works; one opinion is older.",
    what_to_do="Name the sector and the year in the reasoning.",
)
def sector_opinions_apart(view: AccountView) -> Iterator[Suspicion]:
    opinions = list(contents(view, SectorOpinion))
    best = [submission for submission, opinion in opinions if opinion.standing is SectorStanding.LEADING]
    worst = [submission for submission, opinion in opinions if opinion.standing is SectorStanding.LAGGING]
    if best and worst:
        yield Suspicion(message="one association sees the subject leading, another lagging", evidence=(*best, *worst))


@rule(
    rule_id="RECHECK_CORRECTED_NOTHING",
    severity=Severity.WARNING,
    rationale="Who answers that a record was wrong and is corrected has sent its next revision.",
    possible_harm="A figure that its own provider calls wrong goes on counting.",
    source="this bureau: findings go back, corrections come",
    innocent_explanation="The correction is on its way, or was sent under a new record number.",
    what_to_do="Send the corrected record with the next record_revision.",
    rests_on_absence=True,
)
def recheck_corrected_nothing(view: AccountView) -> Iterator[Suspicion]:
    revisions = {(one.provider_code, str(one.kind), one.record_number): one for one in view.effective}
    for submission, answer in contents(view, RecheckAnswer):
        record = revisions.get((submission.provider_code, answer.record_kind, answer.record_number))
        if answer.outcome is RecheckOutcome.CORRECTED and record is not None and record.record_revision == 1:
            yield Suspicion(message="the record that was to be corrected is the original still", evidence=(submission, record))


@rule(
    rule_id="RECORD_CORRECTED_OFTEN",
    severity=Severity.NOTICE,
    rationale="A figure that needs five corrections is not known to who reports it.",
    possible_harm="The account shows whichever attempt came last.",
    source="this bureau; five are ours",
    innocent_explanation="The meter was replaced and the estimate improved step by step.",
    what_to_do="Say in the next correction why the figure changed.",
)
def record_corrected_often(view: AccountView) -> Iterator[Suspicion]:
    for one in view.effective:
        if one.record_revision > CORRECTIONS_MAX:
            yield Suspicion(message="the record was corrected five times or more", evidence=(one,), period=one.period)

"""The account rules about what could not be posted, or only instead of something else. They never reject."""

from collections.abc import Iterator

from services.collector.domain.account import AccountView
from services.collector.domain.annual import TOTAL_MAX
from services.collector.domain.emissions import POSTED_TCO2E_MAX
from services.collector.domain.finding import Severity, Suspicion
from services.collector.domain.method import FactorGap
from services.collector.domain.quantity import AMOUNT_MAX, Measure
from services.collector.domain.remark import Remark, Unposted
from services.collector.domain.rules.rule import rule
from services.collector.domain.statement import LIMITED_RULE, is_limited


@rule(
    rule_id="CORRECTION_PARKED",
    severity=Severity.NOTICE,
    rationale="A correction counts when all revisions before it are there: else nobody knows what it corrects.",
    possible_harm="The account shows the figure that the provider already knows to be wrong.",
    source="this bureau, identity (README, decisions)",
    innocent_explanation="The original comes by another way and is late.",
    what_to_do="Send the missing revision.",
    rests_on_absence=True,
)
def correction_parked(view: AccountView) -> Iterator[Suspicion]:
    for submission in view.parked:
        yield Suspicion(message="the correction waits for a revision before it", evidence=(submission,), period=submission.period)


@rule(
    rule_id="CORRECTION_OF_ANOTHER_SUBJECT",
    severity=Severity.WARNING,
    rationale="A correction replaces what it corrects. About another subject it would replace nothing there and wait for ever here.",
    possible_harm="A wrong figure stays on one account, a right one is missing from another.",
    source="this bureau, identity (README, decisions): a correction never moves a record to another subject",
    innocent_explanation="The correction names the wrong subject, or the original does; or the record number was used again.",
    what_to_do=(
        "If the correction names the wrong subject: send it with the subject_code of the original. If the original does: correct it "
        "under its own subject_code, an amount to 0, and send the record for the right subject under a new record_number."
    ),
)
def correction_of_another_subject(view: AccountView) -> Iterator[Suspicion]:
    for submission in view.misdirected:
        message = "the original of this record has another subject_code; the correction does not count"
        yield Suspicion(message=message, evidence=(submission,), period=submission.period)


@rule(
    rule_id="FUEL_UNKNOWN",
    severity=Severity.WARNING,
    rationale="A fuel that the method does not know has no factor; a similar one is never taken in its place.",
    possible_harm="Emissions of a fuel are missing from the total; the subject looks cleaner than it is.",
    source="GB/T 32151.1; method file of the subject's industry",
    innocent_explanation="The fuel is known under another code.",
    what_to_do="Use the code of the method, or have the fuel added to it with a source.",
)
def fuel_unknown(view: AccountView) -> Iterator[Suspicion]:
    return _gaps(view, FactorGap.UNKNOWN_KEY, "is not known to the method; nothing is posted for it")


@rule(
    rule_id="FUEL_UNIT",
    severity=Severity.WARNING,
    rationale="Tonnes and cubic metres of a fuel cannot be turned into each other without its density, which nobody stated.",
    possible_harm="Emissions of a fuel are missing from the total until the unit is mended.",
    source="GB/T 32151.1; method file of the subject's industry",
    innocent_explanation="Liquefied gas is weighed, piped gas is metered.",
    what_to_do="Send the quantity in the unit of the method.",
)
def fuel_unit(view: AccountView) -> Iterator[Suspicion]:
    return _gaps(view, FactorGap.OTHER_UNIT, "is stated in another unit than the method's; nothing is posted for it")


@rule(
    rule_id="FACTOR_MISSING",
    severity=Severity.WARNING,
    rationale="A factor of another year or region would be a guess that looks like a figure.",
    possible_harm="Emissions of the period are missing from the total; no intensity is given.",
    source="this bureau: factors are never picked silently",
    innocent_explanation="The factor of the year is not announced yet, or the period lies across two factors.",
    what_to_do="Report shorter periods; the bureau adds the factor when it is announced.",
)
def factor_missing(view: AccountView) -> Iterator[Suspicion]:
    return _gaps(view, FactorGap.MISSING, "has no factor for the whole period and region; nothing is posted for it")


@rule(
    rule_id="FACTOR_AMBIGUOUS",
    severity=Severity.SEVERE,
    rationale="Two factors for one day: whichever is picked, the other could have been.",
    possible_harm="Nothing is posted: the subject has no grade through no fault of its own.",
    source="this bureau: two factors for one date are an error",
    innocent_explanation="None: the bureau's method file is at fault.",
    what_to_do="The bureau mends the method file.",
)
def factor_ambiguous(view: AccountView) -> Iterator[Suspicion]:
    return _gaps(view, FactorGap.AMBIGUOUS, "has more than one factor for the period; nothing is posted for it")


@rule(
    rule_id="METHODS_AMBIGUOUS",
    severity=Severity.SEVERE,
    rationale="Two methods for one industry and day: whichever is picked, the other could have been.",
    possible_harm="Nothing is posted: the subject has no grade through no fault of its own.",
    source="this bureau, accounting methods (domain/methods)",
    innocent_explanation="None: the bureau's method files are at fault.",
    what_to_do="The bureau ends one method on the day on which the other begins.",
)
def methods_ambiguous(view: AccountView) -> Iterator[Suspicion]:
    for remark in _remarks(view, Unposted.METHODS_AMBIGUOUS):
        yield _suspicion(remark, f"more than one method holds: {remark.detail}; nothing is posted")


@rule(
    rule_id="REPORTED_NOT_POSTED",
    severity=Severity.NOTICE,
    rationale="Emissions computed from fuel and electricity stand on the account; the reported figure is compared and not added.",
    possible_harm="None by itself: a reader may look for the reported figure in vain.",
    source="GB/T 32151.1: calculation from activity data",
    innocent_explanation="This is the rule, not an irregularity.",
    what_to_do="Nothing.",
)
def reported_not_posted(view: AccountView) -> Iterator[Suspicion]:
    found = {(remark.quantity.facility_id, remark.quantity.measure) for remark in _remarks(view, Unposted.ACTIVITY_COVERS)}
    for facility_id, measure in sorted(found):
        message = f"{measure} is not posted where fuel or electricity of no worse quality was accounted for all of the same days"
        yield Suspicion(message=message, facility_id=facility_id, about=measure)


@rule(
    rule_id="ACTIVITY_NOT_POSTED",
    severity=Severity.WARNING,
    rationale="Fuel or electricity stands instead of a reported figure only if it covers all of its days at no worse quality.",
    possible_harm="The better figure is left out; the account rests on the enterprise's own word.",
    source="this bureau: one month must not take the place of a verified year",
    innocent_explanation="Activity data are reported by the month and the newest are still on their way; or the report was verified.",
    what_to_do="Send the activity data of the remaining days, or metered in place of declared ones.",
    rests_on_absence=True,
)
def activity_not_posted(view: AccountView) -> Iterator[Suspicion]:
    for remark in _remarks(view, Unposted.REPORTED_STANDS):
        yield _suspicion(remark, f"{remark.quantity.name()}: not posted, a reported figure stands for days of the period")


@rule(
    rule_id="OVERLAP_NOT_POSTED",
    severity=Severity.NOTICE,
    rationale="Figures that share some days but not all can be neither added nor compared.",
    possible_harm="Days are missing from the account; a fall may be a gap.",
    source="this bureau, until figures are reconciled",
    innocent_explanation="One provider reports by the quarter, another by the month.",
    what_to_do="Report by calendar month.",
    rests_on_absence=True,
)
def overlap_not_posted(view: AccountView) -> Iterator[Suspicion]:
    for resolution in view.resolutions:
        for passed in resolution.passed_over:
            if not passed.comparable:
                yield Suspicion(
                    message=f"{resolution.quantity.name()}: the period shares only some days with figures that count; not counted",
                    evidence=passed.figure.evidence(),
                    period=passed.figure.period,
                    facility_id=resolution.quantity.facility_id,
                    about=resolution.quantity.name(),
                )


@rule(
    rule_id="TOTAL_NOT_POSTED",
    severity=Severity.NOTICE,
    rationale="A total beside its parts, or for the whole subject beside its facilities, would count twice.",
    possible_harm="Read as an addition, the total would double the subject's emissions.",
    source="this bureau",
    innocent_explanation="The provider sends the total for convenience.",
    what_to_do="Send either the total or the parts.",
)
def total_not_posted(view: AccountView) -> Iterator[Suspicion]:
    for reason in (Unposted.TOTAL_BESIDE_PARTS, Unposted.TOTAL_BESIDE_FACILITIES):
        for remark in _remarks(view, reason):
            yield _suspicion(remark, f"{remark.quantity.name()}: {reason.value}; not posted")


@rule(
    rule_id="FIGURE_BEYOND_LIMIT",
    severity=Severity.SEVERE,
    rationale="A quarter of the world's yearly emissions on one line is no fact about one subject and would drown all others.",
    possible_harm="One line would make the subject the largest emitter on earth; left out, the account is incomplete.",
    source="this bureau: 10^10 tCO2e of emissions, 10^12 of anything else",
    innocent_explanation="Kilograms were sent as tonnes; or a program sent one figure under very many record numbers.",
    what_to_do="Send a correction with the right unit.",
)
def figure_beyond_limit(view: AccountView) -> Iterator[Suspicion]:
    own = f"10^{AMOUNT_MAX.adjusted()}"
    limits = {Measure.OUTPUT: f"{own} of its unit", Measure.INVESTMENT: f"{own} yuan"}
    for remark in _remarks(view, Unposted.BEYOND_LIMIT):
        limit = limits.get(remark.quantity.measure, f"10^{POSTED_TCO2E_MAX.adjusted()} tCO2e")
        yield _suspicion(remark, f"{remark.quantity.name()}: more than {limit}; not posted")


@rule(
    rule_id="WINDOW_BEYOND_LIMIT",
    severity=Severity.SEVERE,
    rationale="A total of more than 10^14, or an intensity of that size, is no fact about one subject, and no amount of the contract.",
    possible_harm="The year has no totals and no grade.",
    source="this bureau, numbers and time (README, decisions)",
    innocent_explanation="A program sent one figure under very many facility numbers; or output was stated in billions of the unit.",
    what_to_do="Send corrections of the largest figures of the window, with the right unit.",
)
def window_beyond_limit(view: AccountView) -> Iterator[Suspicion]:
    for window in view.windows_beyond_limit:
        message = f"a total or the intensity of the window is above 10^{TOTAL_MAX.adjusted()}; it is not given"
        yield Suspicion(message=message, period=window)


@rule(
    rule_id=LIMITED_RULE,
    severity=Severity.NOTICE,
    rationale="A statement that leaves lines out must say so; totals are of everything, but single old lines are not shown.",
    possible_harm="A reader takes the lines shown for all there are.",
    source="this bureau: the statement travels in one event",
    innocent_explanation="A subject with very many facilities, or decades of monthly figures.",
    what_to_do="Nothing; the postings of all periods stay on the account.",
)
def statement_limited(view: AccountView) -> Iterator[Suspicion]:
    if is_limited(view):
        yield Suspicion(message=f"the statement shows the newest {view.lines_max} lines of each sort")


def _remarks(view: AccountView, reason: Unposted) -> Iterator[Remark]:
    return (remark for remark in view.remarks if remark.reason is reason)


def _gaps(view: AccountView, gap: FactorGap, says: str) -> Iterator[Suspicion]:
    for remark in _remarks(view, Unposted.FACTOR_GAP):
        if remark.gap is gap:
            yield _suspicion(remark, f"{remark.quantity.name()} {says}")


def _suspicion(remark: Remark, message: str) -> Suspicion:
    return Suspicion(
        message=message,
        evidence=remark.evidence,
        period=remark.period,
        facility_id=remark.quantity.facility_id,
        about=remark.quantity.name(),
    )

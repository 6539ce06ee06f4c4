"""The account rules about the directory of enterprises: who the subject is, and whose plant is whose. They never reject."""

import re
from collections.abc import Iterator
from itertools import pairwise

from services.collector.domain.account import AccountView
from services.collector.domain.contents.registry import RegistryEntry
from services.collector.domain.directory import Standing
from services.collector.domain.finding import Severity, Suspicion
from services.collector.domain.remark import Unposted
from services.collector.domain.rules.rule import rule
from services.collector.domain.submission import Submission


@rule(
    rule_id="SUBJECT_NOT_IN_DIRECTORY",
    severity=Severity.WARNING,
    rationale="Without an entry nobody knows the industry, so no activity method and no peer group can be chosen.",
    source="Shanxi pilot, step 1: 建立名录库",
    innocent_explanation="The entry is still on its way.",
    what_to_do="The registry provider sends a registry entry for the subject.",
    rests_on_absence=True,
)
def subject_not_in_directory(view: AccountView) -> Iterator[Suspicion]:
    if view.profile is None:
        yield Suspicion(message="the subject has no entry in the directory of enterprises")


@rule(
    rule_id="FACILITY_NOT_REGISTERED",
    severity=Severity.NOTICE,
    rationale="A plant that no entry names cannot be kept from counting on two accounts.",
    source="this bureau: a facility with its owner over time stands on every posting",
    innocent_explanation="The facility is new, or the figures are older than the entry's first day of ownership.",
    what_to_do="The registry provider adds the facility, with its dates, to the subject's entry.",
    rests_on_absence=True,
)
def facility_not_registered(view: AccountView) -> Iterator[Suspicion]:
    for number in sorted({use.facility.number for use in view.uses if use.facility.standing is Standing.UNREGISTERED}):
        yield Suspicion(message=f"facility {number} is not registered to anybody for some of the periods reported", about=number)


@rule(
    rule_id="FACILITY_NUMBER_MISSING",
    severity=Severity.WARNING,
    rationale="An empty facility number means the only facility; of several it cannot be told which one is meant.",
    source="carbonbureau.intake.v1.Submission, facility_number",
    innocent_explanation="The provider has one contract with the enterprise as a whole and does not know its plants.",
    what_to_do="Send the facility number, or one record for each facility.",
    rests_on_absence=True,
)
def facility_number_missing(view: AccountView) -> Iterator[Suspicion]:
    unnumbered = [use.submission for use in view.uses if use.facility.standing is Standing.UNNUMBERED_OF_SEVERAL]
    for provider_code in sorted({submission.provider_code for submission in unnumbered}):
        yield Suspicion(message="figures without facility number of a subject with several registered facilities", about=provider_code)


@rule(
    rule_id="FACILITY_OF_ANOTHER_SUBJECT",
    severity=Severity.SEVERE,
    rationale="One plant never counts in two accounts: its emissions belong to the owner of the period.",
    source="GB/T 32150-2015, 4.1 (boundary of the legal entity); this bureau, identity",
    innocent_explanation="The plant was sold and one side reports for the year as a whole; or the number has a typing error.",
    what_to_do="Correct the facility number or the subject, or have the registry correct the dates of ownership.",
)
def facility_of_another_subject(view: AccountView) -> Iterator[Suspicion]:
    for remark in view.remarks:
        if remark.reason is Unposted.FACILITY_OF_ANOTHER:
            yield Suspicion(
                message=f"facility {remark.detail} is registered to another subject in this period; its figures are not posted here",
                evidence=remark.evidence,
                period=remark.period,
            )


@rule(
    rule_id="FACILITY_PASSED_ON",
    severity=Severity.NOTICE,
    rationale="Figures follow the facility: they count on the account of who has it in their period, whoever's code they came under.",
    source="GB/T 32150-2015, 4.1 (boundary of the legal entity); GHG Protocol Corporate Standard, ch. 5 (structural changes)",
    innocent_explanation="The provider reports the month of a transfer whole, or has not changed its contract yet.",
    what_to_do="Report the facility under the code of its present owner from now on.",
)
def facility_passed_on(view: AccountView) -> Iterator[Suspicion]:
    for remark in view.remarks:
        if remark.reason is Unposted.FACILITY_PASSED_ON:
            yield Suspicion(
                message=f"facility {remark.detail} went over to another subject; its figures of this period count there",
                evidence=remark.evidence,
                period=remark.period,
            )


@rule(
    rule_id="REPORTED_BY_BOTH_OWNERS",
    severity=Severity.WARNING,
    rationale="One provider that states the same quantity under the codes of the old and of the new owner counts it twice.",
    source="this bureau, identity (README, decisions)",
    innocent_explanation="Each of the two was sent its share of the month, stated as the whole month.",
    what_to_do="State the days that each record covers, or withdraw the one under the former owner's code.",
)
def reported_by_both_owners(view: AccountView) -> Iterator[Suspicion]:
    for remark in view.remarks:
        if remark.reason is Unposted.REPORTED_BY_BOTH_OWNERS:
            yield Suspicion(
                message=f"{remark.quantity.name()}: stated under the code of the former owner too; that record is not counted",
                evidence=remark.evidence,
                period=remark.period,
                facility_id=remark.quantity.facility_id,
            )


@rule(
    rule_id="SUBJECT_ENDED",
    severity=Severity.NOTICE,
    rationale="An enterprise that was merged or deregistered has no account of its own any more; what it was stays on record.",
    source="GHG Protocol Corporate Standard, ch. 5 (structural changes and the base year)",
    innocent_explanation="Mergers and ends are lawful; the entry says so.",
    what_to_do="Nothing; readers of the account look at the successor.",
)
def subject_ended(view: AccountView) -> Iterator[Suspicion]:
    if view.ended_from is not None:
        yield Suspicion(message=f"the subject ended: from {view.ended_from} on it is no enterprise of its own", about=str(view.ended_from))


@rule(
    rule_id="FIGURES_AFTER_THE_END",
    severity=Severity.WARNING,
    rationale="Nobody burns, buys or makes anything after it ended: either it goes on, or the figures are another's.",
    source="this bureau, identity (README, decisions)",
    innocent_explanation="A successor took the plant over and no entry says so yet.",
    what_to_do="The registry provider names the successor; the provider reports under the code of who has the plant.",
)
def figures_after_the_end(view: AccountView) -> Iterator[Suspicion]:
    if view.ended_from is None:
        return
    for use in view.uses:
        period = use.submission.period
        if use.facility.counts() and period is not None and period.start >= view.ended_from:
            yield Suspicion(message="a figure of a period after the subject ended", evidence=(use.submission,), period=period)


@rule(
    rule_id="FACILITY_CONTESTED",
    severity=Severity.SEVERE,
    rationale="Two entries that give one plant to two subjects from the same day are equally good; picking one would be a guess.",
    source="this bureau, identity (README, decisions)",
    innocent_explanation="A group registered the plant for the parent and for the subsidiary.",
    what_to_do="The registry provider corrects one of the two entries; nothing is posted for the plant until then.",
)
def facility_contested(view: AccountView) -> Iterator[Suspicion]:
    for remark in view.remarks:
        if remark.reason is Unposted.FACILITY_CONTESTED:
            yield Suspicion(
                message=f"facility {remark.detail} is registered to two subjects from the same day; its figures are not posted",
                evidence=remark.evidence,
                period=remark.period,
            )


@rule(
    rule_id="FACILITY_CLAIMED_TWICE",
    severity=Severity.WARNING,
    rationale="Two subjects that own a plant on the same day are an error in the directory, even where the later claim settles it.",
    source="this bureau, identity (README, decisions)",
    innocent_explanation="The seller's entry was not ended when the plant was sold.",
    what_to_do="The registry provider sends the earlier owner's entry with the day on which ownership ended.",
)
def facility_claimed_twice(view: AccountView) -> Iterator[Suspicion]:
    for number in view.register.numbers():
        claims = view.register.claims_on(number)
        own = [claim for claim in claims if claim.subject_id == view.subject_id]
        others = [claim for claim in claims if claim.subject_id != view.subject_id]
        if any(one.overlaps(other) for one in own for other in others):
            evidence = tuple({claim.entry.submission_id: claim.entry for claim in own}.values())
            message = f"facility {number} is claimed by another subject on some of the same days"
            yield Suspicion(message=message, evidence=evidence, about=number)


@rule(
    rule_id="FACILITY_OWNER_CHANGED",
    severity=Severity.NOTICE,
    rationale="With a plant its emissions and output move from one account to another: a fall that is no reduction.",
    source="GHG Protocol Corporate Standard, ch. 5 (structural changes and the base year)",
    innocent_explanation="Plants are bought and sold.",
    what_to_do="Nothing; readers of the account weigh the change.",
)
def facility_owner_changed(view: AccountView) -> Iterator[Suspicion]:
    for number in view.register.numbers():
        if len({claim.subject_id for claim in view.register.claims_on(number)}) > 1:
            yield Suspicion(message=f"facility {number} belonged to different subjects over time", about=number)


@rule(
    rule_id="OPERATOR_CHANGED",
    severity=Severity.NOTICE,
    rationale="A subject under another name may be another enterprise that goes on under the code, or the plant of a new operator.",
    source="this bureau, after the ownership changes in the Clean Energy Regulator's facility data",
    innocent_explanation="The enterprise was renamed; the law form or the spelling changed.",
    what_to_do="The registry provider confirms that the subject is the same.",
)
def operator_changed(view: AccountView) -> Iterator[Suspicion]:
    for before, after in pairwise(view.entries):
        if _plain(_entry(before).name) != _plain(_entry(after).name):
            day = _entry(after).effective_date
            yield Suspicion(message=f"the registered name changed with the entry effective {day}", evidence=(after,), about=str(day))


def _plain(name: str) -> str:
    """Compare names without case, spaces and punctuation, in which registers differ."""
    return re.sub(r"[\W_]+", "", name.casefold())


def _entry(submission: Submission) -> RegistryEntry:
    assert isinstance(submission.content, RegistryEntry)
    return submission.content

"""The account rules about allowances and certified reductions: what the registry would not let pass, or nobody should lend on.

They read the allowance account as it was drawn up (allowance.py) and never reject. Messages hold no quantity of any provider.
"""

from collections.abc import Iterator

from services.collector.domain.account import AccountView
from services.collector.domain.allowance import Irregularity
from services.collector.domain.finding import Severity, Suspicion
from services.collector.domain.rules.rule import rule

_LAW = "碳排放权交易管理暂行条例 (State Council decree 775, 2024); 碳排放权登记管理规则（试行）(MEE 2021)"


@rule(
    rule_id="ALLOWANCE_DOUBLE_PLEDGE",
    severity=Severity.SEVERE,
    rationale="Allowances that secure one loan, or are frozen, cannot secure another: the second lender lends on nothing.",
    possible_harm="A bank lends on security that another bank holds already.",
    source=f"民法典 Articles 440 and 443 (pledge of rights); {_LAW}",
    innocent_explanation="The release of the first pledge was not sent, or is dated after the second.",
    what_to_do="Send the release of the earlier pledge, or correct the vintage or quantity of the later one.",
)
def allowance_double_pledge(view: AccountView) -> Iterator[Suspicion]:
    return _found(view, Irregularity.DOUBLE_PLEDGE, "allowances are pledged that were pledged or frozen already")


@rule(
    rule_id="ALLOWANCE_ENCUMBERED_USED",
    severity=Severity.SEVERE,
    rationale="Pledged or frozen allowances are not the subject's to sell, surrender, return or cancel: the pledge loses its ground.",
    possible_harm="The lender's security is gone, and nobody tells the lender.",
    source=f"民法典 Article 443; {_LAW}",
    innocent_explanation="The release was not sent, or the lender agreed to the sale; of a surrender the vintages used are not told.",
    what_to_do="Send the release, or the lender's consent as a release, with its day.",
)
def allowance_encumbered_used(view: AccountView) -> Iterator[Suspicion]:
    return _found(view, Irregularity.ENCUMBERED_USED, "pledged or frozen allowances left the account")


@rule(
    rule_id="ALLOWANCE_OVERDRAWN",
    severity=Severity.SEVERE,
    rationale="More allowances leave the account, or are pledged, than it holds: an overdraft is a debt that a lender must see.",
    possible_harm="A debt of millions stays unseen in a credit decision, or a wrong record makes a sound firm look indebted.",
    source=_LAW,
    innocent_explanation="A grant or purchase before it was not sent.",
    what_to_do="Send the missing grant or purchase, or the registry's holding of the day.",
)
def allowance_overdrawn(view: AccountView) -> Iterator[Suspicion]:
    return _found(view, Irregularity.OVERDRAWN, "more allowances leave the account, or are pledged, than are known to be held")


@rule(
    rule_id="ALLOWANCE_HOLDINGS_UNKNOWN",
    severity=Severity.NOTICE,
    rationale="Allowances leave or are pledged of which nobody told that they came: nobody can say whether they were there.",
    possible_harm="Told as an overdraft it would brand a sound firm; told as nothing, a lender would not ask.",
    source="this bureau: what is not known is not 0",
    innocent_explanation="The records begin after the allowances came, or the registry does not send grants.",
    what_to_do="Send the grant or purchase, or the registry's holding of a day before.",
    rests_on_absence=True,
)
def allowance_holdings_unknown(view: AccountView) -> Iterator[Suspicion]:
    return _found(view, Irregularity.HOLDINGS_UNKNOWN, "allowances leave or are pledged of a vintage whose holdings are not known")


@rule(
    rule_id="ALLOWANCE_OVERDRAFT_STATED",
    severity=Severity.WARNING,
    rationale="The registry itself states that more is owed than is held.",
    possible_harm="A bank that is not told lends to a firm that cannot meet its obligation.",
    source=_LAW,
    innocent_explanation="A purchase is under way and not settled yet.",
    what_to_do="Nothing, if it is so; else correct the holding.",
)
def allowance_overdraft_stated(view: AccountView) -> Iterator[Suspicion]:
    return _found(view, Irregularity.STATED_OVERDRAWN, "the registry states an overdraft of allowances")


@rule(
    rule_id="ALLOWANCE_RELEASE_WITHOUT_PLEDGE",
    severity=Severity.WARNING,
    rationale="More is released than is pledged under the number: a pledge is unknown, or its number is wrong.",
    possible_harm="Allowances count as free that still secure a loan.",
    source=_LAW,
    innocent_explanation="The pledge is older than the records, or was sent under another number.",
    what_to_do="Send the pledge, or correct the number of the release.",
)
def allowance_release_without_pledge(view: AccountView) -> Iterator[Suspicion]:
    return _found(view, Irregularity.RELEASE_WITHOUT_PLEDGE, "more is released than is known to be pledged under this number")


@rule(
    rule_id="ALLOWANCE_RETURN_WITHOUT_ORIGIN",
    severity=Severity.WARNING,
    rationale="More is unfrozen, or returned of what was borrowed, than was ever frozen or borrowed of the vintage.",
    possible_harm="Holdings come out too high, and the firm looks better covered than it is.",
    source=_LAW,
    innocent_explanation="The freeze or the borrowing is older than the records, or names another vintage.",
    what_to_do="Send the freeze or the borrowing, or correct the vintage.",
)
def allowance_return_without_origin(view: AccountView) -> Iterator[Suspicion]:
    return _found(view, Irregularity.RETURN_WITHOUT_ORIGIN, "more is unfrozen or returned than is known to be frozen or borrowed")


@rule(
    rule_id="ALLOWANCE_HOLDING_CONTRADICTS",
    severity=Severity.WARNING,
    rationale="What the registry states on a day should be what the movements up to that day make; else a movement is missing or wrong.",
    possible_harm="Holdings, pledges and gaps are computed from movements that are incomplete.",
    source="this bureau: balance of stock",
    innocent_explanation="The records begin after the account was opened, or a surrender used another vintage than we assume.",
    what_to_do="Send the missing movement, or correct the holding. What the registry states counts from its day on.",
)
def allowance_holding_contradicts(view: AccountView) -> Iterator[Suspicion]:
    return _found(view, Irregularity.HOLDING_CONTRADICTS, "the stated holding differs from what the movements before it make")


@rule(
    rule_id="MARKET_TRANSACTION_DIFFERS",
    severity=Severity.WARNING,
    rationale="One number of the registry is one transaction: two records of it that differ cannot both be true.",
    possible_harm="The wrong one of two quantities decides whether the firm is covered.",
    source="this bureau: one transaction counts once",
    innocent_explanation="One of them is a part delivery, or was typed wrongly.",
    what_to_do="Compare with the registry and correct the wrong one.",
)
def market_transaction_differs(view: AccountView) -> Iterator[Suspicion]:
    return _found(view, Irregularity.TRANSACTION_DIFFERS, "two records of one registry transaction differ; one of them counts")


@rule(
    rule_id="ETS_VERIFIED_EMISSIONS_DIFFER",
    severity=Severity.WARNING,
    rationale="The obligation of a year follows from one verified figure for each facility.",
    possible_harm="The obligation, and the gap that a bank reads, rests on the wrong figure.",
    source=_LAW,
    innocent_explanation="The figure was verified again, and the first record was not corrected.",
    what_to_do="Correct or withdraw the figure that no longer holds. Until then the larger one counts.",
)
def ets_verified_emissions_differ(view: AccountView) -> Iterator[Suspicion]:
    return _found(view, Irregularity.VERIFIED_DIFFERS, "two records of the verified emissions of the year differ; the larger counts")


@rule(
    rule_id="CCER_BEYOND_LIMIT",
    severity=Severity.NOTICE,
    rationale="Certified reductions count for at most 5 % of a year's obligation; what is retired beyond it covers nothing.",
    possible_harm="The firm counts as covered although it still owes allowances.",
    source="碳排放权交易管理办法（试行）Article 29 (transcription)",
    innocent_explanation="The obligation was lowered after the reductions were retired.",
    what_to_do="Surrender allowances for the rest.",
)
def ccer_beyond_limit(view: AccountView) -> Iterator[Suspicion]:
    return _found(view, Irregularity.OFFSET_BEYOND_LIMIT, "more reductions are retired for the year than count against its obligation")


@rule(
    rule_id="CCER_OVERDRAWN",
    severity=Severity.NOTICE,
    rationale="More reductions are sold, retired or cancelled than were issued or bought.",
    possible_harm="Reductions that do not exist cover an obligation.",
    source="this bureau: balance of stock",
    innocent_explanation="They were bought before the records begin.",
    what_to_do="Send the purchase or the issue.",
)
def ccer_overdrawn(view: AccountView) -> Iterator[Suspicion]:
    return _found(view, Irregularity.CREDITS_OVERDRAWN, "more reductions leave than are known to be held")


@rule(
    rule_id="SURRENDER_OVERDUE",
    severity=Severity.WARNING,
    rationale="Allowances for verified emissions are due by the end of the next year; who falls short owes them, and is fined.",
    possible_harm="A fine and the missing allowances hit a borrower whose bank did not know; a record come late marks a firm that paid.",
    source=f"{_LAW}; last day by the MEE 2023-2024 allocation plan (unverified)",
    innocent_explanation="The surrender was made and its record has not come yet.",
    what_to_do="Send the surrender.",
    rests_on_absence=True,
)
def surrender_overdue(view: AccountView) -> Iterator[Suspicion]:
    return _found(view, Irregularity.SURRENDER_OVERDUE, "the surrender falls short of the verified emissions after its last day")


@rule(
    rule_id="ALLOWANCES_BEYOND_LIMIT",
    severity=Severity.SEVERE,
    rationale="10^11 t are twice what the world emits in a year: who has more of one vintage has a wrong unit or a program gone wrong.",
    possible_harm="One absurd figure would drown every balance of the account.",
    source="this bureau, limits (README)",
    innocent_explanation="Kilograms or yuan were sent as tonnes.",
    what_to_do="Correct the quantities. The year is left out of the statement until then.",
)
def allowances_beyond_limit(view: AccountView) -> Iterator[Suspicion]:
    return _found(view, Irregularity.BEYOND_LIMIT, "the sums of the year are larger than an account can hold; it is left out")


def _found(view: AccountView, what: Irregularity, message: str) -> Iterator[Suspicion]:
    for irregular in view.allowances.irregular:
        if irregular.what is what:
            about = f"{irregular.ets_year}/{irregular.about}"
            yield Suspicion(message=message + irregular.of_year(), evidence=irregular.evidence, about=about)

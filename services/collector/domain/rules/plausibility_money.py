"""The account rules about money: invoices, tax, prices of carbon, loans and what became of them. They never reject."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from services.collector.domain.account import AccountView
from services.collector.domain.contents.energy import ElectricityUse, FuelPurchase, HeatUse
from services.collector.domain.contents.finance import LoanDrawing, UseOfProceeds
from services.collector.domain.contents.market import (
    AllowanceHolding,
    AllowanceMovement,
    AllowanceTransaction,
    CcerTransaction,
    CreditMovement,
    SinkTrade,
)
from services.collector.domain.contents.production import Output
from services.collector.domain.contents.tax import FinancialRatios, InvoicedEnergy, TaxReturn
from services.collector.domain.contents.transition import GreenTechnologySupply, TransitionPlan
from services.collector.domain.finding import Severity, Suspicion
from services.collector.domain.quantity import relative_difference
from services.collector.domain.rules.rule import rule
from services.collector.domain.rules.stated import NOTHING, contents, same_place_and_days, stated, total
from services.collector.domain.submission import Submission

# Yuan per unit without tax between which energy has been sold in China for ten years, set wide; ours.
ENERGY_PRICE_RANGE = {
    "electricity": (Decimal(50), Decimal(3_000)),
    "heat": (Decimal(5), Decimal(500)),
    "coal": (Decimal(50), Decimal(5_000)),
    "diesel": (Decimal(2_000), Decimal(20_000)),
    "natural_gas": (Decimal(5_000), Decimal(120_000)),
}
# Invoice days and meter days differ by a few days a month; ours.
INVOICE_DIFFERENCE_MAX = Decimal("0.20")
# Yuan per tonne of CO2 between which allowances, credits and sinks have been traded in China (5 to 110), set wide; ours.
CARBON_PRICE_RANGE = (Decimal(1), Decimal(500))
# Money raised on a trade may hold expected gains; twice its value holds hope. Ours.
FINANCED_MAX = Decimal(2)
RETURN_ON_ASSETS_MAX = Decimal(100)
DEBT_RATIO_MAX = Decimal(1_000)
# The highest interest that courts enforce was 24 %; green loans cost 3 to 5 %.
INTEREST_MAX_PERCENT = Decimal(24)
_TRADED = frozenset({AllowanceMovement.BOUGHT, AllowanceMovement.SOLD, CreditMovement.BOUGHT, CreditMovement.SOLD})


# ---- Invoices and tax ----


@rule(
    rule_id="ENERGY_PRICE_ABSURD",
    severity=Severity.WARNING,
    rationale="A price per unit that nobody pays shows that quantity or amount is in another unit.",
    possible_harm="The quantity that checks the subject's own figures is wrong by a factor of ten or more.",
    source="this bureau, around ten years of market prices in China",
    innocent_explanation="The invoice holds a deposit or arrears; capacity charges without energy.",
    what_to_do="Check the units: yuan without tax, MWh, tonnes, 10^4 Nm3.",
)
def energy_price_absurd(view: AccountView) -> Iterator[Suspicion]:
    for bill in stated(view, InvoicedEnergy):
        if _is_absurd(bill.content.energy_code, bill.content.quantity, bill.content.amount_yuan):
            yield bill.suspicion(f"a price of {bill.content.energy_code} that nobody pays", about=bill.content.energy_code)
    for bought in stated(view, FuelPurchase):
        if _is_absurd(bought.content.fuel_code, bought.content.quantity, bought.content.amount_yuan):
            yield bought.suspicion(f"a price of {bought.content.fuel_code} that nobody pays", about=bought.content.fuel_code)


def _is_absurd(code: str, quantity: Decimal, amount_yuan: Decimal | None) -> bool:
    limits = ENERGY_PRICE_RANGE.get(code)
    return limits is not None and amount_yuan is not None and not limits[0] * quantity <= amount_yuan <= limits[1] * quantity


@rule(
    rule_id="INVOICED_DIFFERS_FROM_USE",
    severity=Severity.WARNING,
    rationale="Electricity and heat cannot be stored: what was invoiced for a period was used in it.",
    possible_harm="Indirect emissions are understated by what the invoices show beyond the meter.",
    source="this bureau, between providers; 20 % for reading days are ours",
    innocent_explanation="Invoices come a month later; a part was passed on to a tenant.",
    what_to_do="Compare meter and invoice; send the reading days as the period.",
)
def invoiced_differs_from_use(view: AccountView) -> Iterator[Suspicion]:
    for (facility_id, period, code), ones in same_place_and_days(stated(view, InvoicedEnergy), lambda content: content.energy_code).items():
        used = None
        if code == "electricity":
            used = total(view, ElectricityUse, "purchased_mwh", days=period, facility_id=facility_id)
        if code == "heat":
            used = total(view, HeatUse, "purchased_gj", days=period, facility_id=facility_id)
        invoiced = sum((one.content.quantity for one in ones), NOTHING)
        if used is not None and relative_difference(used.amount, invoiced) > INVOICE_DIFFERENCE_MAX:
            beside = (*used.evidence, *(one.submission for one in ones))
            yield ones[0].suspicion(f"{code} used and invoiced differ by more than 20 %", about=code, beside=beside)


@rule(
    rule_id="VALUE_ADDED_ABOVE_REVENUE",
    severity=Severity.WARNING,
    rationale="Value added is revenue less what was bought for it.",
    possible_harm="Intensity per value added is too good.",
    source="definition of value added (增加值)",
    innocent_explanation="The year's value added beside one month's revenue; stock was built up.",
    what_to_do="Send both for the same period.",
)
def value_added_above_revenue(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, TaxReturn):
        if one.content.value_added_yuan is not None and one.content.value_added_yuan > one.content.revenue_yuan:
            yield one.suspicion("value added is above revenue")


@rule(
    rule_id="TAX_ABOVE_REVENUE",
    severity=Severity.WARNING,
    rationale="No tax takes more than all that was earned.",
    possible_harm="Emissions per tax paid, a figure that banks see, are too good.",
    source="arithmetic of the taxes on turnover and profit",
    innocent_explanation="Arrears of earlier periods were paid; revenue is in 10,000 yuan.",
    what_to_do="Send yuan, and the tax of the period.",
)
def tax_above_revenue(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, TaxReturn):
        if one.content.tax_paid_yuan > one.content.revenue_yuan:
            yield one.suspicion("tax paid is above revenue")


@rule(
    rule_id="OUTPUT_WITHOUT_REVENUE",
    severity=Severity.NOTICE,
    rationale="What is made is sold, by and by; output of a year without any revenue was not made, or sold past the tax office.",
    possible_harm="Invented output lowers the intensity by which the subject is priced.",
    source="this bureau, between kinds of one subject; a year, because stock may wait for months",
    innocent_explanation="The plant works for a parent company that sells.",
    what_to_do="Say who sells the output.",
)
def output_without_revenue(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, TaxReturn):
        made = total(view, Output, "quantity", days=one.period, facility_id=one.facility_id)
        a_year = one.period.months() == 12
        if a_year and made is not None and made.amount > 0 and one.content.revenue_yuan == 0:
            yield one.suspicion("a year of output without revenue", beside=made.evidence)


@rule(
    rule_id="RATIOS_IMPOSSIBLE",
    severity=Severity.WARNING,
    rationale="A return of more than all assets, or a debt of ten times as much, is a ratio in another unit.",
    possible_harm="Operating condition (经营状况) counts in the grade: it becomes best or worst by a typing error.",
    source="definitions of the ratios; limits ours",
    innocent_explanation="A fraction was multiplied by 100 twice; a shell company with next to no assets.",
    what_to_do="Send percent: 62.5 means 62.5 %.",
)
def ratios_impossible(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, FinancialRatios):
        absurd_return = abs(one.content.return_on_assets_percent) > RETURN_ON_ASSETS_MAX
        if absurd_return or one.content.debt_ratio_percent > DEBT_RATIO_MAX:
            yield one.suspicion("a ratio that cannot be")


@rule(
    rule_id="GREEN_REVENUE_ABOVE_REVENUE",
    severity=Severity.WARNING,
    rationale="Revenue with green technology is a part of revenue.",
    possible_harm="Green technology supplied to others weighs most at the mature stage; an invented part lifts the grade.",
    source="this bureau, between kinds of one subject",
    innocent_explanation="The supply is of the group, the return of one company.",
    what_to_do="Send the revenue of the subject alone.",
)
def green_revenue_above_revenue(view: AccountView) -> Iterator[Suspicion]:
    returns = {one.period: one for one in stated(view, TaxReturn)}
    for one in stated(view, GreenTechnologySupply):
        whole = returns.get(one.period)
        if whole is not None and one.content.revenue_yuan > whole.content.revenue_yuan:
            yield one.suspicion("green revenue is above all revenue", about=one.content.technology_code, beside=(whole.submission,))


# ---- Carbon market ----


@rule(
    rule_id="CARBON_PRICE_ABSURD",
    severity=Severity.WARNING,
    rationale="A tonne of CO2 has been traded for 5 to 110 yuan; outside 1 to 500 quantity or amount is in another unit.",
    possible_harm="Collateral is valued at a hundred times its worth, or at a hundredth.",
    source="Shanghai Environment and Energy Exchange, daily prices since 2021, unverified; limits ours",
    innocent_explanation="A transfer within the group without payment; an option premium.",
    what_to_do="Send tonnes and yuan; leave the amount empty for a transfer without payment.",
)
def carbon_price_absurd(view: AccountView) -> Iterator[Suspicion]:
    low, high = CARBON_PRICE_RANGE
    for submission, trade in _trades(view):
        if trade.amount_yuan is not None and not low * trade.quantity_t <= trade.amount_yuan <= high * trade.quantity_t:
            yield Suspicion(message="a price per tonne that nobody pays", evidence=(submission,))


def _trades(view: AccountView) -> Iterator[tuple[Submission, AllowanceTransaction | CcerTransaction | SinkTrade]]:
    """Give what was sold or bought; of other movements the amount is no price."""
    yield from contents(view, SinkTrade)
    for submission, one in _registry_movements(view):
        if one.movement in _TRADED:
            yield submission, one


def _registry_movements(view: AccountView) -> Iterator[tuple[Submission, AllowanceTransaction | CcerTransaction]]:
    yield from contents(view, AllowanceTransaction)
    yield from contents(view, CcerTransaction)


@rule(
    rule_id="SINK_FINANCED_ABOVE_VALUE",
    severity=Severity.SEVERE,
    rationale="100,000 t of sinks at 28 yuan are worth 2.8 million; nobody raises 100 million on them.",
    possible_harm="A bank's money has no security behind it, or went elsewhere.",
    source="published pilot reports; twice the value is ours",
    innocent_explanation="The money covers a whole forest programme of which one trade was reported.",
    what_to_do="State what the money was raised on: all trades, or the term of the pre-sale.",
)
def sink_financed_above_value(view: AccountView) -> Iterator[Suspicion]:
    for submission, trade in contents(view, SinkTrade):
        if trade.financed_yuan is not None and trade.financed_yuan > FINANCED_MAX * trade.amount_yuan:
            yield Suspicion(message="more money raised than twice what the sinks are worth", evidence=(submission,))


@rule(
    rule_id="HOLDING_PARTS_ABOVE_HELD",
    severity=Severity.SEVERE,
    rationale="Pledged and frozen allowances are among those held.",
    possible_harm="A second bank takes allowances as security that a first one holds.",
    source="carbonbureau.intake.v1.AllowanceHolding",
    innocent_explanation="Held was stated without the pledged ones; the two are of different days.",
    what_to_do="State held with pledged and frozen included, all as of one day.",
)
def holding_parts_above_held(view: AccountView) -> Iterator[Suspicion]:
    for submission, one in contents(view, AllowanceHolding):
        if (one.pledged_t or NOTHING) + (one.frozen_t or NOTHING) > one.held_t:
            message = "more allowances pledged and frozen than held"
            yield Suspicion(message=message, evidence=(submission,), about=f"{one.as_of_date}/{one.ets_year}")


@rule(
    rule_id="TRANSACTION_NUMBER_TWICE",
    severity=Severity.SEVERE,
    rationale="The registry gives a number to one movement; a provider that sends it in two records has sent something twice.",
    possible_harm="Allowances or credits are counted twice: as bought, as security, or as surrendered.",
    source="national registry: a transaction has one number",
    innocent_explanation="One transaction moved allowances of two vintages.",
    what_to_do="Withdraw one of the two records, or send the vintages under the registry's own numbers.",
)
def transaction_number_twice(view: AccountView) -> Iterator[Suspicion]:
    records: dict[tuple[str, str, str, str], list[Submission]] = defaultdict(list)
    for submission, one in _registry_movements(view):
        records[submission.provider_code, submission.kind, one.transaction_number, one.movement].append(submission)
    for (_, _, number, movement), submissions in records.items():
        if len(submissions) > 1:
            evidence = tuple(submissions)
            yield Suspicion(message="a transaction number stands in two records", evidence=evidence, about=f"{number}/{movement}")


@rule(
    rule_id="CREDIT_OF_ANOTHER_PROJECT",
    severity=Severity.WARNING,
    rationale="Who has credits, but not of the project whose credits it sells, sells something else than it says.",
    possible_harm="Reductions of a project are sold that do not exist; the buyer's claim rests on nothing.",
    source="温室气体自愿减排交易管理办法 (2023): the register holds what is traded; unverified",
    innocent_explanation="The purchase is older than the records.",
    what_to_do="Send the issue or purchase of the credits.",
    rests_on_absence=True,
)
def credit_of_another_project(view: AccountView) -> Iterator[Suspicion]:
    held: dict[str, Decimal] = defaultdict(Decimal)
    records: dict[str, list[Submission]] = defaultdict(list)
    for submission, one in contents(view, CcerTransaction):
        comes = one.movement in (CreditMovement.ISSUED, CreditMovement.BOUGHT)
        held[one.project_number] += one.quantity_t if comes else -one.quantity_t
        records[one.project_number].append(submission)
    if sum(held.values()) < 0:
        return
    for project, balance in held.items():
        if balance < 0:
            message = "more credits of a project sold or used than issued and bought"
            yield Suspicion(message=message, evidence=tuple(records[project]), about=project)


# ---- Loans ----


@rule(
    rule_id="PROCEEDS_ABOVE_DRAWING",
    severity=Severity.WARNING,
    rationale="No more of a loan can be used than was drawn.",
    possible_harm="One expenditure is shown to two lenders.",
    source="Shanxi pilot: use of proceeds and carbon performance are tracked together",
    innocent_explanation="The rest was paid from own money and listed under the loan.",
    what_to_do="State the part that the loan paid.",
)
def proceeds_above_drawing(view: AccountView) -> Iterator[Suspicion]:
    drawn: dict[str, Decimal] = defaultdict(Decimal)
    for _, loan in contents(view, LoanDrawing):
        drawn[loan.loan_number] += loan.amount_yuan
    used: dict[str, Decimal] = defaultdict(Decimal)
    records: dict[str, list[Submission]] = defaultdict(list)
    for submission, use in contents(view, UseOfProceeds):
        used[use.loan_number] += use.amount_yuan
        records[use.loan_number].append(submission)
    for number, amount in used.items():
        if number in drawn and amount > drawn[number]:
            yield Suspicion(message="more of the loan was used than drawn", evidence=tuple(records[number]), about=number)


@rule(
    rule_id="PROCEEDS_OF_UNKNOWN_LOAN",
    severity=Severity.NOTICE,
    rationale="A use of money names the loan that it comes from.",
    possible_harm="Money of an ordinary loan is shown as green.",
    source="this bureau, between kinds of one subject",
    innocent_explanation="The drawing is older than the records, or on its way.",
    what_to_do="Send the drawing, or correct the number of the loan.",
    rests_on_absence=True,
)
def proceeds_of_unknown_loan(view: AccountView) -> Iterator[Suspicion]:
    drawn = {loan.loan_number for _, loan in contents(view, LoanDrawing)}
    for submission, use in contents(view, UseOfProceeds):
        if use.loan_number not in drawn:
            yield Suspicion(
                message="a use of a loan that is not known", evidence=(submission,), period=submission.period, about=use.loan_number
            )


@rule(
    rule_id="PROCEEDS_NOT_RECOGNISED",
    severity=Severity.WARNING,
    rationale="The money of a green or transition loan goes into recognised reduction technologies.",
    possible_harm="Cheap money drifts to other uses; the bank's green book is overstated.",
    source="Shanxi pilot; domain/recognised_technologies.toml",
    innocent_explanation="Land or grid connection of a recognised measure; the technology has another code.",
    what_to_do="Name the technology by its code in the catalogue.",
)
def proceeds_not_recognised(view: AccountView) -> Iterator[Suspicion]:
    industry = view.profile.industry_code if view.profile is not None else ""
    for submission, use in contents(view, UseOfProceeds):
        if not view.book.recognises(use.technology_code, industry):
            message = "money of a loan for what is no recognised technology of the industry"
            yield Suspicion(message=message, evidence=(submission,), period=submission.period, about=use.loan_number)


@rule(
    rule_id="LOAN_DUE_BEFORE_DRAWN",
    severity=Severity.WARNING,
    rationale="A loan is due after it was drawn.",
    possible_harm="Maturity and grace of the loan are tied to a day that is wrong.",
    source="arithmetic",
    innocent_explanation="The maturity of the frame contract was sent for a later drawing.",
    what_to_do="Correct the day of the drawing or of maturity.",
)
def loan_due_before_drawn(view: AccountView) -> Iterator[Suspicion]:
    for submission, loan in contents(view, LoanDrawing):
        if loan.maturity_date is not None and loan.maturity_date <= loan.drawn_date:
            yield Suspicion(message="due before it was drawn", evidence=(submission,), about=loan.loan_number)


@rule(
    rule_id="LOAN_RATE_ABSURD",
    severity=Severity.NOTICE,
    rationale="Green loans cost a few percent a year; above 24 % the figure is in another unit.",
    possible_harm="The effect of grades on interest, which the supervisor follows, is measured wrongly.",
    source="Supreme People's Court, 2015: 24 % as the limit of enforceable interest; unverified",
    innocent_explanation="Basis points were sent as percent.",
    what_to_do="Send percent a year: 3.85 means 3.85 %.",
)
def loan_rate_absurd(view: AccountView) -> Iterator[Suspicion]:
    for submission, loan in contents(view, LoanDrawing):
        if loan.annual_rate_percent is not None and loan.annual_rate_percent > INTEREST_MAX_PERCENT:
            yield Suspicion(message="interest above 24 % a year", evidence=(submission,), about=loan.loan_number)


@rule(
    rule_id="LOAN_ABOVE_MEASURE",
    severity=Severity.WARNING,
    rationale="Loans for a measure are not larger than what the measure costs.",
    possible_harm="Two banks finance one turbine, or one bank finances something else.",
    source="this bureau, between kinds of one subject",
    innocent_explanation="A new loan replaced an old one; the measure became dearer and the plan was not changed.",
    what_to_do="Send the new plan, or the loan that was repaid.",
)
def loan_above_measure(view: AccountView) -> Iterator[Suspicion]:
    planned: dict[str, Decimal] = {}
    for _, plan in contents(view, TransitionPlan):
        for measure in plan.measures:
            planned[measure.measure_number] = max(planned.get(measure.measure_number, NOTHING), measure.planned_investment_yuan)
    drawn: dict[str, list[tuple[Submission, Decimal]]] = defaultdict(list)
    for submission, loan in contents(view, LoanDrawing):
        drawn[loan.measure_number].append((submission, loan.amount_yuan))
    for number, loans in drawn.items():
        if number in planned and sum(amount for _, amount in loans) > planned[number]:
            evidence = tuple(submission for submission, _ in loans)
            yield Suspicion(message="loans for a measure are above its planned investment", evidence=evidence, about=number)

"""The account rules about output, capacity, hours and stack monitors: what the plant could do in its time. They never reject."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from services.collector.domain.account import AccountView
from services.collector.domain.basis import Unit
from services.collector.domain.contents.emissions import MineMethane, MonitorStatus, StackMonitorSummary
from services.collector.domain.contents.production import Capacity, MaterialUse, OperatingHours, Output
from services.collector.domain.contents.transition import TransitionPlan
from services.collector.domain.coverage import lies_within
from services.collector.domain.finding import Severity, Suspicion
from services.collector.domain.rules.rule import rule
from services.collector.domain.rules.stated import HOURS_A_DAY, NOTHING, Stated, at, contents, same_place_and_days, stated, total
from services.common.civil_time import Period

DAYS_A_YEAR = Decimal(365)
# Plants run above their approved capacity; a fifth more is another plant. 5 % is the tolerance of the authorities' own checks, unverified.
OVERPRODUCTION_MAX = Decimal("1.2")
LOAD_RATE_MAX = Decimal(110)
WHOLE = Decimal(100)
# The share of operating hours with valid data below which a monitor counts as not working: HJ 75, quarterly, unverified.
VALID_SHARE_MIN = Decimal("0.75")
SUM_TOLERANCE = Decimal("0.01")
FROZEN_HOURS_MIN = 6
# Measurement against calculation: flow meters in stacks are good for about 10 %; ours.
MONITOR_DIFFERENCE_MAX = Decimal("0.20")


@rule(
    rule_id="OUTPUT_ABOVE_CAPACITY",
    severity=Severity.WARNING,
    rationale="What was made must fit into what the plant is approved and built for.",
    possible_harm="Inflated output lowers the intensity by which the subject is compared and priced.",
    source="this bureau; a fifth above the approved capacity",
    innocent_explanation="Capacity was extended and the approval is on its way; stock was counted as output.",
    what_to_do="Correct the output, or send the new capacity with its approval.",
)
def output_above_capacity(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, Output):
        product = one.content.product_code
        found = [
            other
            for other in at(view, Capacity, one.facility_id)
            if other.content.product_code == product and lies_within(one.period, other.period)
        ]
        if not found:
            continue
        made = total(
            view,
            Output,
            "quantity",
            days=one.period,
            facility_id=one.facility_id,
            code=product,
        )
        possible = sum(_possible(other.content, one.period) for other in found)
        assert made is not None, "an output covers its own days"
        if made.amount > possible * OVERPRODUCTION_MAX:
            yield one.suspicion(f"more {product} than capacity allows", about=product, beside=[other.submission for other in found])


def _possible(capacity: Capacity, period: Period) -> Decimal:
    """Compute what a capacity can make in a period: MWh of a power, tonnes of a yearly mass."""
    if capacity.unit is Unit.MW:
        return capacity.quantity * period.days() * HOURS_A_DAY
    return capacity.quantity * period.days() / DAYS_A_YEAR


@rule(
    rule_id="OPERATING_HOURS_ABOVE_PERIOD",
    severity=Severity.WARNING,
    rationale="A unit cannot run for more hours than the period has.",
    possible_harm="Hours that never were support output that never was.",
    source="arithmetic: 24 hours a day",
    innocent_explanation="The hours of several units were added up.",
    what_to_do="Send one record for each unit.",
)
def operating_hours_above_period(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, OperatingHours):
        if one.content.hours > one.hours():
            yield one.suspicion("more hours than the period has", about=one.content.unit_number)


@rule(
    rule_id="LOAD_RATE_ABOVE_FULL",
    severity=Severity.NOTICE,
    rationale="The mean load of a unit cannot lie far above its capacity.",
    possible_harm="A wrong load supports a wrong output or fuel consumption.",
    source="this bureau: 110 % of capacity",
    innocent_explanation="The load was related to a capacity that was raised since.",
    what_to_do="State the mean load while running, in percent of the capacity in force.",
)
def load_rate_above_full(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, OperatingHours):
        if one.content.load_rate_percent is not None and one.content.load_rate_percent > LOAD_RATE_MAX:
            yield one.suspicion("a mean load far above capacity", about=one.content.unit_number)


@rule(
    rule_id="OUTPUT_WITHOUT_HOURS",
    severity=Severity.WARNING,
    rationale="A plant whose units all stood still made nothing.",
    possible_harm="Output is invented to lower intensity, or a standstill to hide emissions.",
    source="this bureau, between kinds of one subject",
    innocent_explanation="The hours of another unit are missing.",
    what_to_do="Send the hours of every unit that made the output.",
)
def output_without_hours(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, Output):
        hours = total(view, OperatingHours, "hours", days=one.period, facility_id=one.facility_id)
        if hours is not None and hours.amount == 0 and one.content.quantity > 0:
            yield one.suspicion("output while all units stood still", about=one.content.product_code, beside=hours.evidence)


@rule(
    rule_id="SHARE_ABOVE_WHOLE",
    severity=Severity.WARNING,
    rationale="A part is not more than the whole: no material is more than 100 % carbon, no intensity falls by more than 100 %.",
    possible_harm="Emissions or targets are multiplied by a number that cannot be.",
    source="arithmetic",
    innocent_explanation="A share was stated in per mille, or a fraction was multiplied by 100 twice.",
    what_to_do="State percent: 8.5 means 8.5 %.",
)
def share_above_whole(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, MaterialUse):
        if one.content.carbon_content_percent is not None and one.content.carbon_content_percent > WHOLE:
            yield one.suspicion("carbon content above 100 %", about=one.content.material_code)
    for submission, plan in contents(view, TransitionPlan):
        if any(target.intensity_reduction_percent > WHOLE for target in plan.yearly_targets):
            yield Suspicion(message="a target below nothing: a reduction above 100 %", evidence=(submission,))


@rule(
    rule_id="METHANE_ABOVE_DRAINED",
    severity=Severity.WARNING,
    rationale="Only methane that was drained can be burnt or sold.",
    possible_harm="Methane is taken off the account that went into the air: 1 t of it counts as 28 t of CO2.",
    source="GB/T 32151.11 (coal mining): balance of drained methane; unverified",
    innocent_explanation="Methane drained the month before was burnt from a holder; methane of another mine was burnt here.",
    what_to_do="State drained, utilised and flared methane of the same mine and period, as pure CH4.",
)
def methane_above_drained(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, MineMethane):
        burnt = (one.content.utilised_ten_thousand_nm3 or NOTHING) + (one.content.flared_ten_thousand_nm3 or NOTHING)
        if burnt > one.content.drained_ten_thousand_nm3:
            yield one.suspicion("more methane was burnt than drained")


# ---- Stack monitors ----


@rule(
    rule_id="MONITOR_HOURS_ABOVE_PERIOD",
    severity=Severity.WARNING,
    rationale="A monitor has no more hours than the period.",
    possible_harm="Measured emissions rest on hours that never were.",
    source="arithmetic: 24 hours a day",
    innocent_explanation="The hours of several stacks were added up.",
    what_to_do="Send one record for each stack.",
)
def monitor_hours_above_period(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, StackMonitorSummary):
        if max(one.content.valid_hours, one.content.operating_hours) > one.hours():
            yield one.suspicion("more hours than the period has", about=one.content.stack_number)


@rule(
    rule_id="MONITOR_MOSTLY_INVALID",
    severity=Severity.NOTICE,
    rationale="A monitor that is out for a quarter of the time measures what its operator lets it measure.",
    possible_harm="The hours of the highest emissions are the ones that are missing.",
    source="HJ 75: at least 75 % valid hours in a quarter, unverified",
    innocent_explanation="The monitor was replaced or repaired.",
    what_to_do="Send substitute values by the standard, and the record of the repair.",
)
def monitor_mostly_invalid(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, StackMonitorSummary):
        if one.content.valid_hours < VALID_SHARE_MIN * one.content.operating_hours:
            yield one.suspicion("valid readings for less than 75 % of the hours", about=one.content.stack_number)


@rule(
    rule_id="MONITOR_SUM_OFF",
    severity=Severity.WARNING,
    rationale="The total of a period is the sum of its hours.",
    possible_harm="The total that counts is not what was measured.",
    source="arithmetic; 1 % for rounding is ours",
    innocent_explanation="Hours are missing from the list, and the total has substitutes for them.",
    what_to_do="Send all hours, with the substitutes marked, or the total alone.",
)
def monitor_sum_off(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, StackMonitorSummary):
        measured = sum((hour.co2_t for hour in one.content.hours), NOTHING)
        if one.content.hours and abs(measured - one.content.co2_t) > SUM_TOLERANCE * one.content.co2_t:
            yield one.suspicion("the total is not the sum of the hours", about=one.content.stack_number)


@rule(
    rule_id="MONITOR_FROZEN",
    severity=Severity.SEVERE,
    rationale="A reading that stays the same to the last digit for six hours was not measured: a probe is blocked or a value is forced.",
    possible_harm="Real emissions go unseen for as long as the value stands.",
    source="this bureau, after penalty cases on forced monitor values; six hours are ours",
    innocent_explanation="A substitute value was sent as a valid one while the monitor was out.",
    what_to_do="Mark substitutes as such; have the probe checked.",
)
def monitor_frozen(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, StackMonitorSummary):
        in_time = sorted(one.content.hours, key=lambda hour: (hour.date, hour.hour))
        for (co2_t, state), run in groupby(in_time, key=lambda hour: (hour.co2_t, hour.state)):
            if state is MonitorStatus.VALID and co2_t > 0 and len(list(run)) >= FROZEN_HOURS_MIN:
                yield one.suspicion("the same valid reading for six hours or more", about=one.content.stack_number)


@rule(
    rule_id="MONITOR_HOUR_TWICE",
    severity=Severity.NOTICE,
    rationale="Every hour happens once.",
    possible_harm="An hour counts twice, another is missing.",
    source="arithmetic",
    innocent_explanation="The hour before a restart was sent again after it.",
    what_to_do="Send each hour once.",
)
def monitor_hour_twice(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, StackMonitorSummary):
        if len({(hour.date, hour.hour) for hour in one.content.hours}) < len(one.content.hours):
            yield one.suspicion("an hour stands twice in the list", about=one.content.stack_number)


@rule(
    rule_id="MONITOR_HOUR_OUTSIDE_PERIOD",
    severity=Severity.NOTICE,
    rationale="Hours of a period lie within it.",
    possible_harm="Emissions of one month count in another.",
    source="carbonbureau.intake.v1.MonitoredHour",
    innocent_explanation="The first hour of the next day was sent as the 24th of this one.",
    what_to_do="Send hours 0 to 23 of the days of the period.",
)
def monitor_hour_outside_period(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, StackMonitorSummary):
        if any(not one.period.start <= hour.date < one.period.end for hour in one.content.hours):
            yield one.suspicion("an hour lies outside the period", about=one.content.stack_number)


@rule(
    rule_id="MONITOR_DIFFERS_FROM_ACCOUNT",
    severity=Severity.WARNING,
    rationale="What leaves the stacks is what the fuel lets follow: measurement and calculation check each other.",
    possible_harm="One of the two is wrong by a fifth; the account may hold the lower one.",
    source="GB/T 32150: measured or calculated; 20 % for the flow meter is ours",
    innocent_explanation="A stack has no monitor; biomass was burnt beside coal.",
    what_to_do="Compare the flow meter with the fuel; send the monitors of all stacks.",
)
def monitor_differs_from_account(view: AccountView) -> Iterator[Suspicion]:
    posted: dict[tuple[UUID, Period], Decimal] = defaultdict(Decimal)
    for posting in view.postings:
        if posting.scope == 1:
            posted[posting.facility_id, posting.period] += posting.amount_tco2e
    for (facility_id, period, _), ones in same_place_and_days(stated(view, StackMonitorSummary), lambda content: content.basis).items():
        stacks: dict[str, Stated[StackMonitorSummary]] = {one.content.stack_number: one for one in ones}
        measured = sum(one.content.co2_t for one in stacks.values())
        computed = posted.get((facility_id, period))
        if computed is not None and abs(measured - computed) > MONITOR_DIFFERENCE_MAX * computed:
            yield ones[0].suspicion("monitors and account differ by more than 20 %", beside=[one.submission for one in ones])

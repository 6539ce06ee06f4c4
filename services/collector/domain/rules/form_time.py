"""The form rules about periods and dates."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from services.collector.domain.finding import Severity
from services.collector.domain.rules.context import CONTRACT, NO_INNOCENT_EXPLANATION, FormContext, defects
from services.collector.domain.rules.rule import rule
from services.collector.domain.submission import KINDS_WITHOUT_PERIOD, Flaw, Received, RegistryEntry, TransitionPlan, shown

PERIOD_DAYS_FUTURE_MAX = 1
YEAR_MIN = 1990
YEAR_MAX = 2100


@rule(
    rule_id="FORM_PERIOD_MISSING",
    severity=Severity.SEVERE,
    rationale="A figure without its period cannot be compared or added.",
    source=CONTRACT,
    innocent_explanation=NO_INNOCENT_EXPLANATION,
    what_to_do="Set period for every kind but registry entries and transition plans.",
)
def period_missing(received: Received, context: FormContext) -> str | None:
    if received.kind is None or received.kind in KINDS_WITHOUT_PERIOD or received.period_stated:
        return None
    return "period is missing"


@rule(
    rule_id="FORM_PERIOD_NOT_HALF_OPEN",
    severity=Severity.SEVERE,
    rationale="The end is the first day after the period. Read any other way, neighbouring periods overlap or leave a day out.",
    source="carbonbureau.common.v1.Period",
    innocent_explanation="A single day was sent with that day as its end, as many forms on paper do.",
    what_to_do="Send the first day after the period as end_date: January 2024 is 2024-01-01 to 2024-02-01.",
)
def period_not_half_open(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.ENDS_BEFORE_START, "does not end after its start")


@rule(
    rule_id="FORM_PERIOD_TOO_LONG",
    severity=Severity.SEVERE,
    rationale="Figures of more than a year cannot be laid against any yearly statement, factor or target.",
    source="this bureau; GB/T 32150-2015, 4.2: the accounting period is the year",
    innocent_explanation="Several years were reported in one sum.",
    what_to_do="Send one record for each year, or shorter ones.",
)
def period_too_long(received: Received, context: FormContext) -> str | None:
    period = received.period
    if period is None or period.end <= _a_year_after(period.start):
        return None
    return f"period of {period.days()} days is longer than 12 months"


@rule(
    rule_id="FORM_PERIOD_IN_THE_FUTURE",
    severity=Severity.SEVERE,
    rationale="What has not happened yet can be planned, not reported.",
    source="征信业管理条例 Art. 23: information is to be accurate",
    innocent_explanation="The plan of a month was sent as its result.",
    what_to_do="Send the record when its period is over.",
)
def period_in_the_future(received: Received, context: FormContext) -> str | None:
    period = received.period
    if period is None:
        return None
    today = context.received_at.astimezone(ZoneInfo(period.zone)).date()
    if period.end <= today + timedelta(days=PERIOD_DAYS_FUTURE_MAX):
        return None
    return f"period ends on {period.end}, it was {today} there when the record arrived"


@rule(
    rule_id="FORM_PERIOD_TOO_EARLY",
    severity=Severity.SEVERE,
    rationale="Accounts begin with the first base year that any scheme knows; what is older is a date gone wrong.",
    source="Kyoto Protocol, Art. 3: base year 1990",
    innocent_explanation="A year was written with two digits.",
    what_to_do=f"Send periods from {YEAR_MIN} on.",
)
def period_too_early(received: Received, context: FormContext) -> str | None:
    if received.period is None or received.period.start.year >= YEAR_MIN:
        return None
    return f"period starts on {received.period.start}, before {YEAR_MIN}"


@rule(
    rule_id="FORM_ZONE_UNKNOWN",
    severity=Severity.SEVERE,
    rationale="Civil dates mean different hours in different zones.",
    source="IANA time zone database",
    innocent_explanation="An abbreviation (CST) was sent, which names several zones.",
    what_to_do="Send the zone's IANA name, e.g. Asia/Shanghai.",
)
def zone_unknown(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.UNKNOWN_ZONE, "is no IANA time zone")


@rule(
    rule_id="FORM_DATE_MALFORMED",
    severity=Severity.SEVERE,
    rationale="A date that can be read in two ways is no date.",
    source="ISO 8601, calendar date, extended format",
    innocent_explanation="Dates were written with slashes, or a day that the month does not have was computed.",
    what_to_do="Write dates as 2024-01-31.",
)
def date_malformed(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.NOT_A_DATE, "is not a calendar date like 2024-01-31")


@rule(
    rule_id="FORM_DATES_OUT_OF_ORDER",
    severity=Severity.SEVERE,
    rationale="Ownership that ends before it begins, and plans for years outside any plan, cannot be applied.",
    source=CONTRACT,
    innocent_explanation="The two dates were swapped.",
    what_to_do=f"Send owned_until_date after owned_from_date, and years from {YEAR_MIN} to {YEAR_MAX}.",
)
def dates_out_of_order(received: Received, context: FormContext) -> str | None:
    match received.content:
        case RegistryEntry(facilities=facilities):
            for facility in facilities:
                if facility.owned_until is not None and facility.owned_until <= facility.owned_from:
                    return f"ownership of facility {shown(facility.facility_number)!r} ends before it begins"
        case TransitionPlan(base_year=base_year, yearly_targets=targets):
            for year in (base_year, *(target.year for target in targets)):
                if not YEAR_MIN <= year <= YEAR_MAX:
                    return f"year {year} is not between {YEAR_MIN} and {YEAR_MAX}"
    return None


def _a_year_after(day: date) -> date:
    try:
        return day.replace(year=day.year + 1)
    except ValueError:  # 29 February, or the last year a date can have
        return date.max if day.year == date.max.year else date(day.year + 1, 2, 28)

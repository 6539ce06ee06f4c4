"""The form rules about periods and dates."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from services.collector.domain.contents.energy import GreenPowerCertificate
from services.collector.domain.contents.environment import Permit
from services.collector.domain.contents.registry import CourtListing, RegistryEntry
from services.collector.domain.contents.transition import TransitionPlan
from services.collector.domain.finding import Severity
from services.collector.domain.kinds import KIND_OF_CONTENT, KINDS_WITHOUT_PERIOD, Content, Withdrawal
from services.collector.domain.rules.context import CONTRACT, NO_INNOCENT_EXPLANATION, FormContext, defects
from services.collector.domain.rules.rule import rule
from services.collector.domain.submission import Flaw, Received, shown

# Clocks of providers and of this bureau differ, and so do the days of their zones.
DAYS_FUTURE_MAX = 1
YEAR_MIN = 1990
# Days on which something happened; the contract has others (adopted, due, valid from) that may lie ahead.
_PAST_DAYS = frozenset(
    {
        *("decided_date", "repaired_date", "executed_date", "as_of_date", "listed_date", "removed_date", "published_date"),
        *("filed_date", "issued_date", "drawn_date", "completed_date"),
    }
)
_PAST_DAYS_OF_CONTENT: dict[type[object], tuple[str, ...]] = {
    content: names for content in KIND_OF_CONTENT if (names := tuple(one.name for one in fields(content) if one.name in _PAST_DAYS))
}
_STATUTORY_ZONE = ZoneInfo("Asia/Shanghai")


@rule(
    rule_id="FORM_PERIOD_MISSING",
    severity=Severity.SEVERE,
    rationale="A figure without its period cannot be compared or added.",
    possible_harm="The figure counts for no month or for every month.",
    source=CONTRACT,
    innocent_explanation=NO_INNOCENT_EXPLANATION,
    what_to_do="Set period for every kind but those that carry a date or a year of their own.",
)
def period_missing(received: Received, context: FormContext) -> str | None:
    if received.kind is None or received.kind in KINDS_WITHOUT_PERIOD or received.period_stated:
        return None
    if isinstance(received.content, Withdrawal):
        return None
    return "period is missing"


@rule(
    rule_id="FORM_PERIOD_NOT_HALF_OPEN",
    severity=Severity.SEVERE,
    rationale="The end is the first day after the period. Read any other way, neighbouring periods overlap or leave a day out.",
    possible_harm="The last day of every month is missing or counted twice: 3 % of a year.",
    source="carbonbureau.common.v1.Period",
    innocent_explanation="A single day was sent with that day as its end, as many forms on paper do.",
    what_to_do="Send the first day after the period as end_date: January 2024 is 2024-01-01 to 2024-02-01.",
)
def period_not_half_open(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.ENDS_BEFORE_START)


@rule(
    rule_id="FORM_PERIOD_TOO_LONG",
    severity=Severity.SEVERE,
    rationale="Figures of more than a year cannot be laid against any yearly statement, factor or target.",
    possible_harm="A rise in one year hides in the sum of several.",
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
    possible_harm="A plan counts as a result; a bank lends on a reduction that has not happened.",
    source="征信业管理条例 Art. 23: information is to be accurate",
    innocent_explanation="The plan of a month was sent as its result.",
    what_to_do="Send the record when its period is over.",
)
def period_in_the_future(received: Received, context: FormContext) -> str | None:
    period = received.period
    # Nowhere on earth is the date more than a day behind that of UTC.
    if period is None or period.end <= context.received_at.date():
        return None
    today = context.received_at.astimezone(ZoneInfo(period.zone)).date()
    if period.end <= today + timedelta(days=DAYS_FUTURE_MAX):
        return None
    return f"period ends on {period.end}, it was {today} there when the record arrived"


@rule(
    rule_id="FORM_PERIOD_TOO_EARLY",
    severity=Severity.SEVERE,
    rationale="Accounts begin with the first base year that any scheme knows; what is older is a date gone wrong.",
    possible_harm="The figure is missing from the year that was meant, which then looks like a reduction.",
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
    possible_harm="Figures of neighbouring periods overlap by hours, or leave hours out.",
    source="IANA time zone database",
    innocent_explanation="An abbreviation (CST) was sent, which names several zones.",
    what_to_do="Send the zone's IANA name, e.g. Asia/Shanghai.",
)
def zone_unknown(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.UNKNOWN_ZONE)


@rule(
    rule_id="FORM_DATE_MALFORMED",
    severity=Severity.SEVERE,
    rationale="A date that can be read in two ways is no date.",
    possible_harm="03/04 is March or April: a penalty or a target counts in the wrong month.",
    source="ISO 8601, calendar date, extended format",
    innocent_explanation="Dates were written with slashes, or a day that the month does not have was computed.",
    what_to_do="Write dates as 2024-01-31.",
)
def date_malformed(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.NOT_A_DATE)


@rule(
    rule_id="FORM_DATES_OUT_OF_ORDER",
    severity=Severity.SEVERE,
    rationale="What ends before it begins cannot be applied to any day.",
    possible_harm="A plant belongs to nobody, a permit never held: what follows from it is wrong for every day.",
    source=CONTRACT,
    innocent_explanation="The two dates were swapped.",
    what_to_do="Send the end after the beginning: the first day on which it no longer holds.",
)
def dates_out_of_order(received: Received, context: FormContext) -> str | None:
    match received.content:
        case RegistryEntry(facilities=facilities):
            for facility in facilities:
                if facility.owned_until_date is not None and facility.owned_until_date <= facility.owned_from_date:
                    return f"ownership of facility {shown(facility.facility_number)!r} ends before it begins"
        case Permit(valid_from_date=start, valid_until_date=date() as end) if end <= start:
            return "valid_until_date is not after valid_from_date"
        case CourtListing(listed_date=start, removed_date=date() as end) if end < start:
            return "removed_date is before listed_date"
    return None


@rule(
    rule_id="FORM_DAY_IN_THE_FUTURE",
    severity=Severity.SEVERE,
    rationale="What was decided, executed or completed has a day that has been.",
    possible_harm="A milestone or repair that has not happened improves the grade.",
    source="征信业管理条例 Art. 23: information is to be accurate",
    innocent_explanation="The day on which a decision takes effect was sent in place of the day on which it was made.",
    what_to_do="Send the record when it has happened, with its day.",
)
def day_in_the_future(received: Received, context: FormContext) -> str | None:
    days = list(_past_days(received.content))
    if not days:
        return None
    newest = context.received_at.astimezone(_STATUTORY_ZONE).date() + timedelta(days=DAYS_FUTURE_MAX)
    late = [f"{name} {day}" for name, day in days if day > newest]
    return f"{', '.join(late[:5])} lies ahead of the day on which the record arrived" if late else None


def _past_days(content: Content | None) -> Iterator[tuple[str, date]]:
    for name in _PAST_DAYS_OF_CONTENT.get(type(content), ()):
        if (day := getattr(content, name)) is not None:
            yield name, day
    if isinstance(content, TransitionPlan):
        for milestone in content.milestones:
            if milestone.completed_date is not None:
                yield f"completed_date of milestone {shown(milestone.milestone_number)}", milestone.completed_date


@rule(
    rule_id="FORM_COMPILED_TIME",
    severity=Severity.SEVERE,
    rationale="A time that no calendar knows, or that lies ahead, shows that the record was not written by a working program.",
    possible_harm="Nobody can tell which of two records is the newer one when the provider is asked.",
    source="google.protobuf.Timestamp",
    innocent_explanation="The sender's clock is wrong.",
    what_to_do="Send the time at which the record was compiled, or leave it unset.",
)
def compiled_time(received: Received, context: FormContext) -> str | None:
    if received.compiled_at is not None and received.compiled_at > context.received_at + timedelta(days=DAYS_FUTURE_MAX):
        return f"compiled_time {received.compiled_at:%Y-%m-%dT%H:%M:%SZ} lies ahead of the time at which the record arrived"
    return defects(received, Flaw.NOT_AN_INSTANT)


@rule(
    rule_id="FORM_CERTIFICATE_MONTH",
    severity=Severity.SEVERE,
    rationale="The month of generation says which consumption a green electricity certificate can stand for.",
    possible_harm="A certificate is laid against consumption of another year; purchased electricity looks green.",
    source="绿色电力证书 rules: certificates carry the month of generation",
    innocent_explanation="The month was written as 2024年1月 or 202401.",
    what_to_do="Write the month as 2024-01.",
)
def certificate_month(received: Received, context: FormContext) -> str | None:
    content = received.content
    if not isinstance(content, GreenPowerCertificate) or _is_month(content.generation_year_month):
        return None
    return f"generation_year_month {shown(content.generation_year_month)!r} is not a month like 2024-01"


def _is_month(text: str) -> bool:
    try:
        return date.fromisoformat(f"{text}-01").isoformat() == f"{text}-01"
    except ValueError:
        return False


def _a_year_after(day: date) -> date:
    try:
        return day.replace(year=day.year + 1)
    except ValueError:  # 29 February, or the last year a date can have
        return date.max if day.year == date.max.year else date(day.year + 1, 2, 28)

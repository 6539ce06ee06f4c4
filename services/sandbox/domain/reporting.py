"""Decides what grid, tax, environment, statistics, planning and the enterprise itself report of the truth, each with its own
noise and lateness. Pure; what goes wrong on purpose is added by falsification.py and mishaps.py.

Every record is drawn for all months of the history, whatever is sent later, so that a shorter run sends the same bytes.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from services.common.amounts import quantise
from services.common.civil_time import Period
from services.sandbox.domain.chance import Generator, happens
from services.sandbox.domain.months import FIRST_YEAR, MONTHS, all_months, year
from services.sandbox.domain.sectors import Sector, Unit
from services.sandbox.domain.statements import (
    Basis,
    Content,
    ElectricityUse,
    Expected,
    FacilityOwnership,
    FuelUse,
    Kind,
    Output,
    PlanMilestone,
    RegistryEntry,
    ReportedEmissions,
    Submission,
    TransitionInvestment,
    TransitionPlan,
    Unreadable,
)
from services.sandbox.domain.transition import Plan
from services.sandbox.domain.truth import MonthOfActivity, SubjectTruth

GRID = "grid-sx"
TAX = "tax-sx"
ECO = "eco-sx"
STATS = "stats-sx"
NDRC = "ndrc-sx"
ENT = "ent-sx"
PROVIDERS = (GRID, TAX, ECO, STATS, NDRC, ENT)

_VERY_LATE_PROBABILITY = 0.01
_VERY_LATE_DAYS = 120

# Standards under which emissions are reported, by sector.
STANDARDS = {
    Sector.COAL_POWER: "MEE-POWER-2022",
    Sector.STEEL: "NDRC-STEEL-2013",
    Sector.COKING: "NDRC-COKING-2014",
    Sector.NEW_ENERGY: "MEE-POWER-2022",
}


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A record before it has its place among all others. `month` counts from the first of the history; None: not monthly."""

    provider_code: str
    message: Submission | Unreadable
    key: str
    kind: Kind
    sent_time: datetime
    month: int | None = None
    expected: Expected = Expected.ACCEPTED
    note: str = ""
    falsification: str = ""

    @property
    def submission(self) -> Submission:
        """The readable message; a broken invariant stops the run."""
        assert isinstance(self.message, Submission)
        return self.message


@dataclass(frozen=True, kw_only=True)
class Channel:
    """What one provider sees of one kind: relative noise and bias, digits it writes, days until it reports, share of subjects it
    covers. `carried_over` is the part of a month that is invoiced in the next. All ours, no source.
    """

    provider_code: str
    kind: Kind
    sectors: frozenset[Sector]
    prefix: str
    basis: Basis
    noise_sd: float
    bias: float
    scale: int
    delay_days: tuple[int, int]
    coverage: float = 1.0
    carried_over: float = 0.0


_ALL = frozenset(Sector)
_COAL = frozenset({Sector.COAL_POWER})
_GOODS = frozenset({Sector.STEEL, Sector.COKING})

CHANNELS = (
    Channel(
        provider_code=GRID,
        kind=Kind.ELECTRICITY_USE,
        sectors=_ALL,
        prefix="DL",
        basis=Basis.METERED,
        noise_sd=0.003,
        bias=0.0,
        scale=3,
        delay_days=(2, 9),
    ),
    Channel(
        provider_code=TAX,
        kind=Kind.FUEL_USE,
        sectors=_COAL,
        prefix="SW-RL",
        basis=Basis.INVOICED,
        noise_sd=0.012,
        bias=0.0,
        scale=2,
        delay_days=(14, 26),
        carried_over=0.05,
    ),
    Channel(
        provider_code=TAX,
        kind=Kind.ELECTRICITY_USE,
        sectors=_GOODS,
        prefix="SW-DL",
        basis=Basis.INVOICED,
        noise_sd=0.008,
        bias=0.0,
        scale=2,
        delay_days=(14, 26),
        coverage=0.5,
        carried_over=0.03,
    ),
    Channel(
        provider_code=ECO,
        kind=Kind.REPORTED_EMISSIONS,
        sectors=_COAL | _GOODS,
        prefix="STHJ",
        basis=Basis.DECLARED,
        noise_sd=0.02,
        bias=0.0,
        scale=2,
        delay_days=(18, 45),
    ),
    Channel(
        provider_code=STATS,
        kind=Kind.OUTPUT,
        sectors=_ALL,
        prefix="TJ",
        basis=Basis.DECLARED,
        noise_sd=0.003,
        bias=0.0,
        scale=0,
        delay_days=(9, 20),
    ),
    Channel(
        provider_code=ENT,
        kind=Kind.FUEL_USE,
        sectors=_COAL,
        prefix="QY-RL",
        basis=Basis.DECLARED,
        noise_sd=0.015,
        bias=-0.005,
        scale=1,
        delay_days=(5, 55),
    ),
    Channel(
        provider_code=ENT,
        kind=Kind.REPORTED_EMISSIONS,
        sectors=_ALL - _COAL,
        prefix="QY-PF",
        basis=Basis.DECLARED,
        noise_sd=0.025,
        bias=-0.01,
        scale=1,
        delay_days=(5, 55),
    ),
    Channel(
        provider_code=ENT,
        kind=Kind.OUTPUT,
        sectors=_ALL,
        prefix="QY-CL",
        basis=Basis.DECLARED,
        noise_sd=0.008,
        bias=0.0,
        scale=0,
        delay_days=(5, 55),
        coverage=0.4,
    ),
)


def originals(generator: Generator, truth: SubjectTruth) -> list[Draft]:
    """List everything that the providers honestly report of one subject, first revisions and regular later ones."""
    drafts = [_registry(truth), *_plan_revisions(truth), *_investments(generator, truth)]
    for channel in CHANNELS:
        covered = happens(generator, probability=channel.coverage)
        if covered and truth.subject.route.sector in channel.sectors:
            drafts += _monthly(generator, channel, truth)
    return drafts


def at_office_hours(generator: Generator, day: date) -> datetime:
    """Give an instant of that day between 08:00 and 18:00 in Shanxi, whole seconds."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=generator.randrange(0, 10 * 3600))


def scaled(content: Content, factor: Decimal) -> Content:
    """Return the same statement with its figures multiplied; nothing but figures of a month changes.

    Raises:
        TypeError: a kind that holds no monthly figure.
    """
    match content:
        case ElectricityUse():
            return replace(content, purchased_mwh=_times(content.purchased_mwh, factor))
        case FuelUse():
            return replace(content, mass_t=_times(content.mass_t, factor))
        case Output():
            mass = None if content.mass_t is None else _times(content.mass_t, factor)
            electricity = None if content.electricity_mwh is None else _times(content.electricity_mwh, factor)
            return replace(content, mass_t=mass, electricity_mwh=electricity)
        case ReportedEmissions():
            return replace(content, scope1_tco2e=_times(content.scope1_tco2e, factor), scope2_tco2e=_times(content.scope2_tco2e, factor))
        case _:
            raise TypeError(f"{type(content).__name__} holds no monthly figure")


def _times(amount: Decimal, factor: Decimal) -> Decimal:
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int)
    return quantise(amount * factor, max(-exponent, 0))


def _registry(truth: SubjectTruth) -> Draft:
    subject = truth.subject
    founded = date(FIRST_YEAR, 1, 1)
    content = RegistryEntry(
        effective=founded,
        name=subject.name,
        industry_code=subject.route.industry_code,
        city_code=subject.city_code,
        size=subject.size.value,
        facilities=tuple(
            FacilityOwnership(facility_number=facility.number, owned_from=founded, owned_until=None)
            for facility in subject.facilities
            if facility.number
        ),
    )
    return _undated(truth, provider_code=NDRC, number=f"FG-ML-{subject.key}", revision=1, content=content, day=date(2023, 1, 5))


def _plan_revisions(truth: SubjectTruth) -> Iterator[Draft]:
    """The plan as adopted, then a further revision each time the subject declares a milestone completed."""
    plan = truth.transition.plan
    if plan is None:
        return
    days = sorted({milestone.declared_completed for milestone in plan.milestones if milestone.declared_completed is not None})
    for revision, day in enumerate([plan.adopted, *(max(day, plan.adopted) for day in days)], start=1):
        number = f"FG-ZX-{truth.subject.key}"
        yield _undated(
            truth, provider_code=NDRC, number=number, revision=revision, content=_plan(plan, as_of=day), day=day + timedelta(days=12)
        )


def _plan(plan: Plan, *, as_of: date) -> TransitionPlan:
    return TransitionPlan(
        adopted=plan.adopted,
        base_year=plan.base_year,
        targets=plan.targets,
        milestones=tuple(
            PlanMilestone(
                number=milestone.number,
                description=milestone.description,
                due=milestone.due,
                completed=milestone.declared_completed
                if milestone.declared_completed is not None and milestone.declared_completed <= as_of
                else None,
            )
            for milestone in plan.milestones
        ),
    )


def _investments(generator: Generator, truth: SubjectTruth) -> Iterator[Draft]:
    for investment in truth.transition.investments:
        compiled = at_office_hours(generator, date(investment.year + 1, 3, 1) + timedelta(days=generator.randrange(0, 30)))
        content = TransitionInvestment(
            technology_code=investment.technology_code,
            amount_yuan=investment.declared_yuan,
            total_capital_expenditure_yuan=investment.total_capital_expenditure_yuan,
        )
        submission = Submission(
            subject_code=truth.subject.code,
            record_number=f"QY-TZ-{truth.subject.key}-{investment.year}",
            record_revision=1,
            facility_number="",
            period=year(investment.year),
            compiled_time=compiled,
            content=content,
        )
        yield Draft(provider_code=ENT, message=submission, key=truth.subject.code, kind=Kind.TRANSITION_INVESTMENT, sent_time=compiled)


def _undated(truth: SubjectTruth, *, provider_code: str, number: str, revision: int, content: Content, day: date) -> Draft:
    compiled = datetime(day.year, day.month, day.day, 2, 0, tzinfo=UTC)
    submission = Submission(
        subject_code=truth.subject.code,
        record_number=number,
        record_revision=revision,
        facility_number="",
        period=None,
        compiled_time=compiled,
        content=content,
    )
    return Draft(provider_code=provider_code, message=submission, key=truth.subject.code, kind=submission.kind, sent_time=compiled)


def _monthly(generator: Generator, channel: Channel, truth: SubjectTruth) -> Iterator[Draft]:
    months = all_months()
    for facility_number, start in enumerate(range(0, len(truth.activity), MONTHS), start=1):
        carried = 0.0
        for index, activity in enumerate(truth.activity[start : start + MONTHS]):
            part = channel.carried_over * generator.random()
            seen = (1 - part + carried) * math.exp(generator.gauss(channel.bias, channel.noise_sd))
            carried = part
            compiled = _compiled_time(generator, channel, months[index])
            number = f"{channel.prefix}-{truth.subject.key}-{facility_number}-{months[index].start:%Y%m}"
            submission = Submission(
                subject_code=truth.subject.code,
                record_number=number,
                record_revision=1,
                facility_number=activity.facility.number,
                period=months[index],
                compiled_time=compiled,
                content=_content(channel, truth, activity, seen),
            )
            yield Draft(
                provider_code=channel.provider_code,
                message=submission,
                key=truth.subject.code,
                kind=channel.kind,
                sent_time=compiled,
                month=index,
            )


def _compiled_time(generator: Generator, channel: Channel, month: Period) -> datetime:
    days = generator.randrange(*channel.delay_days)
    if happens(generator, probability=_VERY_LATE_PROBABILITY):
        days += _VERY_LATE_DAYS
    return at_office_hours(generator, month.end + timedelta(days=days))


def _content(channel: Channel, truth: SubjectTruth, activity: MonthOfActivity, seen: float) -> Content:
    route = truth.subject.route

    def figure(true_amount: Decimal) -> Decimal:
        return quantise(true_amount * Decimal(repr(seen)), channel.scale)

    match channel.kind:
        case Kind.ELECTRICITY_USE:
            return ElectricityUse(purchased_mwh=figure(activity.purchased_mwh), basis=channel.basis)
        case Kind.FUEL_USE:
            burnt = activity.fuel_burnt
            assert burnt is not None
            return FuelUse(
                fuel_code=burnt.fuel.fuel_code,
                mass_t=figure(burnt.mass_t),
                # An invoice knows the tonnes; the heat in them is known to the enterprise's laboratory.
                ncv_gj_per_t=burnt.ncv_gj_per_t if channel.basis is Basis.DECLARED else None,
                basis=channel.basis,
            )
        case Kind.OUTPUT:
            made = figure(activity.output)
            mwh = route.output_unit is Unit.MEGAWATT_HOUR
            return Output(
                product_code=route.product_code,
                mass_t=None if mwh else made,
                electricity_mwh=made if mwh else None,
                process_route=route.process_route,
                basis=channel.basis,
            )
        case Kind.REPORTED_EMISSIONS:
            return ReportedEmissions(
                scope1_tco2e=figure(activity.scope1_tco2e),
                scope2_tco2e=figure(activity.scope2_tco2e),
                energy_carrier="coal" if route.sector is Sector.COAL_POWER else "",
                standard=STANDARDS[route.sector],
                basis=channel.basis,
            )
        case _:
            raise AssertionError(f"{channel.kind} is not reported monthly")


def chosen(generator: Generator, drafts: Sequence[Draft], *, last_months: int) -> int:
    """Choose one first revision of the last months by its place in `drafts`, so that short runs plant it too."""
    places = [place for place, draft in enumerate(drafts) if draft.month is not None and draft.month >= MONTHS - last_months]
    return generator.choice(places)

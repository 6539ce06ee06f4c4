"""Decides what is true in the province: its subjects and what each burnt, bought, made and emitted, month by month. Pure.

Providers see this truth through their own instruments (reporting.py); no service ever sees it. Everything of one subject is a
function of the seed and its index, so a smaller province is the beginning of a larger one.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TypeVar

from services.common.amounts import quantise
from services.common.civil_time import Period
from services.sandbox.domain.chance import Generator, Generators, between, happens
from services.sandbox.domain.intensity import yearly_levels
from services.sandbox.domain.months import FIRST_YEAR, YEARS, all_months
from services.sandbox.domain.sectors import (
    CITY_NAMES,
    CITY_SHARES,
    CO2_PER_CARBON,
    GRID_FACTOR_TCO2_PER_MWH,
    HOURS_PER_YEAR,
    SECTOR_NAMES,
    SECTOR_SHARES,
    Fuel,
    Route,
    Sector,
    Unit,
    routes_of,
)
from services.sandbox.domain.subject_codes import subject_code
from services.sandbox.domain.transition import Transition, transition_of

T = TypeVar("T")

# Scales of true figures, digits after the point.
ENERGY_SCALE = 3
EMISSIONS_SCALE = 6

# Share of subjects with two facilities instead of one.
_TWO_FACILITIES_PROBABILITY = 0.06
_OVERHAUL_PROBABILITY = 0.03


class Size(Enum):
    """Size class of an enterprise."""

    LARGE = "LARGE"
    MEDIUM = "MEDIUM"
    SMALL = "SMALL"


@dataclass(frozen=True, kw_only=True)
class Facility:
    """A facility by its province-wide number and its share of the subject's capacity; no number: the only facility."""

    number: str
    capacity_share: float


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A subject that does not exist. Capacity is MW for electricity and t per year for goods."""

    index: int
    seed: int
    code: str
    name: str
    city_code: str
    route: Route
    size: Size
    capacity: float
    facilities: tuple[Facility, ...]

    @property
    def key(self) -> str:
        """Short stable name that record numbers carry: unique across seeds."""
        return f"{self.seed}-{self.index:05d}"


@dataclass(frozen=True, kw_only=True)
class FuelBurnt:
    """Fuel burnt in one month, with the calorific value measured for it."""

    fuel: Fuel
    mass_t: Decimal
    ncv_gj_per_t: Decimal


@dataclass(frozen=True, kw_only=True)
class MonthOfActivity:
    """What one facility truly did in one month."""

    facility: Facility
    month: Period
    output: Decimal
    purchased_mwh: Decimal
    fuel_burnt: FuelBurnt | None
    scope1_tco2e: Decimal
    scope2_tco2e: Decimal


@dataclass(frozen=True, kw_only=True)
class SubjectTruth:
    """Everything that is true of one subject."""

    subject: Subject
    transition: Transition
    activity: tuple[MonthOfActivity, ...]


def province(generators: Generators, *, seed: int, subjects: int) -> Iterator[SubjectTruth]:
    """Yield the truth of each of the first `subjects` subjects, in order of their index."""
    cities = interleaved(CITY_SHARES)
    sectors = {city: interleaved(SECTOR_SHARES) for city in CITY_SHARES}
    for index in range(subjects):
        city = next(cities)
        yield subject_truth(generators(f"{seed}/subject/{index}"), seed=seed, index=index, city_code=city, sector=next(sectors[city]))


def interleaved(shares: dict[T, int]) -> Iterator[T]:
    """Yield options for ever, at each step the one furthest behind its share, so that every beginning has the right proportions."""
    total = sum(shares.values())
    given = dict.fromkeys(shares, 0)
    step = 0
    while True:
        step += 1
        chosen = max(shares, key=lambda option: shares[option] * step - given[option] * total)
        given[chosen] += 1
        yield chosen


def subject_truth(generator: Generator, *, seed: int, index: int, city_code: str, sector: Sector) -> SubjectTruth:
    """Draw one subject and its whole history."""
    route = _weighted(generator, routes_of(sector))
    capacity = _capacity(generator, route)
    name = f"{CITY_NAMES[city_code]}沙盒{SECTOR_NAMES[sector]}{seed}第{index:04d}号有限公司"
    subject = Subject(
        index=index,
        seed=seed,
        code=subject_code(name=name, region_code=city_code),
        name=name,
        city_code=city_code,
        route=route,
        size=Size.LARGE if capacity >= route.large_from else Size.MEDIUM if capacity >= route.medium_from else Size.SMALL,
        capacity=capacity,
        facilities=_facilities(generator, seed=seed, index=index),
    )
    transition = transition_of(generator, sector=sector, capital_scale_yuan=_capital_scale_yuan(route, capacity))
    activity = tuple(
        month for facility in subject.facilities for month in _history(generator, subject=subject, facility=facility, transition=transition)
    )
    return SubjectTruth(subject=subject, transition=transition, activity=activity)


def emissions_of_fuel(*, mass_t: Decimal, ncv_gj_per_t: Decimal, fuel: Fuel) -> Decimal:
    """Compute CO2 of fuel burnt, t: mass × NCV × carbon content × oxidation × 44/12 (发电设施核算指南, 2022 revision)."""
    return quantise(mass_t * ncv_gj_per_t * fuel.carbon_content_tc_per_gj * fuel.oxidation_rate * CO2_PER_CARBON, EMISSIONS_SCALE)


def emissions_of_electricity(*, purchased_mwh: Decimal) -> Decimal:
    """Compute CO2 of purchased electricity, t, location-based."""
    return quantise(purchased_mwh * GRID_FACTOR_TCO2_PER_MWH, EMISSIONS_SCALE)


def _weighted(generator: Generator, routes: Sequence[Route]) -> Route:
    return generator.choice([route for route in routes for _ in range(route.share)])


def _capacity(generator: Generator, route: Route) -> float:
    drawn = route.capacity_median * math.exp(generator.gauss(0.0, route.capacity_log_sd))
    return round(min(max(drawn, route.capacity_min), route.capacity_max), 0)


def _capital_scale_yuan(route: Route, capacity: float) -> float:
    # About 4 % of replacement cost a year: 4,000 yuan per kW, 1,200 yuan per yearly tonne of steel or coke. Ours, no source.
    per_unit = 4_000_000 if route.output_unit is Unit.MEGAWATT_HOUR else 1_200
    return 0.04 * per_unit * capacity


def _facilities(generator: Generator, *, seed: int, index: int) -> tuple[Facility, ...]:
    if not happens(generator, probability=_TWO_FACILITIES_PROBABILITY):
        return (Facility(number="", capacity_share=1.0),)
    first = round(between(generator, low=0.5, high=0.8), 2)
    return (
        Facility(number=f"SX-{seed}-{index:05d}-1", capacity_share=first),
        Facility(number=f"SX-{seed}-{index:05d}-2", capacity_share=1.0 - first),
    )


def _history(generator: Generator, *, subject: Subject, facility: Facility, transition: Transition) -> Iterator[MonthOfActivity]:
    route = subject.route
    # Larger units are more efficient: about 4 % lower for each factor e of capacity over the median.
    scale_effect = (subject.capacity / route.capacity_median) ** -0.04
    own_intensity = route.intensity_median_t_per_unit * scale_effect * math.exp(generator.gauss(0.0, route.intensity_log_sd))
    levels = list(yearly_levels(generator, years=YEARS, change_sd=route.change_sd, drift_per_year=transition.drift_per_year))
    own_utilisation = min(route.utilisation * math.exp(generator.gauss(0.0, 0.12)), 0.93)
    trend = generator.gauss(0.0, 0.03)
    for month in all_months():
        year = month.start.year - FIRST_YEAR
        season = 1 + route.winter_swing * math.cos(2 * math.pi * (month.start.month - 1) / 12)
        running = 0.45 if happens(generator, probability=_OVERHAUL_PROBABILITY) else 1.0
        utilisation = min(own_utilisation * (1 + trend * year) * season * running * math.exp(generator.gauss(0.0, 0.04)), 0.97)
        intensity = own_intensity * levels[year] * math.exp(generator.gauss(0.0, 0.008))
        yield _month(
            generator,
            route=route,
            facility=facility,
            month=month,
            intensity=intensity,
            level=levels[year],
            output=_full_output(route, subject.capacity * facility.capacity_share, month) * utilisation,
        )


def _full_output(route: Route, capacity: float, month: Period) -> float:
    hours = 24 * month.days()
    return capacity * hours if route.output_unit is Unit.MEGAWATT_HOUR else capacity * hours / HOURS_PER_YEAR


def _month(
    generator: Generator, *, route: Route, facility: Facility, month: Period, intensity: float, level: float, output: float
) -> MonthOfActivity:
    made = _decimal(output, ENERGY_SCALE)
    purchased_per_unit = route.purchased_mwh_per_unit * level * math.exp(generator.gauss(0.0, 0.03))
    if route.sector is Sector.NEW_ENERGY:
        # Wind and sun burn nothing: all emissions are those of the electricity bought for the site.
        purchased_per_unit = intensity / float(GRID_FACTOR_TCO2_PER_MWH)
    purchased = _decimal(output * purchased_per_unit, ENERGY_SCALE)
    scope2 = emissions_of_electricity(purchased_mwh=purchased)
    scope1_per_unit = (
        0.0 if route.sector is Sector.NEW_ENERGY else max(intensity - purchased_per_unit * float(GRID_FACTOR_TCO2_PER_MWH), 0.0)
    )
    if route.fuel is None:
        scope1, fuel_burnt = _decimal(output * scope1_per_unit, EMISSIONS_SCALE), None
    else:
        fuel_burnt = _fuel_for(generator, fuel=route.fuel, emissions_t=output * scope1_per_unit)
        scope1 = emissions_of_fuel(mass_t=fuel_burnt.mass_t, ncv_gj_per_t=fuel_burnt.ncv_gj_per_t, fuel=route.fuel)
    return MonthOfActivity(
        facility=facility,
        month=month,
        output=made,
        purchased_mwh=purchased,
        fuel_burnt=fuel_burnt,
        scope1_tco2e=scope1,
        scope2_tco2e=scope2,
    )


def _fuel_for(generator: Generator, *, fuel: Fuel, emissions_t: float) -> FuelBurnt:
    ncv = _decimal(fuel.ncv_gj_per_t * math.exp(generator.gauss(0.0, 0.025)), ENERGY_SCALE)
    per_tonne = float(ncv * fuel.carbon_content_tc_per_gj * fuel.oxidation_rate * CO2_PER_CARBON)
    return FuelBurnt(fuel=fuel, mass_t=_decimal(emissions_t / per_tonne, ENERGY_SCALE), ncv_gj_per_t=ncv)


def _decimal(value: float, scale: int) -> Decimal:
    return quantise(Decimal(repr(value)), scale)

"""Makes a training panel: yearly figures of synthetic facilities that are not those of the province. Pure.

A model trained on it and graded on the province has seen none of the subjects it grades. How well next year's fall of
intensity can be foretold is calibrated to the real Australian panel (base rate 0.24, AUC 0.59 by persistence and 0.66 by
LightGBM): a world in which it were much easier would teach a model false confidence.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from services.common.amounts import format_amount, quantise
from services.sandbox.domain.chance import Generator, Generators, happens
from services.sandbox.domain.intensity import COAL_AGEING_PER_YEAR, OTHER_AGEING_PER_YEAR, OTHER_CHANGE_SD, yearly_levels
from services.sandbox.domain.sectors import (
    GRID_FACTOR_TCO2_PER_MWH,
    HOURS_PER_YEAR,
    ROUTES,
    Route,
    Sector,
    Unit,
)

COLUMNS = (
    "subject_key",
    "industry_code",
    "process_route",
    "product_code",
    "output_unit",
    "period_start",
    "period_end",
    "scope1_tco2e",
    "scope2_tco2e",
    "output_amount",
    "data_quality",
)
LAST_YEAR = 2022
SUBJECTS = 450
YEARS = 7

_DRIFT_SD_OTHER = 0.012
_DRIFT_SD_COAL = 0.006

# Thermal routes that the Australian panel has and the province has not, so that a model has seen them: ours, by their typical
# intensities (gas 0.5, oil 0.72 tCO2/MWh).
_COAL = next(route for route in ROUTES if route.sector is Sector.COAL_POWER)
_GAS = replace(
    _COAL,
    process_route="gas",
    intensity_median_t_per_unit=0.5,
    intensity_log_sd=0.15,
    change_sd=OTHER_CHANGE_SD,
    utilisation=0.35,
    fuel=None,
)
_DIESEL = replace(_GAS, process_route="diesel", intensity_median_t_per_unit=0.72, capacity_median=15, capacity_min=2, utilisation=0.3)

# Parts in the panel: coal stands for itself; the rest share the other half.
_MIX = (
    *((route, 24) for route in ROUTES if route.sector is Sector.COAL_POWER),
    (_GAS, 12),
    (_DIESEL, 6),
    *((route, 9) for route in ROUTES if route.sector in (Sector.STEEL, Sector.COKING)),
    *((route, 4) for route in ROUTES if route.sector is Sector.NEW_ENERGY),
)


@dataclass(frozen=True, kw_only=True)
class PanelRow:
    """One facility in one calendar year; the fields are `COLUMNS`, amounts in their written form."""

    subject_key: str
    industry_code: str
    process_route: str
    product_code: str
    output_unit: str
    period_start: str
    period_end: str
    scope1_tco2e: str
    scope2_tco2e: str
    output_amount: str
    data_quality: str


def panel(generators: Generators, *, seed: int, subjects: int, years: int) -> Iterator[PanelRow]:
    """Yield `years` successive years, ending with 2022, of each of `subjects` facilities; a few facilities start later."""
    routes = [route for route, parts in _MIX for _ in range(parts)]
    for index in range(subjects):
        generator = generators(f"{seed}/panel/{index}")
        yield from _facility(generator, key=f"panel-{seed}-{index:05d}", route=generator.choice(routes), years=years)


def _facility(generator: Generator, *, key: str, route: Route, years: int) -> Iterator[PanelRow]:
    coal = route.sector is Sector.COAL_POWER and route.fuel is not None
    drift = generator.gauss(COAL_AGEING_PER_YEAR if coal else OTHER_AGEING_PER_YEAR, _DRIFT_SD_COAL if coal else _DRIFT_SD_OTHER)
    capacity = min(
        max(route.capacity_median * math.exp(generator.gauss(0.0, route.capacity_log_sd)), route.capacity_min), route.capacity_max
    )
    own_intensity = route.intensity_median_t_per_unit * math.exp(generator.gauss(0.0, route.intensity_log_sd))
    levels = yearly_levels(generator, years=years, change_sd=route.change_sd, drift_per_year=drift)
    quality = generator.choice(("2", "2", "3", "3", "3", "4"))
    first_year = LAST_YEAR + 1 - years
    start = generator.randrange(0, max(years - 2, 1)) if happens(generator, probability=0.15) else 0
    for offset, level in enumerate(levels):
        utilisation = min(route.utilisation * math.exp(generator.gauss(0.0, 0.09)), 0.97)
        output = capacity * utilisation * (HOURS_PER_YEAR if route.output_unit is Unit.MEGAWATT_HOUR else 1)
        emissions = output * own_intensity * level
        scope2 = min(output * route.purchased_mwh_per_unit * level * float(GRID_FACTOR_TCO2_PER_MWH), emissions)
        if route.sector is Sector.NEW_ENERGY:
            scope2 = emissions
        if offset < start:
            continue
        yield PanelRow(
            subject_key=key,
            industry_code=route.industry_code,
            process_route=route.process_route,
            product_code=route.product_code,
            output_unit=route.output_unit.value,
            period_start=date(first_year + offset, 1, 1).isoformat(),
            period_end=date(first_year + offset + 1, 1, 1).isoformat(),
            scope1_tco2e=_amount(emissions - scope2),
            scope2_tco2e=_amount(scope2),
            output_amount=_amount(output),
            data_quality=quality,
        )


def _amount(value: float) -> str:
    return format_amount(quantise(Decimal(repr(max(value, 0.0))), 3))

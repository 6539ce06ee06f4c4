"""What is typical of each sector of the province: sizes, intensities, seasons. One table, every figure with its source.

Where no source is named the figure is an assumption of this sandbox, chosen for a plausible order of magnitude; README.md
lists what is not realistic.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from services.sandbox.domain.intensity import COAL_CHANGE_SD, OTHER_CHANGE_SD


class Sector(Enum):
    """Sectors that the province has subjects in."""

    COAL_POWER = "coal_power"
    STEEL = "steel"
    COKING = "coking"
    NEW_ENERGY = "new_energy"


class Unit(Enum):
    """Units that output is counted in."""

    TONNE = "t"
    MEGAWATT_HOUR = "MWh"


@dataclass(frozen=True, kw_only=True)
class Fuel:
    """A fuel whose use is reported in tonnes, with the parameters that turn it into emissions."""

    fuel_code: str
    ncv_gj_per_t: float
    carbon_content_tc_per_gj: Decimal
    oxidation_rate: Decimal


@dataclass(frozen=True, kw_only=True)
class Route:
    """One way of making a sector's product. Capacity is MW for electricity and t per year for goods."""

    sector: Sector
    industry_code: str
    process_route: str
    product_code: str
    output_unit: Unit
    share: int
    capacity_median: float
    capacity_log_sd: float
    capacity_min: float
    capacity_max: float
    utilisation: float
    winter_swing: float
    intensity_median_t_per_unit: float
    intensity_log_sd: float
    purchased_mwh_per_unit: float
    change_sd: float
    large_from: float
    medium_from: float
    fuel: Fuel | None = None


HOURS_PER_YEAR = 8760

# 44/12, the mass of CO2 per mass of carbon.
CO2_PER_CARBON = Decimal(44) / Decimal(12)

# Shanxi's average grid factor 2023, tCO2/MWh (MEE and NBS, announcement 2025 No. 47). Used for all three years, because no later
# one is published; providers that knew only the 2021 or 2022 factor at the time are not simulated.
GRID_FACTOR_TCO2_PER_MWH = Decimal("0.6634")

# Carbon content and oxidation of coal that was not measured: 企业温室气体排放核算与报告指南 发电设施 (2022 revision), to be confirmed
# against the original. The calorific value is measured; its median is our assumption for the washed and raw coals burnt there.
COAL = Fuel(fuel_code="coal", ncv_gj_per_t=21.2, carbon_content_tc_per_gj=Decimal("0.03085"), oxidation_rate=Decimal("0.99"))

# Share of subjects per sector, percent: ours, no source.
SECTOR_SHARES = {Sector.COAL_POWER: 30, Sector.STEEL: 12, Sector.COKING: 28, Sector.NEW_ENERGY: 30}

# Firms of the pilot per city (field report on the pilot: 503, 446, 173 of 1,122), GB/T 2260 codes.
CITY_SHARES = {"140400": 503, "140200": 446, "140300": 173}
CITY_NAMES = {"140400": "长治", "140200": "大同", "140300": "阳泉"}
SECTOR_NAMES = {Sector.COAL_POWER: "煤电", Sector.STEEL: "钢铁", Sector.COKING: "焦化", Sector.NEW_ENERGY: "新能源"}


def _coal_power(*, industry_code: str, share: int) -> Route:
    """Coal power: sizes up to the largest plant of the province (Global Power Plant Database, WRI, CC BY 4.0: 4,520 MW); the median is
    small because captive and gangue units are counted. 0.88 tCO2/MWh: a little above the national thermal average of 0.821 (CEC, 2023).
    """
    return Route(
        sector=Sector.COAL_POWER,
        industry_code=industry_code,
        process_route="coal",
        product_code="electricity",
        output_unit=Unit.MEGAWATT_HOUR,
        share=share,
        capacity_median=60,
        capacity_log_sd=1.1,
        capacity_min=12,
        capacity_max=4520,
        utilisation=0.51,
        winter_swing=0.14,
        intensity_median_t_per_unit=0.88,
        intensity_log_sd=0.07,
        purchased_mwh_per_unit=0.002,
        change_sd=COAL_CHANGE_SD,
        large_from=300,
        medium_from=50,
        fuel=COAL,
    )


ROUTES = (
    _coal_power(industry_code="4411", share=75),
    _coal_power(industry_code="4412", share=25),
    # 1.8–2.0 tCO2 per t of crude steel by blast furnace and converter, 0.6 by electric arc furnace (literature midpoints and one
    # verified works, 1.798 in 2023).
    Route(
        sector=Sector.STEEL,
        industry_code="3120",
        process_route="bf_bof",
        product_code="crude_steel",
        output_unit=Unit.TONNE,
        share=70,
        capacity_median=180_000,
        capacity_log_sd=0.9,
        capacity_min=30_000,
        capacity_max=6_000_000,
        utilisation=0.82,
        winter_swing=-0.05,
        intensity_median_t_per_unit=1.9,
        intensity_log_sd=0.09,
        purchased_mwh_per_unit=0.18,
        change_sd=OTHER_CHANGE_SD,
        large_from=1_000_000,
        medium_from=150_000,
    ),
    Route(
        sector=Sector.STEEL,
        industry_code="3120",
        process_route="eaf",
        product_code="crude_steel",
        output_unit=Unit.TONNE,
        share=30,
        capacity_median=120_000,
        capacity_log_sd=0.7,
        capacity_min=20_000,
        capacity_max=1_500_000,
        utilisation=0.66,
        winter_swing=-0.05,
        intensity_median_t_per_unit=0.62,
        intensity_log_sd=0.10,
        purchased_mwh_per_unit=0.52,
        change_sd=OTHER_CHANGE_SD,
        large_from=1_000_000,
        medium_from=150_000,
    ),
    # 0.35 tCO2 per t of coke with by-product recovery (literature midpoint).
    Route(
        sector=Sector.COKING,
        industry_code="2521",
        process_route="byproduct_recovery",
        product_code="coke",
        output_unit=Unit.TONNE,
        share=100,
        capacity_median=220_000,
        capacity_log_sd=0.6,
        capacity_min=40_000,
        capacity_max=4_000_000,
        utilisation=0.78,
        winter_swing=0.0,
        intensity_median_t_per_unit=0.35,
        intensity_log_sd=0.12,
        purchased_mwh_per_unit=0.035,
        change_sd=OTHER_CHANGE_SD,
        large_from=1_000_000,
        medium_from=300_000,
    ),
    # 49 MW: median of the province's wind farms in the Global Power Plant Database.
    Route(
        sector=Sector.NEW_ENERGY,
        industry_code="4415",
        process_route="wind",
        product_code="electricity",
        output_unit=Unit.MEGAWATT_HOUR,
        share=50,
        capacity_median=49,
        capacity_log_sd=0.5,
        capacity_min=6,
        capacity_max=400,
        utilisation=0.24,
        winter_swing=0.25,
        intensity_median_t_per_unit=0.0045,
        intensity_log_sd=0.35,
        purchased_mwh_per_unit=0.0068,
        change_sd=OTHER_CHANGE_SD,
        large_from=100,
        medium_from=30,
    ),
    Route(
        sector=Sector.NEW_ENERGY,
        industry_code="4416",
        process_route="solar",
        product_code="electricity",
        output_unit=Unit.MEGAWATT_HOUR,
        share=50,
        capacity_median=30,
        capacity_log_sd=0.6,
        capacity_min=5,
        capacity_max=300,
        utilisation=0.155,
        winter_swing=-0.22,
        intensity_median_t_per_unit=0.0038,
        intensity_log_sd=0.35,
        purchased_mwh_per_unit=0.0057,
        change_sd=OTHER_CHANGE_SD,
        large_from=100,
        medium_from=30,
    ),
)


def routes_of(sector: Sector) -> tuple[Route, ...]:
    """List the routes by which this sector makes its product."""
    return tuple(route for route in ROUTES if route.sector is sector)

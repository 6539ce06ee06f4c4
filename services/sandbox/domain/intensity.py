"""Decides how the emissions intensity of a facility moves from year to year. Shared by the province and the training panel.

The logarithm of intensity swings around a slow drift and falls back to it (mean reversion), because that is what the real
Australian panel shows: facilities that just rose tend to fall. Calibrated to the standard deviation of its year-on-year log
changes: coal 0.036, other thermal 0.142 (Clean Energy Regulator, designated generation facilities, FY2015–2021, CC BY 4.0).
"""

import math
from collections.abc import Iterator

from services.sandbox.domain.chance import Generator, heavy_tailed

COAL_CHANGE_SD = 0.036
OTHER_CHANGE_SD = 0.142

# Where nothing is done intensity creeps up with age: 5–95 % of the real yearly changes were −0.167…+0.213, not symmetric.
COAL_AGEING_PER_YEAR = 0.003
OTHER_AGEING_PER_YEAR = 0.014

# Share of a swing that is still there a year later. The correlation of one year's change with the next is −(1 − share) / 2:
# with 0.35 it is about −0.33, which makes next year's fall predictable with an AUC between 0.6 and 0.75, as on the real panel.
REMAINING_SHARE = 0.35


def yearly_levels(generator: Generator, *, years: int, change_sd: float, drift_per_year: float) -> Iterator[float]:
    """Yield the factor by which intensity differs from its long-run level in each of `years` successive years.

    `change_sd` is the standard deviation of the log change from one year to the next, drift apart; `drift_per_year` is added
    to the logarithm each year (−0.02 is 2 % lower each year).
    """
    # Var(u' − u) = 2 σ² (1 − ρ) for a stationary first-order autoregression with coefficient ρ.
    swing_sd = change_sd / math.sqrt(2 * (1 - REMAINING_SHARE))
    shock_sd = swing_sd * math.sqrt(1 - REMAINING_SHARE**2)
    swing = heavy_tailed(generator) * swing_sd
    for year in range(years):
        yield math.exp(swing + drift_per_year * year)
        swing = REMAINING_SHARE * swing + heavy_tailed(generator) * shock_sd

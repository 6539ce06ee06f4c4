"""Decides what a subject plans, does and says about its transition, and how honest it is. Pure; part of the truth.

Honest subjects invest what they say and their intensity falls as planned. Exaggerating ones overstate money and progress.
Pretending ones have a plan, spend on nothing that reduces emissions, and say otherwise.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum

from services.common.amounts import quantise
from services.sandbox.domain.chance import Generator, between, happens
from services.sandbox.domain.intensity import COAL_AGEING_PER_YEAR, OTHER_AGEING_PER_YEAR
from services.sandbox.domain.months import FIRST_YEAR, YEARS
from services.sandbox.domain.sectors import Sector

BASE_YEAR = FIRST_YEAR
LAST_TARGET_YEAR = 2030
# What a subject claims that spends nothing on reduction: cleans the flue gas, saves no carbon, stands in no catalogue of ours.
UNRECOGNISED_TECHNOLOGY = "flue_gas_desulphurisation"

# Technologies that a sector may invest in, by the codes of the bureau's published catalogue.
TECHNOLOGIES = {
    Sector.COAL_POWER: ("turbine_retrofit", "flexibility_retrofit", "heat_supply_retrofit"),
    Sector.STEEL: ("scrap_eaf", "top_gas_recovery_turbine", "hydrogen_dri"),
    Sector.COKING: ("dry_quenching", "coke_gas_to_hydrogen", "ascension_pipe_heat_recovery"),
    Sector.NEW_ENERGY: ("energy_storage", "grid_forming_control"),
}
MILESTONES = ("feasibility study approved", "financing closed", "equipment ordered", "construction finished", "in operation")

# Share of subjects with a plan, per sector: ours.
PLAN_PROBABILITY = {Sector.COAL_POWER: 0.55, Sector.STEEL: 0.6, Sector.COKING: 0.55, Sector.NEW_ENERGY: 0.35}


class Honesty(Enum):
    """How what a subject says of its transition relates to what it does."""

    HONEST = "honest"
    EXAGGERATING = "exaggerating"
    PRETENDING = "pretending"


@dataclass(frozen=True, kw_only=True)
class Milestone:
    """A step of a plan: when it is due, when it was really completed, and when the subject says it was. None: still open."""

    number: str
    description: str
    due: date
    truly_completed: date | None
    declared_completed: date | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A transition plan with its yearly targets: percent by which intensity shall have fallen since the base year."""

    adopted: date
    base_year: int
    targets: tuple[tuple[int, Decimal], ...]
    milestones: tuple[Milestone, ...]


@dataclass(frozen=True, kw_only=True)
class Investment:
    """Money of one calendar year in one technology, yuan: spent in truth, and as the subject declares it."""

    year: int
    technology_code: str
    truly_spent_yuan: Decimal
    declared_yuan: Decimal
    total_capital_expenditure_yuan: Decimal


@dataclass(frozen=True, kw_only=True)
class Transition:
    """All of it, with the drift of intensity that results: −0.02 is 2 % lower each year."""

    honesty: Honesty
    plan: Plan | None
    investments: tuple[Investment, ...]
    drift_per_year: float


def transition_of(generator: Generator, *, sector: Sector, capital_scale_yuan: float) -> Transition:
    """Draw the transition of one subject whose yearly capital expenditure is about `capital_scale_yuan`."""
    has_plan = happens(generator, probability=PLAN_PROBABILITY[sector])
    honesty = generator.choice((Honesty.HONEST,) * 7 + (Honesty.EXAGGERATING,) * 2 + (Honesty.PRETENDING,)) if has_plan else Honesty.HONEST
    ambition_percent = between(generator, low=1.2, high=3.6)
    plan = _plan(generator, honesty=honesty, ambition_percent=ambition_percent) if has_plan else None
    share = between(generator, low=0.08, high=0.4) if has_plan else between(generator, low=0.0, high=0.05)
    investments = _investments(generator, sector=sector, honesty=honesty, share=share, capital_scale_yuan=capital_scale_yuan)
    ageing = COAL_AGEING_PER_YEAR if sector is Sector.COAL_POWER else OTHER_AGEING_PER_YEAR
    effort = _effort(generator, honesty=honesty, ambition_percent=ambition_percent) if has_plan else 0.0
    drift = ageing + effort + generator.gauss(0.0, 0.004)
    return Transition(honesty=honesty, plan=plan, investments=investments, drift_per_year=drift)


def _effort(generator: Generator, *, honesty: Honesty, ambition_percent: float) -> float:
    match honesty:
        case Honesty.HONEST:
            return -ambition_percent / 100 * between(generator, low=0.5, high=1.1)
        case Honesty.EXAGGERATING:
            return -ambition_percent / 100 * between(generator, low=0.1, high=0.5)
        case Honesty.PRETENDING:
            return 0.0


def _plan(generator: Generator, *, honesty: Honesty, ambition_percent: float) -> Plan:
    adopted = date(FIRST_YEAR, 1, 1) + timedelta(days=generator.randrange(0, 330))
    targets = tuple(
        (year, quantise(Decimal(repr(ambition_percent)) * (year - BASE_YEAR), 1)) for year in range(BASE_YEAR + 1, LAST_TARGET_YEAR + 1)
    )
    due = adopted
    milestones = []
    for number, description in enumerate(MILESTONES[: generator.randrange(3, len(MILESTONES) + 1)], start=1):
        due += timedelta(days=generator.randrange(150, 330))
        late_days = max(-40, int(generator.gauss(20.0, 60.0)))
        truly = None if honesty is Honesty.PRETENDING else _if_past(due + timedelta(days=late_days))
        declared = truly if honesty is Honesty.HONEST else _if_past(due - timedelta(days=generator.randrange(0, 20)))
        milestones.append(
            Milestone(number=str(number), description=description, due=due, truly_completed=truly, declared_completed=declared)
        )
    return Plan(adopted=adopted, base_year=BASE_YEAR, targets=targets, milestones=tuple(milestones))


def _if_past(day: date) -> date | None:
    return day if day < date(FIRST_YEAR + YEARS, 1, 1) else None


def _investments(
    generator: Generator, *, sector: Sector, honesty: Honesty, share: float, capital_scale_yuan: float
) -> tuple[Investment, ...]:
    technology = generator.choice(TECHNOLOGIES[sector])
    made = []
    for year in range(FIRST_YEAR, FIRST_YEAR + YEARS):
        total = capital_scale_yuan * between(generator, low=0.6, high=1.4)
        spent = total * share * between(generator, low=0.7, high=1.3)
        overstated = spent * between(generator, low=1.4, high=2.5)
        match honesty:
            case Honesty.HONEST:
                code, truly, declared = technology, spent, spent
            case Honesty.EXAGGERATING:
                code, truly, declared = technology, spent, min(overstated, total)
            case Honesty.PRETENDING:
                code, truly, declared = generator.choice((technology, UNRECOGNISED_TECHNOLOGY)), 0.0, spent
        made.append(
            Investment(
                year=year,
                technology_code=code,
                truly_spent_yuan=_yuan(truly),
                declared_yuan=_yuan(declared),
                total_capital_expenditure_yuan=_yuan(total),
            )
        )
    return tuple(made)


def _yuan(amount: float) -> Decimal:
    # Books are kept in fen; declarations round to whole yuan.
    return quantise(Decimal(repr(amount)), 0)

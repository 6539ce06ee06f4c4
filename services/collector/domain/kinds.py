"""Decides which kinds of submission there are, the domain of each, and what each states.

A kind is named like its content: FUEL_USE states `FuelUse` and is the member `fuel_use` of the contract. The kind is part of the
business key.
"""

from dataclasses import dataclass
from enum import StrEnum

from services.collector.domain.contents import (
    emissions,
    energy,
    environment,
    finance,
    market,
    production,
    registry,
    tax,
    transition,
    verification,
)


class Domain(StrEnum):
    """The domain in the name of an intake topic."""

    ENERGY = "energy"
    PRODUCTION = "production"
    EMISSIONS = "emissions"
    ENVIRONMENT = "environment"
    TAX = "tax"
    MARKET = "market"
    REGISTRY = "registry"
    TRANSITION = "transition"
    VERIFICATION = "verification"
    FINANCE = "finance"


class Kind(StrEnum):
    """What a submission states."""

    ELECTRICITY_USE = "ELECTRICITY_USE"
    FUEL_USE = "FUEL_USE"
    FUEL_PURCHASE = "FUEL_PURCHASE"
    FUEL_STOCK = "FUEL_STOCK"
    ELECTRICITY_SALE = "ELECTRICITY_SALE"
    ELECTRICITY_GENERATION = "ELECTRICITY_GENERATION"
    GREEN_POWER_CERTIFICATE = "GREEN_POWER_CERTIFICATE"
    HEAT_USE = "HEAT_USE"
    HEAT_SALE = "HEAT_SALE"
    OUTPUT = "OUTPUT"
    CAPACITY = "CAPACITY"
    OPERATING_HOURS = "OPERATING_HOURS"
    MATERIAL_USE = "MATERIAL_USE"
    PURCHASED_GOODS = "PURCHASED_GOODS"
    FREIGHT_TRANSPORT = "FREIGHT_TRANSPORT"
    REPORTED_EMISSIONS = "REPORTED_EMISSIONS"
    STACK_MONITOR_SUMMARY = "STACK_MONITOR_SUMMARY"
    EMISSIONS_INVENTORY = "EMISSIONS_INVENTORY"
    ETS_VERIFIED_EMISSIONS = "ETS_VERIFIED_EMISSIONS"
    MINE_METHANE = "MINE_METHANE"
    PERMIT = "PERMIT"
    PENALTY = "PENALTY"
    PENALTY_REPAIR = "PENALTY_REPAIR"
    ENERGY_OVER_CONSUMPTION_NOTICE = "ENERGY_OVER_CONSUMPTION_NOTICE"
    ENVIRONMENTAL_CREDIT_CLASS = "ENVIRONMENTAL_CREDIT_CLASS"
    ULTRA_LOW_EMISSION_STATUS = "ULTRA_LOW_EMISSION_STATUS"
    QUALITY_CONTROL_PLAN = "QUALITY_CONTROL_PLAN"
    INVOICED_ENERGY = "INVOICED_ENERGY"
    TAX_RETURN = "TAX_RETURN"
    FINANCIAL_RATIOS = "FINANCIAL_RATIOS"
    ALLOWANCE_TRANSACTION = "ALLOWANCE_TRANSACTION"
    ALLOWANCE_HOLDING = "ALLOWANCE_HOLDING"
    CCER_TRANSACTION = "CCER_TRANSACTION"
    SINK_TRADE = "SINK_TRADE"
    REGISTRY_ENTRY = "REGISTRY_ENTRY"
    CODE_CHANGE = "CODE_CHANGE"
    STRUCTURAL_CHANGE = "STRUCTURAL_CHANGE"
    COURT_LISTING = "COURT_LISTING"
    TRANSITION_PLAN = "TRANSITION_PLAN"
    TRANSITION_INVESTMENT = "TRANSITION_INVESTMENT"
    MILESTONE_EVIDENCE = "MILESTONE_EVIDENCE"
    GREEN_TECHNOLOGY_SUPPLY = "GREEN_TECHNOLOGY_SUPPLY"
    RESEARCH_AND_DEVELOPMENT = "RESEARCH_AND_DEVELOPMENT"
    VERIFIER_STATEMENT = "VERIFIER_STATEMENT"
    SECTOR_OPINION = "SECTOR_OPINION"
    RECHECK_ANSWER = "RECHECK_ANSWER"
    LOAN_DRAWING = "LOAN_DRAWING"
    USE_OF_PROCEEDS = "USE_OF_PROCEEDS"


@dataclass(frozen=True, kw_only=True, slots=True)
class Withdrawal:
    """Takes back the record of a kind that has the number of this submission. Its kind is that of the record."""

    record_kind: Kind
    reason: str


Content = (
    Withdrawal
    | energy.ElectricityUse
    | energy.FuelUse
    | energy.FuelPurchase
    | energy.FuelStock
    | energy.ElectricitySale
    | energy.ElectricityGeneration
    | energy.GreenPowerCertificate
    | energy.HeatUse
    | energy.HeatSale
    | production.Output
    | production.Capacity
    | production.OperatingHours
    | production.MaterialUse
    | production.PurchasedGoods
    | production.FreightTransport
    | emissions.ReportedEmissions
    | emissions.StackMonitorSummary
    | emissions.EmissionsInventory
    | emissions.EtsVerifiedEmissions
    | emissions.MineMethane
    | environment.Permit
    | environment.Penalty
    | environment.PenaltyRepair
    | environment.EnergyOverConsumptionNotice
    | environment.EnvironmentalCreditClass
    | environment.UltraLowEmissionStatus
    | environment.QualityControlPlan
    | tax.InvoicedEnergy
    | tax.TaxReturn
    | tax.FinancialRatios
    | market.AllowanceTransaction
    | market.AllowanceHolding
    | market.CcerTransaction
    | market.SinkTrade
    | registry.RegistryEntry
    | registry.CodeChange
    | registry.StructuralChange
    | registry.CourtListing
    | transition.TransitionPlan
    | transition.TransitionInvestment
    | transition.MilestoneEvidence
    | transition.GreenTechnologySupply
    | transition.ResearchAndDevelopment
    | verification.VerifierStatement
    | verification.SectorOpinion
    | verification.RecheckAnswer
    | finance.LoanDrawing
    | finance.UseOfProceeds
)

CONTENTS_BY_DOMAIN: dict[Domain, tuple[type[Content], ...]] = {
    Domain.ENERGY: (
        energy.ElectricityUse,
        energy.FuelUse,
        energy.FuelPurchase,
        energy.FuelStock,
        energy.ElectricitySale,
        energy.ElectricityGeneration,
        energy.GreenPowerCertificate,
        energy.HeatUse,
        energy.HeatSale,
    ),
    Domain.PRODUCTION: (
        production.Output,
        production.Capacity,
        production.OperatingHours,
        production.MaterialUse,
        production.PurchasedGoods,
        production.FreightTransport,
    ),
    Domain.EMISSIONS: (
        emissions.ReportedEmissions,
        emissions.StackMonitorSummary,
        emissions.EmissionsInventory,
        emissions.EtsVerifiedEmissions,
        emissions.MineMethane,
    ),
    Domain.ENVIRONMENT: (
        environment.Permit,
        environment.Penalty,
        environment.PenaltyRepair,
        environment.EnergyOverConsumptionNotice,
        environment.EnvironmentalCreditClass,
        environment.UltraLowEmissionStatus,
        environment.QualityControlPlan,
    ),
    Domain.TAX: (
        tax.InvoicedEnergy,
        tax.TaxReturn,
        tax.FinancialRatios,
    ),
    Domain.MARKET: (
        market.AllowanceTransaction,
        market.AllowanceHolding,
        market.CcerTransaction,
        market.SinkTrade,
    ),
    Domain.REGISTRY: (
        registry.RegistryEntry,
        registry.CodeChange,
        registry.StructuralChange,
        registry.CourtListing,
    ),
    Domain.TRANSITION: (
        transition.TransitionPlan,
        transition.TransitionInvestment,
        transition.MilestoneEvidence,
        transition.GreenTechnologySupply,
        transition.ResearchAndDevelopment,
    ),
    Domain.VERIFICATION: (
        verification.VerifierStatement,
        verification.SectorOpinion,
        verification.RecheckAnswer,
    ),
    Domain.FINANCE: (
        finance.LoanDrawing,
        finance.UseOfProceeds,
    ),
}


def _kind(content: type[Content]) -> Kind:
    words = "".join(f"_{letter}" if letter.isupper() else letter for letter in content.__name__)
    return Kind(words.strip("_").upper())


KIND_OF_CONTENT: dict[type[Content], Kind] = {one: _kind(one) for contents in CONTENTS_BY_DOMAIN.values() for one in contents}
DOMAIN_OF_KIND: dict[Kind, Domain] = {_kind(one): domain for domain, contents in CONTENTS_BY_DOMAIN.items() for one in contents}

# These carry dates or a year of their own instead of a period.
KINDS_WITHOUT_PERIOD = frozenset(
    {
        Kind.ETS_VERIFIED_EMISSIONS,
        Kind.PERMIT,
        Kind.PENALTY,
        Kind.PENALTY_REPAIR,
        Kind.ULTRA_LOW_EMISSION_STATUS,
        Kind.QUALITY_CONTROL_PLAN,
        Kind.ALLOWANCE_TRANSACTION,
        Kind.ALLOWANCE_HOLDING,
        Kind.CCER_TRANSACTION,
        Kind.SINK_TRADE,
        Kind.REGISTRY_ENTRY,
        Kind.CODE_CHANGE,
        Kind.STRUCTURAL_CHANGE,
        Kind.COURT_LISTING,
        Kind.TRANSITION_PLAN,
        Kind.MILESTONE_EVIDENCE,
        Kind.SECTOR_OPINION,
        Kind.RECHECK_ANSWER,
        Kind.LOAN_DRAWING,
    }
)

"""Translates statements into the bytes a provider publishes. Decides nothing; the same statement makes the same bytes."""

from datetime import datetime
from typing import assert_never

from carbonbureau.common.v1 import period_pb2
from carbonbureau.intake.v1 import basis_pb2, production_pb2, registry_pb2, submission_pb2, transition_pb2

from services.common.amounts import format_amount
from services.sandbox.domain.statements import (
    ElectricityUse,
    FuelUse,
    Output,
    PlannedSubmission,
    RegistryEntry,
    ReportedEmissions,
    Submission,
    TransitionInvestment,
    TransitionPlan,
    Unreadable,
)

CONTENT_TYPE = "application/protobuf"
MESSAGE_TYPE = submission_pb2.Submission.DESCRIPTOR.full_name


def message_bytes(planned: PlannedSubmission) -> bytes:
    """Give the exact bytes of one record."""
    match planned.message:
        case Unreadable(value):
            return value
        case Submission() as submission:
            # No maps in the contract and one library: deterministic within this run and the next.
            return _submission(submission).SerializeToString(deterministic=True)
        case _:
            assert_never(planned.message)


def _submission(submission: Submission) -> submission_pb2.Submission:
    message = submission_pb2.Submission(
        subject_code=submission.subject_code,
        record_number=submission.record_number,
        record_revision=submission.record_revision,
        facility_number=submission.facility_number,
    )
    if submission.period is not None:
        message.period.CopyFrom(
            period_pb2.Period(
                start_date=submission.period.start.isoformat(),
                end_date=submission.period.end.isoformat(),
                time_zone=submission.period.zone,
            )
        )
    message.compiled_time.FromDatetime(_utc(submission.compiled_time))
    _set_content(message, submission)
    return message


def _set_content(message: submission_pb2.Submission, submission: Submission) -> None:
    match submission.content:
        case ElectricityUse() as content:
            message.electricity_use.purchased_mwh = format_amount(content.purchased_mwh)
            message.electricity_use.basis = basis_pb2.Basis.Value(f"BASIS_{content.basis.value}")
        case FuelUse() as content:
            message.fuel_use.fuel_code = content.fuel_code
            message.fuel_use.mass_t = format_amount(content.mass_t)
            if content.ncv_gj_per_t is not None:
                message.fuel_use.ncv_gj_per_unit = format_amount(content.ncv_gj_per_t)
            message.fuel_use.basis = basis_pb2.Basis.Value(f"BASIS_{content.basis.value}")
        case Output() as content:
            _set_output(message.output, content)
        case ReportedEmissions() as content:
            message.reported_emissions.scope1_tco2e = format_amount(content.scope1_tco2e)
            message.reported_emissions.scope2_tco2e = format_amount(content.scope2_tco2e)
            message.reported_emissions.energy_carrier = content.energy_carrier
            message.reported_emissions.standard = content.standard
            message.reported_emissions.basis = basis_pb2.Basis.Value(f"BASIS_{content.basis.value}")
        case RegistryEntry() as content:
            _set_registry_entry(message.registry_entry, content)
        case TransitionPlan() as content:
            _set_plan(message.transition_plan, content)
        case TransitionInvestment() as content:
            message.transition_investment.technology_code = content.technology_code
            message.transition_investment.amount_yuan = format_amount(content.amount_yuan)
            message.transition_investment.total_capital_expenditure_yuan = format_amount(content.total_capital_expenditure_yuan)
        case _:
            assert_never(submission.content)


def _set_output(message: production_pb2.Output, content: Output) -> None:
    message.product_code = content.product_code
    message.process_route = content.process_route
    message.basis = basis_pb2.Basis.Value(f"BASIS_{content.basis.value}")
    if content.mass_t is not None:
        message.mass_t = format_amount(content.mass_t)
    if content.electricity_mwh is not None:
        message.electricity_mwh = format_amount(content.electricity_mwh)


def _set_registry_entry(message: registry_pb2.RegistryEntry, content: RegistryEntry) -> None:
    message.effective_date = content.effective.isoformat()
    message.name = content.name
    message.industry_code = content.industry_code
    message.city_code = content.city_code
    message.size = registry_pb2.EnterpriseSize.Value(f"ENTERPRISE_SIZE_{content.size or 'UNSPECIFIED'}")
    for facility in content.facilities:
        message.facilities.add(
            facility_number=facility.facility_number,
            owned_from_date=facility.owned_from.isoformat(),
            owned_until_date="" if facility.owned_until is None else facility.owned_until.isoformat(),
        )


def _set_plan(message: transition_pb2.TransitionPlan, content: TransitionPlan) -> None:
    message.adopted_date = content.adopted.isoformat()
    message.base_year = content.base_year
    for target_year, reduction_percent in content.targets:
        message.yearly_targets.add(year=target_year, intensity_reduction_percent=format_amount(reduction_percent))
    for milestone in content.milestones:
        message.milestones.add(
            milestone_number=milestone.number,
            description=milestone.description,
            due_date=milestone.due.isoformat(),
            completed_date="" if milestone.completed is None else milestone.completed.isoformat(),
        )


def _utc(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError(f"{moment} has no zone: it would mean something else on each machine")
    return moment

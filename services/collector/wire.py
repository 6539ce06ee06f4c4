"""Translates the bytes of an intake record into a submission as written. Decides nothing: defects are values.

The bytes themselves are kept as they came and never written again to be compared: protobuf is not canonical.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from carbonbureau.intake.v1 import submission_pb2
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from services.collector.domain.reading import Reading
from services.collector.domain.submission import (
    KIND_OF_CONTENT,
    Content,
    ElectricityUse,
    FacilityOwnership,
    Flaw,
    FuelUse,
    Milestone,
    Output,
    Received,
    RegistryEntry,
    ReportedEmissions,
    TransitionInvestment,
    TransitionPlan,
    Unit,
    YearlyTarget,
)

# A submission has a few hundred bytes; a plan with hundreds of milestones some tens of kilobytes.
SUBMISSION_BYTES_MAX: Final = 256 * 1024
JSON_NESTING_MAX: Final = 16
# google.protobuf.Timestamp is defined from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z.
_SECONDS_MIN: Final = -62_135_596_800
_SECONDS_MAX: Final = 253_402_300_799
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class UnreadableError(Exception):
    """The bytes are no submission. `reason` may be told to the provider."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def submission(value: bytes | None, *, is_json: bool) -> Received:
    """Read a submission as written; fields that cannot be read become defects of it.

    Raises:
        UnreadableError: the bytes are not a message of the contract at all.
    """
    if not value:
        raise UnreadableError("the record has no value")
    if len(value) > SUBMISSION_BYTES_MAX:
        raise UnreadableError(f"the record has {len(value)} bytes, at most {SUBMISSION_BYTES_MAX} are read")
    return _received(_json_message(value) if is_json else _binary_message(value))


def is_json(headers: Mapping[str, bytes]) -> bool:
    """Tell whether the content-type header announces the JSON mapping; anything else is read as protobuf."""
    return headers.get("content-type", b"").split(b";")[0].strip().lower() == b"application/json"


def _binary_message(value: bytes) -> submission_pb2.Submission:
    try:
        return submission_pb2.Submission.FromString(value)
    except DecodeError as error:
        raise UnreadableError("the bytes are no protobuf of carbonbureau.intake.v1.Submission") from error


def _json_message(value: bytes) -> submission_pb2.Submission:
    message = submission_pb2.Submission()
    try:
        if not value.lstrip().startswith(b"{"):
            # The library reads an empty list as an empty message.
            raise json_format.ParseError("not an object")
        json_format.Parse(value.decode("utf-8"), message, max_recursion_depth=JSON_NESTING_MAX)
    except (json_format.ParseError, json.JSONDecodeError, UnicodeError, ValueError, TypeError, RecursionError) as error:
        raise UnreadableError("the bytes are no JSON of carbonbureau.intake.v1.Submission") from error
    return message


def _received(message: submission_pb2.Submission) -> Received:
    reading = Reading()
    period = None
    period_stated = message.HasField("period")
    if period_stated:
        stated = message.period
        period = reading.period(stated.start_date, stated.end_date, stated.time_zone)
    content = _content(message, reading)
    return Received(
        subject_code=message.subject_code,
        record_number=message.record_number,
        record_revision=message.record_revision,
        facility_number=message.facility_number,
        period=period,
        period_stated=period_stated,
        compiled_at=_instant(message, reading),
        kind=KIND_OF_CONTENT[type(content)] if content is not None else None,
        content=content,
        amounts=tuple(reading.amounts),
        texts=tuple(reading.texts),
        defects=tuple(reading.defects),
    )


def _instant(message: submission_pb2.Submission, reading: Reading) -> datetime | None:
    """Read a Timestamp, to the microsecond; several times faster than the library, which is called for every submission."""
    if not message.HasField("compiled_time"):
        return None
    seconds, nanos = message.compiled_time.seconds, message.compiled_time.nanos
    if not (_SECONDS_MIN <= seconds <= _SECONDS_MAX and 0 <= nanos < 10**9):
        reading.flaw(Flaw.NOT_AN_INSTANT, "compiled_time", f"{seconds} s")
        return None
    return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)


def _content(message: submission_pb2.Submission, reading: Reading) -> Content | None:
    match message.WhichOneof("content"):
        case "electricity_use":
            use = message.electricity_use
            return ElectricityUse(purchased_mwh=reading.amount("purchased_mwh", use.purchased_mwh), basis=reading.basis(use.basis))
        case "fuel_use":
            return _fuel_use(message.fuel_use, reading)
        case "output":
            return _output(message.output, reading)
        case "reported_emissions":
            reported = message.reported_emissions
            return ReportedEmissions(
                scope1_tco2e=reading.optional_amount("scope1_tco2e", reported.scope1_tco2e),
                scope2_tco2e=reading.optional_amount("scope2_tco2e", reported.scope2_tco2e),
                energy_carrier=reading.text("energy_carrier", reported.energy_carrier),
                standard=reading.text("standard", reported.standard),
                basis=reading.basis(reported.basis),
            )
        case "registry_entry":
            return _registry_entry(message.registry_entry, reading)
        case "transition_plan":
            return _transition_plan(message.transition_plan, reading)
        case "transition_investment":
            investment = message.transition_investment
            return TransitionInvestment(
                technology_code=reading.text("technology_code", investment.technology_code),
                amount_yuan=reading.amount("amount_yuan", investment.amount_yuan),
                total_capital_expenditure_yuan=reading.amount("total_capital_expenditure_yuan", investment.total_capital_expenditure_yuan),
            )
        case _:
            return None


def _fuel_use(use: submission_pb2.FuelUse, reading: Reading) -> FuelUse:
    quantity, unit = Decimal(0), None
    match use.WhichOneof("quantity"):
        case "mass_t":
            quantity, unit = reading.amount("mass_t", use.mass_t), Unit.TONNE
        case "volume_ten_thousand_nm3":
            quantity, unit = reading.amount("volume_ten_thousand_nm3", use.volume_ten_thousand_nm3), Unit.TEN_THOUSAND_NM3
    return FuelUse(
        fuel_code=reading.text("fuel_code", use.fuel_code),
        quantity=quantity,
        unit=unit,
        ncv_gj_per_unit=reading.optional_amount("ncv_gj_per_unit", use.ncv_gj_per_unit),
        carbon_content_tc_per_gj=reading.optional_amount("carbon_content_tc_per_gj", use.carbon_content_tc_per_gj),
        basis=reading.basis(use.basis),
    )


def _output(output: submission_pb2.Output, reading: Reading) -> Output:
    quantity, unit = Decimal(0), None
    match output.WhichOneof("quantity"):
        case "mass_t":
            quantity, unit = reading.amount("mass_t", output.mass_t), Unit.TONNE
        case "electricity_mwh":
            quantity, unit = reading.amount("electricity_mwh", output.electricity_mwh), Unit.MWH
    return Output(
        product_code=reading.text("product_code", output.product_code),
        quantity=quantity,
        unit=unit,
        process_route=reading.text("process_route", output.process_route),
        basis=reading.basis(output.basis),
    )


def _registry_entry(entry: submission_pb2.RegistryEntry, reading: Reading) -> RegistryEntry:
    return RegistryEntry(
        effective_date=reading.day("effective_date", entry.effective_date),
        name=reading.text("name", entry.name),
        industry_code=reading.text("industry_code", entry.industry_code),
        city_code=reading.text("city_code", entry.city_code),
        size=reading.size(entry.size),
        facilities=tuple(
            FacilityOwnership(
                facility_number=facility.facility_number,
                owned_from=reading.day("owned_from_date", facility.owned_from_date),
                owned_until=reading.optional_day("owned_until_date", facility.owned_until_date),
            )
            for facility in entry.facilities
        ),
    )


def _transition_plan(plan: submission_pb2.TransitionPlan, reading: Reading) -> TransitionPlan:
    return TransitionPlan(
        adopted_date=reading.day("adopted_date", plan.adopted_date),
        base_year=plan.base_year,
        yearly_targets=tuple(
            YearlyTarget(
                year=target.year,
                intensity_reduction_percent=reading.amount("intensity_reduction_percent", target.intensity_reduction_percent),
            )
            for target in plan.yearly_targets
        ),
        milestones=tuple(
            Milestone(
                milestone_number=reading.text("milestone_number", milestone.milestone_number),
                description=reading.text("description", milestone.description),
                due_date=reading.day("due_date", milestone.due_date),
                completed_date=reading.optional_day("completed_date", milestone.completed_date),
            )
            for milestone in plan.milestones
        ),
    )

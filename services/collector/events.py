"""Makes the events that leave the collector: notices to one provider, quarantined bytes, and the account with its whole statement.

Every id is derived from what the event states, so that a replay makes the same event. Sending is the outbox's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from carbonbureau.accounts.v1 import account_pb2
from carbonbureau.common.v1 import envelope_pb2, period_pb2
from carbonbureau.intake.v1 import notice_pb2
from google.protobuf import timestamp_pb2
from kafka.codec import zstd_encode

from services.collector import statement_sections
from services.collector.domain.annual import OUTPUT_SCALE, AnnualFigures
from services.collector.domain.contents.transition import TransitionPlan
from services.collector.domain.finding import AccountFinding, Severity
from services.collector.domain.lines import InvestmentLine, OutputLine
from services.collector.domain.place import Place
from services.collector.domain.posting import Posting, Treatment
from services.collector.domain.provider import notices_topic
from services.collector.domain.statement import Statement
from services.collector.domain.submission import Outcome
from services.common.amounts import format_amount, quantise
from services.common.civil_time import Period
from services.common.identifiers import derived_id
from services.common.outbox import EVENT_BYTES_MAX, OutgoingEvent

ACCOUNT_REVISED_TOPIC: Final = "bureau.account-revised.v1"
QUARANTINE_TOPIC: Final = "bureau.intake-quarantine.v1"
RECHECK_TOPIC: Final = "bureau.recheck-requested.v1"
OWNED_TOPICS: Final = (ACCOUNT_REVISED_TOPIC, QUARANTINE_TOPIC, RECHECK_TOPIC)

# As many bytes of an unreadable record are kept and shown; the hash is always over all of them.
QUARANTINED_BYTES_MAX: Final = 64 * 1024

# What an event may have when it is packed (README, decisions); far below the broker's limit for a batch.
PACKED_BYTES_MAX: Final = 256 * 1024
# Room for everything of an event but the content of its statement: the envelope with its causes, number and time.
_ENVELOPE_BYTES_MAX: Final = 8 * 1024

_ACCOUNT_REVISED_SCHEMA_VERSION = 1
_YUAN_SCALE = 2
# Field 2, length-delimited (protobuf, Encoding).
_STATEMENT_TAG = bytes([account_pb2.AccountRevised.STATEMENT_FIELD_NUMBER << 3 | 2])
_OUTCOME: Final = {
    Outcome.ACCEPTED: notice_pb2.OUTCOME_ACCEPTED,
    Outcome.PARKED: notice_pb2.OUTCOME_PARKED,
    Outcome.DUPLICATE: notice_pb2.OUTCOME_DUPLICATE,
    Outcome.REJECTED: notice_pb2.OUTCOME_REJECTED,
    Outcome.QUARANTINED: notice_pb2.OUTCOME_QUARANTINED,
}
_SEVERITY: Final = {
    Severity.NOTICE: notice_pb2.SEVERITY_NOTICE,
    Severity.WARNING: notice_pb2.SEVERITY_WARNING,
    Severity.SEVERE: notice_pb2.SEVERITY_SEVERE,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordName:
    """How provider and bureau speak of a record; texts fit to be shown."""

    provider_code: str
    kind: str
    record_number: str
    record_revision: int


# ---- Notices to a provider ----


def receipt(
    *,
    first: Place,
    provider_code: str,
    known_at: datetime,
    merkle_root: bytes,
    outcomes: Sequence[tuple[int, str, int, Outcome]],
    redrive_id: UUID | None = None,
) -> OutgoingEvent:
    """Make the receipt for the records of one partition and batch; with `redrive_id` it is of records that were judged again.

    `outcomes` has offset, record number, record revision and outcome of each record, in offset order.
    """
    settled = [outcome for _, _, _, outcome in outcomes]
    last_offset = outcomes[-1][0]
    span: dict[str, UUID | int] = {
        "topic_id": first.topic_id,
        "partition": first.partition,
        "first_offset": first.offset,
        "last_offset": last_offset,
    }
    notice_id = derived_id("receipt", **span) if redrive_id is None else derived_id("redrive-receipt", redrive_id=redrive_id, **span)
    content = notice_pb2.Receipt(
        topic=first.topic,
        partition=first.partition,
        first_offset=first.offset,
        last_offset=last_offset,
        accepted_count=settled.count(Outcome.ACCEPTED) + settled.count(Outcome.PARKED),
        duplicate_count=settled.count(Outcome.DUPLICATE),
        rejected_count=settled.count(Outcome.REJECTED),
        quarantined_count=settled.count(Outcome.QUARANTINED),
        merkle_root=merkle_root,
        outcomes=[
            notice_pb2.RecordOutcome(offset=offset, record_number=number, record_revision=revision, outcome=_OUTCOME[outcome])
            for offset, number, revision, outcome in outcomes
        ],
        redriven=redrive_id is not None,
    )
    # Receipts follow each other as the records did.
    return _notice(notice_id, provider_code, known_at, key=provider_code, receipt=content)


def skipped(*, skip_id: UUID, first: Place, last_offset: int, provider_code: str, reason: str, known_at: datetime) -> OutgoingEvent:
    """Make the notice that records were passed over unread."""
    content = notice_pb2.SkippedRecords(
        topic=first.topic, partition=first.partition, first_offset=first.offset, last_offset=last_offset, reason=reason
    )
    # Under the key of the receipts, because it stands among them.
    return _notice(derived_id("skipped", skip_id=skip_id), provider_code, known_at, key=provider_code, skipped=content)


def finding(
    *, finding_id: UUID, told: str, rule_id: str, severity: Severity, message: str, record: RecordName, place: Place, known_at: datetime
) -> OutgoingEvent:
    """Make the notice of a finding about one record of a provider. `told` tells occasions of one finding apart."""
    notice_id = derived_id(
        "finding-notice",
        finding_id=finding_id,
        told=told,
        topic_id=place.topic_id,
        partition=place.partition,
        record_offset=place.offset,
    )
    content = notice_pb2.FindingNotice(
        finding_id=str(finding_id),
        rule_id=rule_id,
        severity=_SEVERITY[severity],
        kind=record.kind,
        record_number=record.record_number,
        record_revision=record.record_revision,
        message=message,
        topic=place.topic,
        partition=place.partition,
        offset=place.offset,
    )
    # Findings stand each for itself: under one key the outbox would send a flood of them one by one, and one refused would stop all.
    return _notice(notice_id, record.provider_code, known_at, key=str(notice_id), finding=content)


def _notice(
    notice_id: UUID,
    provider_code: str,
    known_at: datetime,
    *,
    key: str,
    receipt: notice_pb2.Receipt | None = None,
    finding: notice_pb2.FindingNotice | None = None,
    skipped: notice_pb2.SkippedRecords | None = None,
) -> OutgoingEvent:
    message = notice_pb2.ProviderNotice(
        notice_id=str(notice_id),
        provider_code=provider_code,
        known_time=_timestamp(known_at),
        receipt=receipt,
        finding=finding,
        skipped=skipped,
    )
    return OutgoingEvent(
        topic=notices_topic(provider_code),
        key=key.encode(),
        value=message.SerializeToString(deterministic=True),
        event_id=notice_id,
        event_type=notice_pb2.ProviderNotice.DESCRIPTOR.full_name,
    )


def quarantined(*, place: Place, provider_code: str, reason: str, value: bytes, value_sha256: bytes) -> OutgoingEvent:
    """Make the event about unreadable bytes; of very many only the first are carried."""
    record = notice_pb2.QuarantinedRecord(
        topic=place.topic,
        partition=place.partition,
        offset=place.offset,
        provider_code=provider_code,
        reason=reason,
        value_sha256=value_sha256,
        value=value[:QUARANTINED_BYTES_MAX],
    )
    event_id = derived_id("quarantined", topic_id=place.topic_id, partition=place.partition, record_offset=place.offset)
    return OutgoingEvent(
        topic=QUARANTINE_TOPIC,
        key=str(event_id).encode(),
        value=record.SerializeToString(deterministic=True),
        event_id=event_id,
        event_type=notice_pb2.QuarantinedRecord.DESCRIPTOR.full_name,
    )


# ---- The account ----


def account_revised(
    *, subject_id: UUID, account_revision: int, known_at: datetime, province: str, causation_ids: Iterable[str], statement: bytes
) -> OutgoingEvent:
    """Make the event around a sealed statement.

    The statement is field 2 of the message: its bytes are put in as they are, so that what a reader hashes is what was sealed.
    """
    event_id = derived_id("account-revised", subject_id=subject_id, account_revision=account_revision)
    envelope = envelope_pb2.Envelope(
        event_id=str(event_id),
        event_type=account_pb2.AccountRevised.DESCRIPTOR.full_name,
        schema_version=_ACCOUNT_REVISED_SCHEMA_VERSION,
        subject_id=str(subject_id),
        subject_revision=account_revision,
        causation_ids=causation_ids,
        known_time=_timestamp(known_at),
        province=province,
    )
    head = account_pb2.AccountRevised(envelope=envelope).SerializeToString(deterministic=True)
    return OutgoingEvent(
        topic=ACCOUNT_REVISED_TOPIC,
        key=str(subject_id).encode(),
        value=head + _STATEMENT_TAG + _varint(len(statement)) + statement,
        event_id=event_id,
        event_type=account_pb2.AccountRevised.DESCRIPTOR.full_name,
        subject=str(subject_id),
    )


def statement(content: Statement, *, subject_id: UUID, subject_code: str) -> account_pb2.AccountStatement:
    """Write a statement without revision number and time: its content. Sealing adds these two."""
    return account_pb2.AccountStatement(
        subject_id=str(subject_id),
        subject_code=subject_code,
        profile=None
        if content.profile is None
        else account_pb2.SubjectProfile(
            name=content.profile.name,
            industry_code=content.profile.industry_code,
            city_code=content.profile.city_code,
            size=content.profile.size or "",
        ),
        lines=[_line(posting) for posting in content.lines],
        beside_lines=[_line(posting) for posting in content.beside_lines],
        outputs=[_output_line(line) for line in content.outputs],
        plan=None if content.plan is None else _plan(content.plan),
        investments=[_investment_line(line) for line in content.investments],
        findings=[_finding(finding) for finding in content.findings],
        annual_figures=[_annual(figures) for figures in content.annual_figures],
        evidence_root=content.evidence_root,
        evidence_count=content.evidence_count,
        allowances=statement_sections.allowances(content),
        fiscal_lines=[statement_sections.fiscal_line(line, _period(line.period)) for line in content.fiscal_lines],
        incomplete_periods=[_period(period) for period in content.incomplete],
        comparisons=[statement_sections.comparison(one, _period) for one in content.comparisons],
    )


def sealed(message: account_pb2.AccountStatement, *, account_revision: int, known_at: datetime) -> bytes:
    """Write the exact bytes of a statement that is sealed: these are kept, hashed and sent."""
    message.account_revision = account_revision
    message.known_time.CopyFrom(_timestamp(known_at))
    return message.SerializeToString(deterministic=True)


def content_bytes(message: account_pb2.AccountStatement) -> bytes:
    """Write what of a statement is content, to tell whether anything but its number and time changed."""
    assert message.account_revision == 0
    assert not message.HasField("known_time")
    return message.SerializeToString(deterministic=True)


def fits_an_event(content: bytes) -> bool:
    """Tell whether an event can carry a statement of this content, packed as the producer packs it."""
    if len(content) + _ENVELOPE_BYTES_MAX <= PACKED_BYTES_MAX:
        return True
    if len(content) + _ENVELOPE_BYTES_MAX > EVENT_BYTES_MAX:
        return False
    return len(zstd_encode(content)) + _ENVELOPE_BYTES_MAX <= PACKED_BYTES_MAX


def _line(posting: Posting) -> account_pb2.StatementLine:
    return account_pb2.StatementLine(
        facility_id=str(posting.facility_id),
        period=_period(posting.period),
        scope=posting.scope,  # type: ignore[arg-type]  # the numbers of the contract are the scopes
        energy_carrier=posting.energy_carrier,
        amount_tco2e=format_amount(posting.amount_tco2e),
        method_code=posting.method_code,
        data_quality=posting.data_quality,
        standard_uncertainty_percent=format_amount(posting.standard_uncertainty_percent),
        treatment=_TREATMENTS[posting.treatment],
        gas=posting.gas,
        category=posting.category,
    )


_TREATMENTS = {
    Treatment.IN_TOTAL: account_pb2.TREATMENT_IN_TOTAL,
    Treatment.BIOMASS: account_pb2.TREATMENT_BIOMASS,
    Treatment.MARKET_BASED: account_pb2.TREATMENT_MARKET_BASED,
    Treatment.VALUE_CHAIN: account_pb2.TREATMENT_VALUE_CHAIN,
}


def _output_line(line: OutputLine) -> account_pb2.OutputLine:
    return account_pb2.OutputLine(
        facility_id=str(line.facility_id),
        period=_period(line.period),
        product_code=line.product_code,
        unit=line.unit,
        amount=format_amount(quantise(line.amount, OUTPUT_SCALE)),
        process_route=line.process_route,
        data_quality=line.data_quality,
    )


def _plan(plan: TransitionPlan) -> account_pb2.PlanSummary:
    return account_pb2.PlanSummary(
        adopted_date=plan.adopted_date.isoformat(),
        base_year=plan.base_year,
        targets=[
            account_pb2.PlanTarget(year=target.year, intensity_reduction_percent=format_amount(target.intensity_reduction_percent))
            for target in plan.yearly_targets
        ],
        milestones=[
            account_pb2.PlanMilestone(
                milestone_number=milestone.milestone_number,
                due_date=milestone.due_date.isoformat(),
                completed_date=milestone.completed_date.isoformat() if milestone.completed_date else "",
            )
            for milestone in plan.milestones
        ],
    )


def _investment_line(line: InvestmentLine) -> account_pb2.InvestmentLine:
    return account_pb2.InvestmentLine(
        period=_period(line.period),
        technology_code=line.technology_code,
        amount_yuan=format_amount(quantise(line.amount_yuan, _YUAN_SCALE)),
        total_capital_expenditure_yuan=format_amount(quantise(line.total_capital_expenditure_yuan, _YUAN_SCALE)),
        recognised=line.recognised,
    )


def _finding(finding: AccountFinding) -> account_pb2.AccountFinding:
    return account_pb2.AccountFinding(
        finding_id=str(finding.finding_id),
        rule_id=finding.rule_id,
        severity=finding.severity.name,
        period=_period(finding.period) if finding.period is not None else None,
        message=finding.message,
        state=finding.state.value,
    )


def _annual(figures: AnnualFigures) -> account_pb2.AnnualFigures:
    intensity = figures.intensity_tco2e_per_unit
    return account_pb2.AnnualFigures(
        period=_period(figures.period),
        scope1_tco2e=format_amount(figures.scope1_tco2e),
        scope2_tco2e=format_amount(figures.scope2_tco2e),
        product_code=figures.product_code,
        output_unit=figures.output_unit,
        output_amount=format_amount(figures.output_amount) if figures.output_amount is not None else "",
        intensity_tco2e_per_unit=format_amount(intensity) if intensity is not None else "",
        months_covered=figures.months_covered,
        data_quality=figures.data_quality,
        process_route=figures.process_route,
        output_complete=figures.output_complete,
        scope2_market_based_tco2e=_amount_or_empty(figures.scope2_market_based_tco2e),
        biomass_tco2=_amount_or_empty(figures.biomass_tco2),
        scope3_tco2e=_amount_or_empty(figures.scope3_tco2e),
    )


def _amount_or_empty(amount: Decimal | None) -> str:
    return format_amount(amount) if amount is not None else ""


def _period(period: Period) -> period_pb2.Period:
    return period_pb2.Period(start_date=period.start.isoformat(), end_date=period.end.isoformat(), time_zone=period.zone)


def _timestamp(instant: datetime) -> timestamp_pb2.Timestamp:
    timestamp = timestamp_pb2.Timestamp()
    timestamp.FromDatetime(instant)
    return timestamp


def _varint(number: int) -> bytes:
    """Write an unsigned number in the base-128 form of protobuf (Encoding, Base 128 Varints)."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)

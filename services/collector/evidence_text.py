"""Writes traces and the outcome of fsck as text for people at a terminal."""

from collections.abc import Iterable, Iterator

from services.collector.evidence import Checked, Trace, TracedRecord


def trace_text(traces: Iterable[Trace]) -> str:
    """Write what stands behind postings, record by record, with the verdict on each."""
    return "\n".join(line for trace in traces for line in _trace(trace)) + "\n"


def _trace(trace: Trace) -> Iterator[str]:
    posting = trace.posting
    yield f"posting {posting.posting_id}  revision {posting.account_revision}  {posting.amount_tco2e} t CO2e"
    yield f"  {posting.period_start} to {posting.period_end}  scope {posting.scope}  carrier {posting.energy_carrier or '-'}"
    yield f"  method {posting.method_code}  factors {' '.join(posting.factor_codes) or '-'}"
    if posting.reverses is not None:
        yield f"  takes back posting {posting.reverses}"
    for record in trace.records:
        yield from _record(record)
    yield f"  {len(trace.records)} submissions: {'ALTERED' if trace.is_altered() else 'unaltered since they were taken in'}"


def _record(traced: TracedRecord) -> Iterator[str]:
    yield f"  submission {traced.submission_id}"
    if (record := traced.record) is not None:
        yield f"    {record.provider_code} {record.kind} {record.record_number} revision {record.record_revision}"
        yield f"    {record.place.topic} partition {record.place.partition} offset {record.place.offset}, taken in {record.received_at}"
        yield f"    sha256 {record.value_sha256.hex()}"
    if (proof := traced.proof) is not None:
        receipt = proof.receipt
        yield f"    receipt {receipt.notice_id}: offsets {receipt.first_offset} to {receipt.last_offset}, root {receipt.merkle_root.hex()}"
        yield f"    leaf {proof.index} of {proof.size}, path {' '.join(step.hex() for step in proof.path) or '(none: the only record)'}"
    for what in traced.altered:
        yield f"    ALTERED: {what}"
    if not traced.altered:
        yield "    unaltered"


def checked_text(checked: Checked) -> str:
    """Write what fsck has looked at and every fault."""
    counts = (
        f"{checked.receipts} receipts with {checked.records} records, {checked.submissions} submissions, "
        f"{checked.revisions} sealed revisions: {len(checked.faults)} faults"
    )
    return "\n".join([*(f"ALTERED: {fault}" for fault in checked.faults), counts]) + "\n"

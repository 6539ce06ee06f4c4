"""What the scorecard of a provider is counted from: submissions, rejected records and findings, by kind and month of arrival."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text

from services.collector.domain.scorecard import Counts
from services.common.database import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class Original:
    """The first revision of a record with its exact bytes, and when it arrived."""

    month: date
    kind: str
    value: bytes
    is_json: bool
    received_at: datetime


def counts(transaction: Transaction, *, provider_code: str, month: date | None) -> list[Counts]:
    """Count by month and kind, of one month or of all; in disagreement is a record that a finding names beside another provider's."""
    rows = transaction.execute(_COUNTS, {"provider_code": provider_code, "month": month})
    return [Counts(**row._mapping) for row in rows]


def originals(transaction: Transaction, *, provider_code: str, month: date | None) -> Iterator[Original]:
    """Give the first revisions of a provider's records."""
    for row in transaction.execute(_ORIGINALS, {"provider_code": provider_code, "month": month}):
        yield Original(**row._mapping)


# Months are those of the bureau's working place.
_COUNTS = text(
    """
    WITH taken AS (
        SELECT submission_id, kind, record_revision, date_trunc('month', received_at AT TIME ZONE 'Asia/Shanghai')::date AS month
        FROM submission WHERE provider_code = :provider_code
    ), accepted AS (
        SELECT month, kind, count(*) AS accepted, count(*) FILTER (WHERE record_revision > 1) AS corrections
        FROM taken GROUP BY month, kind
    ), rejected AS (
        SELECT date_trunc('month', received_at AT TIME ZONE 'Asia/Shanghai')::date AS month, kind, count(*) AS rejected
        FROM rejected_record WHERE provider_code = :provider_code GROUP BY 1, 2
    ), concerned AS (
        SELECT finding_id, opened_revision FROM account_finding
        WHERE severity <> 'NOTICE' AND evidence && (SELECT coalesce(array_agg(submission_id), '{}') FROM taken)
    ), evidence AS (
        SELECT DISTINCT finding_id, named.submission_id
        FROM concerned JOIN account_finding USING (finding_id, opened_revision), unnest(account_finding.evidence) AS named (submission_id)
    ), apart AS (
        SELECT finding_id, count(DISTINCT provider_code) > 1 AS of_several
        FROM evidence JOIN submission USING (submission_id) GROUP BY finding_id
    ), found AS (
        SELECT month, kind, count(DISTINCT submission_id) AS named, count(DISTINCT submission_id) FILTER (WHERE of_several) AS disagreed
        FROM taken JOIN evidence USING (submission_id) JOIN apart USING (finding_id) GROUP BY month, kind
    )
    SELECT month, kind, coalesce(accepted, 0) AS accepted, coalesce(corrections, 0) AS corrections, coalesce(rejected, 0) AS rejected,
           coalesce(named, 0) AS named, coalesce(disagreed, 0) AS disagreed
    FROM accepted FULL JOIN rejected USING (month, kind) LEFT JOIN found USING (month, kind)
    WHERE CAST(:month AS date) IS NULL OR month = :month
    ORDER BY month, kind
    """
)
_ORIGINALS = text(
    """
    SELECT taken.* FROM (
        SELECT date_trunc('month', received_at AT TIME ZONE 'Asia/Shanghai')::date AS month, kind, value, is_json, received_at
        FROM submission WHERE provider_code = :provider_code AND record_revision = 1
    ) AS taken
    WHERE CAST(:month AS date) IS NULL OR month = :month
    """
)

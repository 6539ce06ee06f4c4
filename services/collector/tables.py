"""The tables of the collector's schema as SQLAlchemy sees them; the migrations make them, a test holds the two together."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

METADATA = MetaData()

# The provider directory as it was applied last. A provider that left it stays, withdrawn; kinds it lost stay, ended.
PROVIDER = Table(
    "provider",
    METADATA,
    Column("provider_code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("kinds", ARRAY(Text), nullable=False),
    Column("region_prefixes", ARRAY(Text), nullable=False),
    Column("applied_at", DateTime(timezone=True), nullable=False),
    Column("withdrawn_at", DateTime(timezone=True)),
    Column("ended_kinds", ARRAY(Text), nullable=False),
    Column("bases", ARRAY(Text), nullable=False),
    # The terms; NULL of a provider that was applied before there were any, until it is applied again.
    Column("purpose", Text),
    Column("legal_basis", Text),
    Column("retention_years", Integer),
    Column("calendar", JSONB),
    Column("standard_uncertainty", JSONB),
    Column("quota", JSONB),
    Column("signature", Text, nullable=False),
    Column("signature_keys", JSONB, nullable=False),
)

# The lock of a subject and its newest account revision.
SUBJECT = Table(
    "subject",
    METADATA,
    Column("subject_id", Uuid, primary_key=True),
    Column("province", Text, nullable=False),
    Column("first_code", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("account_revision", BigInteger, nullable=False),
    Column("content_sha256", LargeBinary),
    Column("known_at", DateTime(timezone=True)),
    Column("method_release", Integer),
)

SUBJECT_CODE = Table(
    "subject_code",
    METADATA,
    Column("code", Text, primary_key=True),
    Column("valid_from", Date, primary_key=True),
    Column("valid_until", Date),
    Column("subject_id", Uuid, nullable=False),
)

# ---- Append-only from here on ----

# Every accepted submission with its exact bytes. The id is derived from the business key.
SUBMISSION = Table(
    "submission",
    METADATA,
    Column("submission_id", Uuid, primary_key=True),
    Column("subject_id", Uuid, nullable=False),
    Column("subject_code", Text, nullable=False),
    Column("provider_code", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("record_number", Text, nullable=False),
    Column("record_revision", Integer, nullable=False),
    Column("facility_number", Text, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("value_sha256", LargeBinary, nullable=False),
    Column("is_json", Boolean, nullable=False),
    Column("topic", Text, nullable=False),
    Column("topic_id", Uuid, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("record_offset", BigInteger, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("outcome", Text, nullable=False),
)

REJECTED_RECORD = Table(
    "rejected_record",
    METADATA,
    Column("topic_id", Uuid, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("record_offset", BigInteger, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("provider_code", Text, nullable=False),
    Column("subject_code", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("record_number", Text, nullable=False),
    Column("record_revision", Integer, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("value_sha256", LargeBinary, nullable=False),
    Column("is_json", Boolean, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
)

DUPLICATE_RECORD = Table(
    "duplicate_record",
    METADATA,
    Column("topic_id", Uuid, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("record_offset", BigInteger, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("provider_code", Text, nullable=False),
    Column("submission_id", Uuid, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
)

# `value` holds the first bytes only; length and hash speak of all of them.
QUARANTINED_RECORD = Table(
    "quarantined_record",
    METADATA,
    Column("topic_id", Uuid, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("record_offset", BigInteger, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("provider_code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("value_length", BigInteger, nullable=False),
    Column("value_sha256", LargeBinary, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
)

# What came around the bytes of a record that was set aside, or signed: as much as it takes to judge it again.
RECORD_ENVELOPE = Table(
    "record_envelope",
    METADATA,
    Column("topic_id", Uuid, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("record_offset", BigInteger, primary_key=True),
    Column("record_key", LargeBinary),
    Column("is_json", Boolean, nullable=False),
    Column("jws", LargeBinary),
)

RECORD_FINDING = Table(
    "record_finding",
    METADATA,
    Column("finding_id", Uuid, primary_key=True),
    Column("topic_id", Uuid, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("record_offset", BigInteger, nullable=False),
    Column("rule_id", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("found_at", DateTime(timezone=True), nullable=False),
)

RECEIPT = Table(
    "receipt",
    METADATA,
    Column("notice_id", Uuid, primary_key=True),
    Column("provider_code", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("topic_id", Uuid, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("first_offset", BigInteger, nullable=False),
    Column("last_offset", BigInteger, nullable=False),
    Column("accepted_count", Integer, nullable=False),
    Column("parked_count", Integer, nullable=False),
    Column("duplicate_count", Integer, nullable=False),
    Column("rejected_count", Integer, nullable=False),
    Column("quarantined_count", Integer, nullable=False),
    Column("merkle_root", LargeBinary, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
)

# Who had kept records judged again, when, why, and which; and what became of each.
REDRIVE = Table(
    "redrive",
    METADATA,
    Column("redrive_id", Uuid, primary_key=True),
    Column("operator", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("set_aside", Text, nullable=False),
    Column("provider_code", Text),
    Column("topic", Text),
    Column("partition", Integer),
    Column("record_offset", BigInteger),
    Column("begun_at", DateTime(timezone=True), nullable=False),
)

REDRIVEN_RECORD = Table(
    "redriven_record",
    METADATA,
    Column("redrive_id", Uuid, primary_key=True),
    Column("topic_id", Uuid, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("record_offset", BigInteger, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("provider_code", Text, nullable=False),
    Column("outcome_before", Text, nullable=False),
    Column("outcome_after", Text, nullable=False),
    Column("submission_id", Uuid),
    Column("detail", Text, nullable=False),
    Column("redriven_at", DateTime(timezone=True), nullable=False),
)

# Records that were passed over unread, and by whose decision.
SKIP = Table(
    "skip",
    METADATA,
    Column("skip_id", Uuid, primary_key=True),
    Column("operator", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("provider_code", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("topic_id", Uuid, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("first_offset", BigInteger, nullable=False),
    Column("last_offset", BigInteger, nullable=False),
    Column("skipped_at", DateTime(timezone=True), nullable=False),
)

FACILITY_CLAIM = Table(
    "facility_claim",
    METADATA,
    Column("facility_number", Text, primary_key=True),
    Column("subject_id", Uuid, primary_key=True),
    Column("submission_id", Uuid, primary_key=True),
)

# One line of an account. A reversal repeats the line it takes back with the opposite amount and names it.
POSTING = Table(
    "posting",
    METADATA,
    Column("posting_id", Uuid, primary_key=True),
    Column("subject_id", Uuid, nullable=False),
    Column("account_revision", BigInteger, nullable=False),
    Column("reverses", Uuid),
    Column("content_sha256", LargeBinary, nullable=False),
    Column("facility_id", Uuid, nullable=False),
    Column("period_start", Date, nullable=False),
    Column("period_end", Date, nullable=False),
    Column("period_zone", Text, nullable=False),
    Column("scope", SmallInteger, nullable=False),
    Column("treatment", Text, nullable=False),
    Column("category", SmallInteger, nullable=False),
    Column("gas", Text, nullable=False),
    Column("energy_carrier", Text, nullable=False),
    Column("amount_tco2e", Numeric(21, 6), nullable=False),
    Column("method_code", Text, nullable=False),
    Column("factor_codes", ARRAY(Text), nullable=False),
    Column("evidence", ARRAY(Uuid), nullable=False),
    Column("data_quality", SmallInteger, nullable=False),
    Column("standard_uncertainty_percent", Numeric(7, 2), nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
)

# `statement` holds the exact bytes that were sealed, sent and hashed.
ACCOUNT_REVISION = Table(
    "account_revision",
    METADATA,
    Column("subject_id", Uuid, primary_key=True),
    Column("account_revision", BigInteger, primary_key=True),
    Column("known_at", DateTime(timezone=True), nullable=False),
    Column("statement", LargeBinary, nullable=False),
    Column("statement_sha256", LargeBinary, nullable=False),
    Column("content_sha256", LargeBinary, nullable=False),
    Column("evidence_root", LargeBinary, nullable=False),
    Column("evidence_count", Integer, nullable=False),
    Column("method_release", Integer, nullable=False),
)

# The method files as released, by name and with their text: what accounts were drawn up by can be drawn up again.
METHOD_RELEASE = Table(
    "method_release",
    METADATA,
    Column("release_number", Integer, primary_key=True),
    Column("content_sha256", LargeBinary, nullable=False),
    Column("files", JSONB, nullable=False),
    Column("operator", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("released_at", DateTime(timezone=True), nullable=False),
)

METHOD_RUN = Table(
    "method_run",
    METADATA,
    Column("run_id", Uuid, primary_key=True),
    Column("release_number", Integer, nullable=False),
    Column("selection", Text, nullable=False),
    Column("operator", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
)

ACCOUNT_FINDING = Table(
    "account_finding",
    METADATA,
    Column("finding_id", Uuid, primary_key=True),
    Column("opened_revision", BigInteger, primary_key=True),
    Column("subject_id", Uuid, nullable=False),
    Column("rule_id", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("facility_id", Uuid),
    Column("period_start", Date),
    Column("period_end", Date),
    Column("period_zone", Text),
    Column("message", Text, nullable=False),
    Column("evidence", ARRAY(Uuid), nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
)

ACCOUNT_FINDING_CLOSED = Table(
    "account_finding_closed",
    METADATA,
    Column("finding_id", Uuid, primary_key=True),
    Column("opened_revision", BigInteger, primary_key=True),
    Column("closed_revision", BigInteger, nullable=False),
    Column("closed_at", DateTime(timezone=True), nullable=False),
)

# The months that are closed, each by its first day.
MONTH_CLOSE = Table(
    "month_close",
    METADATA,
    Column("month", Date, primary_key=True),
    Column("operator", Text, nullable=False),
    Column("closed_at", DateTime(timezone=True), nullable=False),
)

# A finding that was opened provisional and became final by a close.
ACCOUNT_FINDING_FINAL = Table(
    "account_finding_final",
    METADATA,
    Column("finding_id", Uuid, primary_key=True),
    Column("opened_revision", BigInteger, primary_key=True),
    Column("final_revision", BigInteger, nullable=False),
    Column("final_at", DateTime(timezone=True), nullable=False),
)

# What is told of the intensities of a group of peers, and of which revisions of which accounts it was made.
PEER_SNAPSHOT = Table(
    "peer_snapshot",
    METADATA,
    Column("snapshot_id", Uuid, primary_key=True),
    Column("month", Date, nullable=False),
    Column("edition", Integer, nullable=False),
    Column("industry_class", Text, nullable=False),
    Column("product_code", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("peers", Integer, nullable=False),
    Column("withheld", Text, nullable=False),
    Column("p25", Numeric),
    Column("p50", Numeric),
    Column("p75", Numeric),
    Column("member_ids", ARRAY(Uuid), nullable=False),
    Column("member_revisions", ARRAY(BigInteger), nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
)

APPEND_ONLY = (
    SUBMISSION,
    REJECTED_RECORD,
    DUPLICATE_RECORD,
    QUARANTINED_RECORD,
    RECORD_ENVELOPE,
    RECORD_FINDING,
    RECEIPT,
    REDRIVE,
    REDRIVEN_RECORD,
    SKIP,
    FACILITY_CLAIM,
    POSTING,
    ACCOUNT_REVISION,
    ACCOUNT_FINDING,
    ACCOUNT_FINDING_CLOSED,
    MONTH_CLOSE,
    ACCOUNT_FINDING_FINAL,
    METHOD_RELEASE,
    METHOD_RUN,
    PEER_SNAPSHOT,
)

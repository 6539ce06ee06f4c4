"""The tables of the reports schema as SQLAlchemy sees them; the migrations make them, a test holds the two together."""

from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, MetaData, Table, Text, Uuid

METADATA = MetaData()

# The lock of a chain and its two ends: the newest revision, whatever its state, and the newest issued one.
SUBJECT = Table(
    "subject",
    METADATA,
    Column("subject_id", Uuid, primary_key=True),
    Column("newest_number", BigInteger, nullable=False),
    Column("newest_content_sha256", Text),
    Column("newest_fingerprint", Text),
    Column("issued_number", BigInteger, nullable=False),
)

# One revision with its exact bytes, and the event that it was composed from. A trigger fixes the content from the first moment and
# the whole row once it is ISSUED.
REPORT_REVISION = Table(
    "report_revision",
    METADATA,
    Column("subject_id", Uuid, primary_key=True),
    Column("revision_number", BigInteger, primary_key=True),
    Column("subject_code", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("assessment_id", Uuid, nullable=False),
    Column("assessment_number", BigInteger, nullable=False),
    Column("assessment_made", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("content_sha256", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("predecessor_sha256", Text),
    Column("composed_at", DateTime(timezone=True), nullable=False),
    Column("traceparent", Text),
    Column("signed_report", LargeBinary),
    Column("key_id", Text),
    Column("issued_at", DateTime(timezone=True)),
)

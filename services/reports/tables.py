"""The tables of the reports schema as SQLAlchemy sees them; the migrations make them, a test holds the two together."""

from sqlalchemy import BigInteger, Column, DateTime, Integer, LargeBinary, MetaData, Table, Text, Uuid

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

# One revision with its exact bytes. A trigger fixes the content from the first moment and the whole row once it is ISSUED.
REPORT_REVISION = Table(
    "report_revision",
    METADATA,
    Column("subject_id", Uuid, primary_key=True),
    Column("revision_number", BigInteger, primary_key=True),
    Column("subject_code", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("assessment_id", Uuid, nullable=False),
    Column("assessment_number", BigInteger, nullable=False),
    Column("causation_id", Uuid, nullable=False),
    Column("assessment", LargeBinary, nullable=False),
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

# Events that could not be read, with the first bytes of each; the stream went on without them.
REFUSED_EVENT = Table(
    "refused_event",
    METADATA,
    Column("topic_id", Uuid, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("value", LargeBinary),
    Column("value_bytes", Integer, nullable=False),
    Column("refused_at", DateTime(timezone=True), nullable=False),
)

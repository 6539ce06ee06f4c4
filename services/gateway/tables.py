"""The tables of the gateway schema as SQLAlchemy sees them; the migrations make them, a test holds the two together."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, DateTime, Integer, LargeBinary, MetaData, Table, Text, Uuid

METADATA = MetaData()

# Every issued revision, with its signed bytes. Only ever added to.
REPORT_REVISION = Table(
    "report_revision",
    METADATA,
    Column("subject_id", Uuid, primary_key=True),
    Column("revision_number", BigInteger, primary_key=True),
    Column("subject_code", Text, nullable=False),
    Column("signed_report", LargeBinary, nullable=False),
    Column("content_sha256", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("issued_at", DateTime(timezone=True), nullable=False),
    Column("final_grade", Integer),
)

# The newest assessment of each subject: what a grade is answered from.
CREDIT_GRADE = Table(
    "credit_grade",
    METADATA,
    Column("subject_id", Uuid, primary_key=True),
    Column("subject_code", Text, nullable=False),
    Column("revision_number", BigInteger, nullable=False),
    Column("content_sha256", Text, nullable=False),
    Column("issued_at", DateTime(timezone=True), nullable=False),
    Column("assessment", LargeBinary, nullable=False),
)

# Who asked about whom, when, for what, and whether it was permitted (征信业管理条例 Art. 22). Only ever added to.
INQUIRY = Table(
    "inquiry",
    METADATA,
    Column("inquiry_id", Uuid, primary_key=True),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("subscriber_code", Text),
    Column("identities", ARRAY(Text), nullable=False),
    Column("certificate_sha256", Text),
    Column("peer", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("subject_code", Text),
    Column("revision_number", BigInteger),
    Column("purpose", Text),
    Column("request_id", Text, nullable=False),
    Column("request_sha256", Text, nullable=False),
    Column("case_reference", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("reason", Text),
    Column("claims_request_id", Boolean, nullable=False),
)

# What was answered under an inquiry, one row for each time. Only ever added to.
INQUIRY_OUTCOME = Table(
    "inquiry_outcome",
    METADATA,
    Column("outcome_id", BigInteger, primary_key=True),
    Column("inquiry_id", Uuid, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("revision_number", BigInteger),
    Column("content_sha256", Text),
)

# Who of the enterprises, reviewers and the supervisor asked what, and what was told. Only ever added to.
PORTAL_INQUIRY = Table(
    "portal_inquiry",
    METADATA,
    Column("inquiry_id", Uuid, primary_key=True),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("caller", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("caller_subject_code", Text),
    Column("token_id", Text),
    Column("peer", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("parent", Text, nullable=False),
    Column("subject_code", Text),
    Column("outcome", Text, nullable=False),
    Column("revision_numbers", ARRAY(BigInteger), nullable=False),
)

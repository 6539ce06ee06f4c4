"""The tables of the scoring schema as SQLAlchemy sees them; the migrations make them, a test holds the two together."""

from sqlalchemy import BigInteger, Column, Date, DateTime, LargeBinary, MetaData, Numeric, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

METADATA = MetaData()

# The lock of a subject, its newest statement (without lines and outputs, which scoring does not read) and its newest assessment.
SUBJECT = Table(
    "subject",
    METADATA,
    Column("subject_id", Uuid, primary_key=True),
    Column("subject_code", Text, nullable=False),
    Column("account_revision", BigInteger, nullable=False),
    Column("account_event_id", Uuid, nullable=False),
    Column("statement", LargeBinary, nullable=False),
    Column("statement_sha256", Text, nullable=False),
    Column("newest_number", BigInteger, nullable=False),
    Column("newest_assessment_id", Uuid),
    Column("newest_outcome_sha256", Text),
    Column("model_sha256", Text),
    Column("weights_version", Text),
    Column("scale_version", Text),
    Column("held_grade", Text),
    Column("assessed_on", Date),
    Column("next_change_on", Date),
)

# Every assessment ever made; a trigger refuses any change. `content` is the Assessment message as it was published.
ASSESSMENT = Table(
    "assessment",
    METADATA,
    Column("assessment_id", Uuid, primary_key=True),
    Column("subject_id", Uuid, nullable=False),
    Column("assessment_number", BigInteger, nullable=False),
    Column("account_revision", BigInteger, nullable=False),
    Column("statement_sha256", Text, nullable=False),
    Column("model_sha256", Text, nullable=False),
    Column("weights_version", Text, nullable=False),
    Column("scale_version", Text, nullable=False),
    Column("previous_assessment_id", Uuid),
    Column("assessed_on", Date, nullable=False),
    Column("score", Numeric(5, 2)),
    Column("final_grade", Text),
    Column("transition_stage", Text),
    Column("not_rated_codes", Text),
    # The quantised features the outcome was made from, by name; null where missing.
    Column("features", JSONB),
    Column("content", LargeBinary, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
)

# Model artefacts by their hash, and from when each is the one in use.
MODEL_RELEASE = Table(
    "model_release",
    METADATA,
    Column("model_sha256", Text, primary_key=True),
    Column("model_version", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("artefact", LargeBinary, nullable=False),
    Column("card", JSONB, nullable=False),
    Column("trained_at", DateTime(timezone=True), nullable=False),
)
MODEL_POINTER = Table(
    "model_pointer",
    METADATA,
    Column("valid_from", DateTime(timezone=True), primary_key=True),
    Column("model_sha256", Text, nullable=False),
)

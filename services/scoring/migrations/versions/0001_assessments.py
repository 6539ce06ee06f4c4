"""Subjects, their assessments, model releases, and the guard that no assessment and no release is ever altered.

The guard is a trigger and not a GRANT, because the service's role owns its tables: it stops every mistake of the code and every
statement typed by hand.
"""

from alembic import op

from services.common.migrations import create_mechanism_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MODEL_RELEASE = """
    CREATE TABLE model_release (
        model_sha256 text PRIMARY KEY CHECK (model_sha256 = encode(sha256(artefact), 'hex')),
        model_version text NOT NULL,
        profile text NOT NULL CHECK (profile IN ('sandbox', 'production')),
        artefact bytea NOT NULL,
        card jsonb NOT NULL,
        trained_at timestamptz NOT NULL
    )
"""
MODEL_POINTER = """
    CREATE TABLE model_pointer (
        valid_from timestamptz PRIMARY KEY,
        model_sha256 text NOT NULL REFERENCES model_release
    )
"""
SUBJECT = """
    CREATE TABLE subject (
        subject_id uuid PRIMARY KEY,
        subject_code text NOT NULL,
        account_revision bigint NOT NULL CHECK (account_revision >= 1),
        account_event_id uuid NOT NULL,
        statement bytea NOT NULL,
        statement_sha256 text NOT NULL,
        newest_number bigint NOT NULL DEFAULT 0 CHECK (newest_number >= 0),
        newest_assessment_id uuid,
        newest_outcome_sha256 text,
        model_sha256 text,
        weights_version text,
        scale_version text,
        held_grade text,
        assessed_on date,
        next_change_on date CHECK (next_change_on > assessed_on),
        CHECK ((newest_number = 0) = (newest_assessment_id IS NULL))
    )
"""
SUBJECT_CODE = "CREATE INDEX subject_code ON subject (subject_code)"
SUBJECT_DUE = "CREATE INDEX subject_due ON subject (next_change_on) WHERE next_change_on IS NOT NULL"
ASSESSMENT = """
    CREATE TABLE assessment (
        assessment_id uuid PRIMARY KEY,
        subject_id uuid NOT NULL REFERENCES subject,
        assessment_number bigint NOT NULL CHECK (assessment_number >= 1),
        account_revision bigint NOT NULL,
        statement_sha256 text NOT NULL,
        model_sha256 text NOT NULL REFERENCES model_release,
        weights_version text NOT NULL,
        scale_version text NOT NULL,
        previous_assessment_id uuid REFERENCES assessment,
        assessed_on date NOT NULL,
        score numeric(5, 2) CHECK (score BETWEEN 0 AND 100),
        final_grade text,
        transition_stage text,
        not_rated_codes text,
        features jsonb,
        content bytea NOT NULL,
        made_at timestamptz NOT NULL,
        UNIQUE (subject_id, assessment_number),
        CHECK ((assessment_number = 1) = (previous_assessment_id IS NULL)),
        CHECK ((score IS NULL) = (final_grade IS NULL)),
        CHECK ((score IS NULL) <> (not_rated_codes IS NULL))
    )
"""
GUARD = """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END
    $$
"""


def guard(table: str) -> str:
    return f"""
        CREATE TRIGGER guard_{table} BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """


def upgrade() -> None:
    create_mechanism_tables(op)
    for statement in (MODEL_RELEASE, MODEL_POINTER, SUBJECT, SUBJECT_CODE, SUBJECT_DUE, ASSESSMENT, GUARD):
        op.execute(statement)
    for table in ("assessment", "model_release", "model_pointer"):
        op.execute(guard(table))

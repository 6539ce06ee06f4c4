"""The gateway's own copy of what was issued, and the record of inquiries, which is only ever added to.

The guard is a trigger and not a GRANT, because the service's role owns its tables. Retention (the record is kept five years) will
need a role of its own that may remove; no such role exists yet.
"""

from alembic import op

from services.common.migrations import create_mechanism_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

REPORT_REVISION = """
    CREATE TABLE report_revision (
        subject_id uuid NOT NULL,
        revision_number bigint NOT NULL CHECK (revision_number >= 1),
        subject_code text NOT NULL,
        signed_report bytea NOT NULL,
        content_sha256 text NOT NULL,
        key_id text NOT NULL,
        issued_at timestamptz NOT NULL,
        final_grade integer,
        PRIMARY KEY (subject_id, revision_number)
    )
"""
REPORT_REVISION_BY_CODE = "CREATE INDEX report_revision_by_code ON report_revision (subject_code, issued_at DESC)"
CREDIT_GRADE = """
    CREATE TABLE credit_grade (
        subject_id uuid PRIMARY KEY,
        subject_code text NOT NULL,
        revision_number bigint NOT NULL,
        content_sha256 text NOT NULL,
        issued_at timestamptz NOT NULL,
        assessment bytea NOT NULL
    )
"""
INQUIRY = """
    CREATE TABLE inquiry (
        inquiry_id uuid PRIMARY KEY,
        received_at timestamptz NOT NULL,
        subscriber_code text,
        identities text[] NOT NULL,
        certificate_sha256 text,
        peer text NOT NULL,
        method text NOT NULL,
        name text NOT NULL,
        subject_code text,
        revision_number bigint,
        purpose text,
        request_id text NOT NULL,
        request_sha256 text NOT NULL,
        case_reference text NOT NULL,
        decision text NOT NULL CHECK (decision IN ('PERMITTED', 'DENIED')),
        reason text,
        claims_request_id boolean NOT NULL,
        CHECK ((decision = 'DENIED') = (reason IS NOT NULL)),
        CHECK (decision = 'DENIED' OR (subscriber_code IS NOT NULL AND subject_code IS NOT NULL AND purpose IS NOT NULL)),
        CHECK (NOT claims_request_id OR subscriber_code IS NOT NULL)
    )
"""
# AIP-155: unique on caller, method and id. Malformed calls claim nothing, so that they can be mended and sent again.
INQUIRY_REQUEST = "CREATE UNIQUE INDEX inquiry_request ON inquiry (subscriber_code, method, request_id) WHERE claims_request_id"
INQUIRY_BY_TIME = "CREATE INDEX inquiry_by_time ON inquiry (received_at, inquiry_id)"
INQUIRY_BY_SUBJECT = "CREATE INDEX inquiry_by_subject ON inquiry (subject_code, received_at) WHERE subject_code IS NOT NULL"
INQUIRY_OUTCOME = """
    CREATE TABLE inquiry_outcome (
        outcome_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        inquiry_id uuid NOT NULL REFERENCES inquiry,
        recorded_at timestamptz NOT NULL,
        outcome text NOT NULL CHECK (outcome IN ('SERVED', 'SUBJECT_UNKNOWN', 'REVISION_UNKNOWN', 'DENIED')),
        reason text,
        revision_number bigint,
        content_sha256 text,
        CHECK ((outcome = 'SERVED') = (revision_number IS NOT NULL)),
        CHECK ((outcome = 'SERVED') = (content_sha256 IS NOT NULL)),
        CHECK ((outcome = 'DENIED') = (reason IS NOT NULL))
    )
"""
INQUIRY_OUTCOME_BY_INQUIRY = "CREATE INDEX inquiry_outcome_by_inquiry ON inquiry_outcome (inquiry_id)"
PORTAL_INQUIRY = """
    CREATE TABLE portal_inquiry (
        inquiry_id uuid PRIMARY KEY,
        received_at timestamptz NOT NULL,
        caller text NOT NULL,
        role text NOT NULL CHECK (role IN ('enterprise', 'reviewer', 'supervisor')),
        caller_subject_code text,
        token_id text,
        peer text NOT NULL,
        method text NOT NULL,
        parent text NOT NULL,
        subject_code text,
        outcome text NOT NULL,
        revision_numbers bigint[] NOT NULL,
        CHECK ((role = 'enterprise') = (caller_subject_code IS NOT NULL)),
        CHECK (outcome <> 'SERVED' OR subject_code IS NOT NULL),
        -- What an enterprise was served was its own: the last line of defence behind the code that decides it.
        CHECK (outcome <> 'SERVED' OR role <> 'enterprise' OR caller_subject_code = subject_code),
        CHECK (outcome = 'SERVED' OR revision_numbers = '{}')
    )
"""
PORTAL_INQUIRY_BY_TIME = "CREATE INDEX portal_inquiry_by_time ON portal_inquiry (received_at, inquiry_id)"
PORTAL_INQUIRY_BY_SUBJECT = (
    "CREATE INDEX portal_inquiry_by_subject ON portal_inquiry (subject_code, received_at) WHERE subject_code IS NOT NULL"
)
GUARD = """
    CREATE FUNCTION guard_record() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is only ever added to', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END
    $$
"""
GUARDED = ("inquiry", "inquiry_outcome", "portal_inquiry", "report_revision")


def upgrade() -> None:
    create_mechanism_tables(op)
    for statement in (
        REPORT_REVISION,
        REPORT_REVISION_BY_CODE,
        CREDIT_GRADE,
        INQUIRY,
        INQUIRY_REQUEST,
        INQUIRY_BY_TIME,
        INQUIRY_BY_SUBJECT,
        INQUIRY_OUTCOME,
        INQUIRY_OUTCOME_BY_INQUIRY,
        PORTAL_INQUIRY,
        PORTAL_INQUIRY_BY_TIME,
        PORTAL_INQUIRY_BY_SUBJECT,
        GUARD,
    ):
        op.execute(statement)
    for table in GUARDED:
        op.execute(f"CREATE TRIGGER guard_rows BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION guard_record()")
        op.execute(f"CREATE TRIGGER guard_table BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION guard_record()")

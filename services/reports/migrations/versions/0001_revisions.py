"""Chains of report revisions, and the guard that no issued one is ever altered.

The guard is a trigger and not a GRANT, because the service's role owns its tables: it stops every mistake of the code and every
statement typed by hand; that nobody removed it meanwhile is what `fsck` and the chain in the banks' hands show.
"""

from alembic import op

from services.common.migrations import create_mechanism_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SUBJECT = """
    CREATE TABLE subject (
        subject_id uuid PRIMARY KEY,
        newest_number bigint NOT NULL DEFAULT 0 CHECK (newest_number >= 0),
        newest_content_sha256 text,
        newest_fingerprint text,
        issued_number bigint NOT NULL DEFAULT 0,
        CHECK (issued_number BETWEEN 0 AND newest_number),
        CHECK ((newest_number = 0) = (newest_content_sha256 IS NULL)),
        CHECK ((newest_number = 0) = (newest_fingerprint IS NULL))
    )
"""
REPORT_REVISION = """
    CREATE TABLE report_revision (
        subject_id uuid NOT NULL REFERENCES subject,
        revision_number bigint NOT NULL CHECK (revision_number >= 1),
        subject_code text NOT NULL,
        state text NOT NULL CHECK (state IN ('WAITING', 'PREPARED', 'ISSUED')),
        assessment_id uuid NOT NULL,
        assessment_number bigint NOT NULL,
        assessment_made bytea NOT NULL,
        content bytea NOT NULL,
        content_sha256 text NOT NULL,
        fingerprint text NOT NULL,
        predecessor_sha256 text,
        composed_at timestamptz NOT NULL,
        traceparent text,
        signed_report bytea,
        key_id text,
        issued_at timestamptz,
        PRIMARY KEY (subject_id, revision_number),
        CHECK ((revision_number = 1) = (predecessor_sha256 IS NULL)),
        CHECK ((state = 'ISSUED') = (signed_report IS NOT NULL)),
        CHECK ((state = 'ISSUED') = (key_id IS NOT NULL)),
        CHECK ((state = 'ISSUED') = (issued_at IS NOT NULL))
    )
"""
ONE_PREPARED = "CREATE UNIQUE INDEX report_revision_one_prepared ON report_revision (subject_id) WHERE state = 'PREPARED'"
NOT_ISSUED = "CREATE INDEX report_revision_not_issued ON report_revision (state) WHERE state <> 'ISSUED'"
# Content is fixed from the first moment; a revision names its predecessor, only moves forward, and never overtakes it.
GUARD = """
    CREATE FUNCTION guard_report_revision() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        predecessor record;
    BEGIN
        IF TG_OP NOT IN ('INSERT', 'UPDATE') THEN
            RAISE EXCEPTION 'report revisions are never removed' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        SELECT state, content_sha256 INTO predecessor FROM report_revision AS before
        WHERE before.subject_id = NEW.subject_id AND before.revision_number = NEW.revision_number - 1;
        IF NEW.predecessor_sha256 IS DISTINCT FROM predecessor.content_sha256 THEN
            RAISE EXCEPTION 'revision % of % does not name its predecessor', NEW.revision_number, NEW.subject_id
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF NEW.state <> 'WAITING' AND NEW.revision_number > 1 AND predecessor.state <> 'ISSUED' THEN
            RAISE EXCEPTION 'revision % of % cannot overtake its predecessor', NEW.revision_number, NEW.subject_id
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF TG_OP = 'INSERT' THEN
            IF NEW.state = 'ISSUED' THEN
                RAISE EXCEPTION 'revision % of % must be prepared before it is issued', NEW.revision_number, NEW.subject_id
                    USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NEW;
        END IF;
        IF OLD.state = 'ISSUED' THEN
            RAISE EXCEPTION 'revision % of % is issued: it is never altered', OLD.revision_number, OLD.subject_id
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF (NEW.subject_id, NEW.revision_number, NEW.subject_code, NEW.assessment_id, NEW.assessment_number,
            NEW.assessment_made, NEW.content, NEW.content_sha256, NEW.fingerprint, NEW.predecessor_sha256, NEW.composed_at, NEW.traceparent)
            IS DISTINCT FROM
           (OLD.subject_id, OLD.revision_number, OLD.subject_code, OLD.assessment_id, OLD.assessment_number,
            OLD.assessment_made, OLD.content, OLD.content_sha256, OLD.fingerprint, OLD.predecessor_sha256, OLD.composed_at, OLD.traceparent)
        THEN
            RAISE EXCEPTION 'the content of revision % of % is fixed', OLD.revision_number, OLD.subject_id
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF (OLD.state, NEW.state) NOT IN (('WAITING', 'PREPARED'), ('PREPARED', 'ISSUED')) THEN
            RAISE EXCEPTION 'revision % of % cannot go from % to %', OLD.revision_number, OLD.subject_id, OLD.state, NEW.state
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END
    $$
"""
GUARD_ROWS = """
    CREATE TRIGGER guard_report_revision BEFORE INSERT OR UPDATE OR DELETE ON report_revision
    FOR EACH ROW EXECUTE FUNCTION guard_report_revision()
"""
GUARD_TABLE = """
    CREATE TRIGGER guard_report_revision_table BEFORE TRUNCATE ON report_revision
    FOR EACH STATEMENT EXECUTE FUNCTION guard_report_revision()
"""


def upgrade() -> None:
    create_mechanism_tables(op)
    for statement in (SUBJECT, REPORT_REVISION, ONE_PREPARED, NOT_ISSUED, GUARD, GUARD_ROWS, GUARD_TABLE):
        op.execute(statement)

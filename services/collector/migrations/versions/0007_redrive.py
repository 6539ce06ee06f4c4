"""What operators had judged again or passed over: who, when, why, which records, and what became of them."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = {
    "redrive": """
        CREATE TABLE redrive (
            redrive_id uuid PRIMARY KEY,
            operator text NOT NULL CHECK (operator <> ''),
            reason text NOT NULL CHECK (reason <> ''),
            set_aside text NOT NULL CHECK (set_aside IN ('REJECTED', 'QUARANTINED')),
            provider_code text,
            topic text,
            partition integer,
            record_offset bigint,
            begun_at timestamptz NOT NULL
        )
    """,
    "redriven_record": """
        CREATE TABLE redriven_record (
            redrive_id uuid NOT NULL,
            topic_id uuid NOT NULL,
            partition integer NOT NULL,
            record_offset bigint NOT NULL,
            topic text NOT NULL,
            provider_code text NOT NULL,
            outcome_before text NOT NULL CHECK (outcome_before IN ('REJECTED', 'QUARANTINED')),
            outcome_after text NOT NULL CHECK (outcome_after IN ('ACCEPTED', 'PARKED', 'DUPLICATE', 'REJECTED', 'QUARANTINED')),
            submission_id uuid,
            detail text NOT NULL,
            redriven_at timestamptz NOT NULL,
            PRIMARY KEY (redrive_id, topic_id, partition, record_offset)
        )
    """,
    "skip": """
        CREATE TABLE skip (
            skip_id uuid PRIMARY KEY,
            operator text NOT NULL CHECK (operator <> ''),
            reason text NOT NULL CHECK (reason <> ''),
            provider_code text NOT NULL,
            topic text NOT NULL,
            topic_id uuid NOT NULL,
            partition integer NOT NULL,
            first_offset bigint NOT NULL,
            last_offset bigint NOT NULL CHECK (last_offset >= first_offset),
            skipped_at timestamptz NOT NULL
        )
    """,
}


def upgrade() -> None:
    for table, statement in _TABLES.items():
        op.execute(statement)
        op.execute(
            f"CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM CURRENT_USER")
    # A record is taken in once, however often it is tried.
    op.execute(
        "CREATE UNIQUE INDEX redriven_record_taken_once ON redriven_record (topic_id, partition, record_offset) "
        "WHERE outcome_after IN ('ACCEPTED', 'PARKED', 'DUPLICATE')"
    )

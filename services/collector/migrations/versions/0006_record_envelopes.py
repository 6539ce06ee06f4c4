"""Key, content type and signature of records that were set aside or signed: what it takes to judge one again, and to prove who said so."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE record_envelope (
            topic_id uuid NOT NULL,
            partition integer NOT NULL,
            record_offset bigint NOT NULL,
            record_key bytea CHECK (length(record_key) <= 1024),
            is_json boolean NOT NULL,
            jws bytea CHECK (length(jws) <= 4096),
            PRIMARY KEY (topic_id, partition, record_offset)
        )
    """)
    op.execute(
        "CREATE TRIGGER record_envelope_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON record_envelope "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON record_envelope FROM CURRENT_USER")

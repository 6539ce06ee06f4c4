"""The monthly close: which months are closed, and which findings became final. Append-only like everything written once."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLES = {
    "month_close": """
        CREATE TABLE month_close (
            month date PRIMARY KEY CHECK (extract(day FROM month) = 1),
            operator text NOT NULL CHECK (operator <> ''),
            closed_at timestamptz NOT NULL
        )
    """,
    "account_finding_final": """
        CREATE TABLE account_finding_final (
            finding_id uuid NOT NULL,
            opened_revision bigint NOT NULL,
            final_revision bigint NOT NULL CHECK (final_revision > opened_revision),
            final_at timestamptz NOT NULL,
            PRIMARY KEY (finding_id, opened_revision)
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

"""Which kinds a provider was entitled to before: a topic that leaves the directory is read to its end, by the rights of then."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE provider ADD COLUMN ended_kinds text[] NOT NULL DEFAULT '{}'")
    op.execute("UPDATE provider SET ended_kinds = kinds, kinds = '{}' WHERE withdrawn_at IS NOT NULL")

"""Which bases a provider may name for its figures; those of providers applied before are all, as it was for them."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE provider ADD COLUMN bases text[] NOT NULL DEFAULT '{METERED,INVOICED,DECLARED,VERIFIED}'")
    op.execute("ALTER TABLE provider ALTER COLUMN bases DROP DEFAULT")

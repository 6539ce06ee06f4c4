"""An index by blocks of the instant of intake: the records of a receipt are found by it, and it costs intake next to nothing."""

from alembic import op

revision = "0020"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX submission_received_at ON submission USING brin (received_at) WITH (pages_per_range = 16)")

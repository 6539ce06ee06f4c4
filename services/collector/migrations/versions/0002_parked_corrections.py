"""An index over the corrections that came before their original, so that whoever brings it finds those about another subject.

It holds the few that were parked and no others, so it costs intake next to nothing.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX submission_parked ON submission (provider_code, kind, record_number) WHERE outcome = 'PARKED'")

"""${message}

Safety: lock_timeout is set by services.common.migrations. Add, never rewrite: the running code must work before and after this
revision (expand, then contract in a later one). No table rewrite, no index without CONCURRENTLY on a table that is large.
"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}

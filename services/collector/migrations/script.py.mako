"""${message}

The session has a lock time-out of 3 s and the run is repeated when a lock is not given. Old code must run with this applied, new
code with it not yet applied: expand first, contract in a later revision.
"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}

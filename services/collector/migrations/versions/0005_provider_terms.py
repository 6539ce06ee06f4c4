"""On what terms a provider reports, and the keys that it signs with. What was applied before has no terms until it is applied again."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TERMS = ("purpose text", "legal_basis text", "retention_years integer", "calendar jsonb", "standard_uncertainty jsonb", "quota jsonb")


def upgrade() -> None:
    for column in _TERMS:
        op.execute(f"ALTER TABLE provider ADD COLUMN {column}")
    op.execute("ALTER TABLE provider ADD COLUMN signature text NOT NULL DEFAULT 'none' CHECK (signature IN ('none', 'required'))")
    op.execute("ALTER TABLE provider ADD COLUMN signature_keys jsonb NOT NULL DEFAULT '[]'")
    op.execute("ALTER TABLE provider ALTER COLUMN signature DROP DEFAULT, ALTER COLUMN signature_keys DROP DEFAULT")

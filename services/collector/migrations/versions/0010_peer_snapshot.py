"""Monthly snapshots of peers. Each edition stands for ever, with the accounts and revisions it was made of."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE peer_snapshot (
            snapshot_id uuid PRIMARY KEY,
            month date NOT NULL CHECK (extract(day FROM month) = 1),
            edition integer NOT NULL CHECK (edition >= 1),
            industry_class text NOT NULL,
            product_code text NOT NULL,
            unit text NOT NULL,
            peers integer NOT NULL,
            withheld text NOT NULL CHECK (withheld IN ('', 'TOO_FEW_PEERS', 'DOMINATED')),
            p25 numeric,
            p50 numeric,
            p75 numeric,
            member_ids uuid[] NOT NULL,
            member_revisions bigint[] NOT NULL,
            made_at timestamptz NOT NULL,
            UNIQUE (industry_class, product_code, unit, month, edition),
            CHECK ((withheld = '') = (p25 IS NOT NULL AND p50 IS NOT NULL AND p75 IS NOT NULL)),
            CHECK (withheld <> '' OR peers >= 5),
            CHECK (cardinality(member_ids) = peers AND cardinality(member_revisions) = peers)
        )
    """)
    op.execute(
        "CREATE TRIGGER peer_snapshot_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON peer_snapshot "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON peer_snapshot FROM CURRENT_USER")

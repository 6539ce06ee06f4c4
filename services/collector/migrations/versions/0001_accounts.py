"""The first tables: directory, submissions and what became of every record, subjects, postings, account revisions, findings.

What is written once is protected by the database itself: the right to change it is taken from the role, its owner, and a trigger
refuses it to whoever has it. There is no way back (downgrade): what was kept is never dropped.
"""

from alembic import op

from services.common.migrations import create_mechanism_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_APPEND_ONLY = (
    "submission",
    "rejected_record",
    "duplicate_record",
    "quarantined_record",
    "record_finding",
    "receipt",
    "facility_claim",
    "posting",
    "account_revision",
    "account_finding",
    "account_finding_closed",
)

_DIRECTORY = (
    """
    CREATE TABLE provider (
        provider_code text PRIMARY KEY CHECK (provider_code ~ '^[a-z][a-z0-9-]{1,30}$'),
        name text NOT NULL,
        department text NOT NULL,
        kinds text[] NOT NULL,
        region_prefixes text[] NOT NULL,
        applied_at timestamptz NOT NULL,
        withdrawn_at timestamptz
    )
    """,
    # account_revision, content_sha256 and known_at are those of the newest sealed revision, 0 and NULL before the first. The
    # row is the lock under which revisions are numbered.
    """
    CREATE TABLE subject (
        subject_id uuid PRIMARY KEY,
        province text NOT NULL,
        first_code text NOT NULL,
        created_at timestamptz NOT NULL,
        account_revision bigint NOT NULL DEFAULT 0,
        content_sha256 bytea,
        known_at timestamptz,
        CHECK ((account_revision = 0) = (content_sha256 IS NULL)),
        CHECK ((account_revision = 0) = (known_at IS NULL))
    )
    """,
    # The dated history of a subject's codes; valid_from is the day on which the bureau learned of a code.
    """
    CREATE TABLE subject_code (
        code text NOT NULL CHECK (length(code) = 18),
        valid_from date NOT NULL,
        valid_until date,
        subject_id uuid NOT NULL REFERENCES subject,
        PRIMARY KEY (code, valid_from),
        CHECK (valid_until IS NULL OR valid_until > valid_from)
    )
    """,
    "CREATE UNIQUE INDEX subject_code_valid_now ON subject_code (code) WHERE valid_until IS NULL",
    "CREATE INDEX subject_code_subject ON subject_code (subject_id) WHERE valid_until IS NULL",
)

_RECORDS = (
    # submission_id is derived from (provider, kind, record number, record revision), so the primary key keeps the business key
    # unique. No foreign key to subject: its check would lock the subject's row against the worker for every record.
    """
    CREATE TABLE submission (
        submission_id uuid PRIMARY KEY,
        subject_id uuid NOT NULL,
        subject_code text NOT NULL,
        provider_code text NOT NULL,
        kind text NOT NULL,
        record_number text NOT NULL,
        record_revision integer NOT NULL CHECK (record_revision >= 1),
        facility_number text NOT NULL,
        value bytea NOT NULL,
        value_sha256 bytea NOT NULL CHECK (length(value_sha256) = 32),
        is_json boolean NOT NULL,
        topic text NOT NULL,
        topic_id uuid NOT NULL,
        partition integer NOT NULL,
        record_offset bigint NOT NULL,
        received_at timestamptz NOT NULL,
        outcome text NOT NULL CHECK (outcome IN ('ACCEPTED', 'PARKED'))
    )
    """,
    "CREATE INDEX submission_subject ON submission (subject_id)",
    "CREATE INDEX submission_facility ON submission (facility_number, subject_id) WHERE facility_number <> ''",
    # Refused by a form rule. Texts are as they may be shown; the exact bytes are in value.
    """
    CREATE TABLE rejected_record (
        topic_id uuid NOT NULL,
        partition integer NOT NULL,
        record_offset bigint NOT NULL,
        topic text NOT NULL,
        provider_code text NOT NULL,
        subject_code text NOT NULL,
        kind text NOT NULL,
        record_number text NOT NULL,
        record_revision integer NOT NULL,
        value bytea NOT NULL,
        value_sha256 bytea NOT NULL CHECK (length(value_sha256) = 32),
        is_json boolean NOT NULL,
        received_at timestamptz NOT NULL,
        PRIMARY KEY (topic_id, partition, record_offset)
    )
    """,
    # The same bytes under the same business key as a submission that is held.
    """
    CREATE TABLE duplicate_record (
        topic_id uuid NOT NULL,
        partition integer NOT NULL,
        record_offset bigint NOT NULL,
        topic text NOT NULL,
        provider_code text NOT NULL,
        submission_id uuid NOT NULL,
        received_at timestamptz NOT NULL,
        PRIMARY KEY (topic_id, partition, record_offset)
    )
    """,
    # Bytes that are no message. value holds at most the first 64 KiB, value_length and value_sha256 speak of all.
    """
    CREATE TABLE quarantined_record (
        topic_id uuid NOT NULL,
        partition integer NOT NULL,
        record_offset bigint NOT NULL,
        topic text NOT NULL,
        provider_code text NOT NULL,
        reason text NOT NULL,
        value bytea NOT NULL CHECK (length(value) <= 65536),
        value_length bigint NOT NULL,
        value_sha256 bytea NOT NULL CHECK (length(value_sha256) = 32),
        received_at timestamptz NOT NULL,
        PRIMARY KEY (topic_id, partition, record_offset)
    )
    """,
    """
    CREATE TABLE record_finding (
        finding_id uuid PRIMARY KEY,
        topic_id uuid NOT NULL,
        partition integer NOT NULL,
        record_offset bigint NOT NULL,
        rule_id text NOT NULL,
        severity text NOT NULL,
        message text NOT NULL,
        found_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX record_finding_place ON record_finding (topic_id, partition, record_offset)",
    # Everything a provider sent is in exactly one receipt, by partition and range of offsets.
    """
    CREATE TABLE receipt (
        notice_id uuid PRIMARY KEY,
        provider_code text NOT NULL,
        topic text NOT NULL,
        topic_id uuid NOT NULL,
        partition integer NOT NULL,
        first_offset bigint NOT NULL,
        last_offset bigint NOT NULL CHECK (last_offset >= first_offset),
        accepted_count integer NOT NULL,
        parked_count integer NOT NULL CHECK (parked_count <= accepted_count),
        duplicate_count integer NOT NULL,
        rejected_count integer NOT NULL,
        quarantined_count integer NOT NULL,
        merkle_root bytea NOT NULL CHECK (length(merkle_root) = 32),
        made_at timestamptz NOT NULL,
        UNIQUE (topic_id, partition, first_offset)
    )
    """,
    # Which records of the register name which facility, for whom: whom a change of ownership concerns. An empty number stands for all
    # that a merged subject had.
    """
    CREATE TABLE facility_claim (
        facility_number text NOT NULL,
        subject_id uuid NOT NULL,
        submission_id uuid NOT NULL,
        PRIMARY KEY (facility_number, subject_id, submission_id)
    )
    """,
    "CREATE INDEX facility_claim_subject ON facility_claim (subject_id)",
    "CREATE INDEX facility_claim_submission ON facility_claim (submission_id)",
)

_ACCOUNTS = (
    # A reversal repeats the posting that it takes back, with the opposite amount, and names it. Each is reversed at most once.
    """
    CREATE TABLE posting (
        posting_id uuid PRIMARY KEY,
        subject_id uuid NOT NULL,
        account_revision bigint NOT NULL CHECK (account_revision >= 1),
        reverses uuid,
        content_sha256 bytea NOT NULL CHECK (length(content_sha256) = 32),
        facility_id uuid NOT NULL,
        period_start date NOT NULL,
        period_end date NOT NULL CHECK (period_end > period_start),
        period_zone text NOT NULL,
        scope smallint NOT NULL CHECK (scope BETWEEN 1 AND 3),
        energy_carrier text NOT NULL,
        amount_tco2e numeric(21, 6) NOT NULL,
        method_code text NOT NULL,
        factor_codes text[] NOT NULL,
        evidence uuid[] NOT NULL CHECK (cardinality(evidence) >= 1),
        data_quality smallint NOT NULL CHECK (data_quality BETWEEN 1 AND 5),
        standard_uncertainty_percent numeric(7, 2) NOT NULL,
        recorded_at timestamptz NOT NULL,
        CHECK ((reverses IS NULL AND amount_tco2e >= 0) OR (reverses IS NOT NULL AND amount_tco2e <= 0))
    )
    """,
    "CREATE INDEX posting_subject ON posting (subject_id)",
    # Partial: an index that holds the many NULLs too would be read whole when the planner knows little of a young table.
    "CREATE UNIQUE INDEX posting_reversed_once ON posting (reverses) WHERE reverses IS NOT NULL",
    # statement holds the exact bytes that were sealed, sent and hashed.
    """
    CREATE TABLE account_revision (
        subject_id uuid NOT NULL,
        account_revision bigint NOT NULL CHECK (account_revision >= 1),
        known_at timestamptz NOT NULL,
        statement bytea NOT NULL,
        statement_sha256 bytea NOT NULL CHECK (length(statement_sha256) = 32),
        content_sha256 bytea NOT NULL CHECK (length(content_sha256) = 32),
        evidence_root bytea NOT NULL CHECK (length(evidence_root) = 32),
        evidence_count integer NOT NULL,
        PRIMARY KEY (subject_id, account_revision)
    )
    """,
    # Provisional until the monthly close. The same finding may be opened again after it was closed, by a later revision.
    """
    CREATE TABLE account_finding (
        finding_id uuid NOT NULL,
        opened_revision bigint NOT NULL,
        subject_id uuid NOT NULL,
        rule_id text NOT NULL,
        severity text NOT NULL,
        state text NOT NULL CHECK (state IN ('PROVISIONAL', 'FINAL')),
        facility_id uuid,
        period_start date,
        period_end date,
        period_zone text,
        message text NOT NULL,
        evidence uuid[] NOT NULL,
        opened_at timestamptz NOT NULL,
        PRIMARY KEY (finding_id, opened_revision)
    )
    """,
    "CREATE INDEX account_finding_subject ON account_finding (subject_id)",
    """
    CREATE TABLE account_finding_closed (
        finding_id uuid NOT NULL,
        opened_revision bigint NOT NULL,
        closed_revision bigint NOT NULL CHECK (closed_revision > opened_revision),
        closed_at timestamptz NOT NULL,
        PRIMARY KEY (finding_id, opened_revision)
    )
    """,
)

_REFUSE = """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
    END
    $$
"""


def upgrade() -> None:
    create_mechanism_tables(op)
    for statement in (*_DIRECTORY, *_RECORDS, *_ACCOUNTS, _REFUSE):
        op.execute(statement)
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM CURRENT_USER")

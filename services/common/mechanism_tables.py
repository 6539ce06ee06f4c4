"""The tables that the mechanism keeps in every service's own schema, as one frozen list of statements.

They carry no schema name: the role's search_path decides. A later change is a new list with a new function in
migrations.py; this one is what the first migration of every service runs, for ever from the first tag on.
"""

NAMES = ("outbox_event", "consumer_position", "inbox_revision", "refused_event", "lease", "work_item")

CREATE_1 = (
    # One event that must reach Kafka. value becomes NULL once it did; the row stays a while as a trace.
    """
    CREATE TABLE outbox_event (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_id uuid NOT NULL UNIQUE,
        topic text NOT NULL,
        key bytea NOT NULL,
        value bytea,
        event_type text NOT NULL,
        subject text,
        content_type text NOT NULL,
        traceparent text,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        published_at timestamptz,
        CHECK (value IS NOT NULL OR published_at IS NOT NULL)
    )
    """,
    "CREATE INDEX outbox_event_unpublished ON outbox_event (id) WHERE published_at IS NULL",
    "CREATE INDEX outbox_event_published ON outbox_event (published_at) WHERE published_at IS NOT NULL",
    # How far one consumer has come in one partition of one incarnation of a topic.
    """
    CREATE TABLE consumer_position (
        consumer text NOT NULL,
        topic_id uuid NOT NULL,
        partition integer NOT NULL,
        topic text NOT NULL,
        next_offset bigint NOT NULL CHECK (next_offset >= 0),
        heartbeat_at timestamptz,
        retired_at timestamptz,
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (consumer, topic_id, partition)
    )
    """,
    # The highest revision of a subject taken from a topic.
    """
    CREATE TABLE inbox_revision (
        topic text NOT NULL,
        subject_id uuid NOT NULL,
        revision bigint NOT NULL,
        PRIMARY KEY (topic, subject_id)
    )
    """,
    # An event that could not be taken, with its first bytes.
    """
    CREATE TABLE refused_event (
        topic_id uuid NOT NULL,
        partition integer NOT NULL,
        "offset" bigint NOT NULL,
        topic text NOT NULL,
        reason text NOT NULL,
        value bytea,
        value_bytes integer NOT NULL,
        refused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (topic_id, partition, "offset")
    )
    """,
    # Who may do a thing alone, until when; token rises whenever the holder changes.
    """
    CREATE TABLE lease (
        name text PRIMARY KEY,
        holder text NOT NULL,
        token bigint NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    # One piece of work per key; a further mark before it is done only raises mark_number.
    """
    CREATE TABLE work_item (
        queue text NOT NULL,
        key text NOT NULL,
        priority smallint NOT NULL,
        due_at timestamptz NOT NULL,
        marked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        mark_number bigint NOT NULL DEFAULT 1,
        attempts integer NOT NULL DEFAULT 0,
        token bigint NOT NULL DEFAULT 0,
        holder text,
        leased_until timestamptz,
        last_failure text,
        PRIMARY KEY (queue, key)
    )
    """,
    "CREATE INDEX work_item_due ON work_item (queue, priority, due_at)",
)

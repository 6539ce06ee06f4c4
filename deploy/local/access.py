"""Who may do what on the broker and in the database: the one table from which principals, rights and topics are made.

Providers are not here: the collector's provider directory gives each its own principal and topics. A right that is removed from
this table is removed from the broker at the next start.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

SERVICES = ("collector", "scoring", "reports", "gateway")

# The database's bootstrap superuser; it makes roles and schemas and is used by no service.
DATABASE_OWNER = "postgres"
# The broker's super users: `admin` for people and the provider directory, `broker` for the broker talking to itself.
BROKER_ADMIN = "admin"
BROKER_ITSELF = "broker"

DAY_MS = 24 * 60 * 60 * 1000


class Operation(Enum):
    READ = "READ"
    WRITE = "WRITE"


@dataclass(frozen=True, kw_only=True)
class TopicRight:
    """A right of a service on one topic, or on all whose name starts with it. READ and WRITE each include DESCRIBE.

    WRITE also allows idempotent producing (KIP-679), so no right on the cluster is given to anyone.
    """

    service: str
    operation: Operation
    topic: str
    prefix: bool = False


@dataclass(frozen=True, kw_only=True)
class Topic:
    """An internal topic. The number of partitions never changes: records of one subject must stay in one of them."""

    name: str
    owner: str
    retention_ms: int
    partitions: int = 12


TOPICS = (
    # Bytes that could not be decoded stay long enough for a person to look at them with the provider.
    Topic(name="bureau.intake-quarantine.v1", owner="collector", retention_ms=90 * DAY_MS),
    Topic(name="bureau.recheck-requested.v1", owner="collector", retention_ms=30 * DAY_MS),
    # The databases keep what these carry; the log only has to outlast the longest outage of a reader.
    Topic(name="bureau.account-revised.v1", owner="collector", retention_ms=14 * DAY_MS),
    Topic(name="bureau.assessment-made.v1", owner="scoring", retention_ms=14 * DAY_MS),
    Topic(name="bureau.report-revised.v1", owner="reports", retention_ms=30 * DAY_MS),
    Topic(name="bureau.objection-changed.v1", owner="reports", retention_ms=30 * DAY_MS),
)

TOPIC_RIGHTS = (
    TopicRight(service="collector", operation=Operation.READ, topic="intake.", prefix=True),
    TopicRight(service="collector", operation=Operation.WRITE, topic="provider.notices.", prefix=True),
    *(TopicRight(service=topic.owner, operation=Operation.WRITE, topic=topic.name) for topic in TOPICS),
    TopicRight(service="scoring", operation=Operation.READ, topic="bureau.account-revised.v1"),
    TopicRight(service="reports", operation=Operation.READ, topic="bureau.assessment-made.v1"),
    TopicRight(service="gateway", operation=Operation.READ, topic="bureau.report-revised.v1"),
)


def consumer_group(service: str) -> str:
    """Give the one consumer group that a service may read as: its own name."""
    return service

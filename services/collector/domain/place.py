"""Where in the intake log a record stands: what receipts, findings and stored records name it by."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One record. `topic_id` tells incarnations of a topic apart: a topic made again begins at offset 0 again."""

    topic: str
    topic_id: UUID
    partition: int
    offset: int

"""Passes over records that cannot be read at all, so that their partition goes on: a batch made to exhaust its reader, a broken one.

The position moves by compare-and-set, in one transaction with who decided it, why, and the notice to the provider. The bytes stay
in the log as long as it keeps them.
"""

from dataclasses import dataclass
from uuid import UUID

from kafka import TopicPartition

from services.collector import events
from services.collector.domain import provider
from services.collector.domain.place import Place
from services.collector.store import redriving
from services.common import kafka, outbox, positions
from services.common.database import Database
from services.common.positions import Advance, PartitionsLost
from services.common.settings import KafkaSettings


class SkipRefusedError(Exception):
    """Nothing was passed over; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """The offsets that were passed over, both ends included; none when the position stood there already."""

    first_offset: int
    last_offset: int


def skip(
    *,
    database: Database,
    kafka_settings: KafkaSettings,
    consumer: str,
    topic: str,
    partition: int,
    to_offset: int,
    skip_id: UUID,
    operator: str,
    reason: str,
) -> Skipped:
    """Have a consumer go on at `to_offset`, which is the next offset it reads. Doing it again does nothing.

    Raises:
        SkipRefusedError: it is no intake topic, does not reach so far, or the position is behind, beyond, or was moved meanwhile.
        KafkaError: the broker is away.
    """
    try:
        _, provider_code = provider.domain_and_code(topic)
    except ValueError as error:
        raise SkipRefusedError(f"{topic!r} is not an intake topic") from error
    topic_id, end = _end(kafka_settings, topic, partition)
    if to_offset > end:
        raise SkipRefusedError(f"{topic}-{partition} ends at {end}: nothing lies before {to_offset} that could be passed over")
    place = positions.Place(topic_id=topic_id, partition=partition)
    try:
        with database.transaction("skip.advance") as transaction:
            # 1. Where the consumer stands. (crash: nothing has happened)
            stands = positions.read(transaction, consumer, [topic_id]).get(place)
            if stands is None:
                raise SkipRefusedError(f"{consumer} has not begun {topic}-{partition} yet")
            if to_offset < stands:
                raise SkipRefusedError(f"{consumer} stands at {stands} of {topic}-{partition} already, which is behind {to_offset}")
            if to_offset == stands:
                return Skipped(first_offset=stands, last_offset=stands - 1)
            # 2. Move it, unless somebody else has; say who did it, and tell the provider. (crash before the commit: nothing has happened;
            #    after: the consumer finds the new position within seconds, the outbox tells)
            positions.advance(transaction, consumer, [Advance(place=place, expected=stands, next_offset=to_offset)])
            now = transaction.now()
            last = to_offset - 1
            redriving.append_skip(transaction, (skip_id, operator, reason, provider_code, topic, topic_id, partition, stands, last, now))
            first = Place(topic=topic, topic_id=topic_id, partition=partition, offset=stands)
            notice = events.skipped(
                skip_id=skip_id, first=first, last_offset=last, provider_code=provider_code, reason=reason, known_at=now
            )
            outbox.add(transaction, notice)
    except PartitionsLost as lost:
        raise SkipRefusedError(
            f"the position of {topic}-{partition} was moved meanwhile: look where it stands, then decide again"
        ) from lost
    return Skipped(first_offset=stands, last_offset=last)


def _end(kafka_settings: KafkaSettings, topic: str, partition: int) -> tuple[UUID, int]:
    """Ask the broker which incarnation of the topic there is, and where its log ends."""
    admin = kafka.admin(kafka_settings, client_id="collector-skip")
    try:
        described = kafka.describe(admin, [topic]).get(topic)
        if described is None or not 0 <= partition < described.partitions:
            raise SkipRefusedError(f"{topic}-{partition} does not exist, or this principal may not read it")
        where = TopicPartition(topic, partition)
        return described.topic_id, kafka.ends(admin, [where])[where]
    finally:
        kafka.close(admin)

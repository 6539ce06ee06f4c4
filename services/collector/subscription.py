"""Decides which intake topics are read: those of the directory, and those that left it, until they are read to their end.

The consumer asks every 10 s. A provider's rights are taken at the broker before it leaves the directory, so the end of what it left
behind does not move any more.
"""

import logging
from collections.abc import Collection

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import KafkaError

from services.collector.domain.kinds import Domain
from services.collector.domain.provider import intake_topic, intake_topics
from services.collector.store import directory
from services.common import kafka, positions
from services.common.database import Database
from services.common.positions import Place
from services.common.settings import KafkaSettings

_log = logging.getLogger(__name__)


class Subscription:
    """Names the topics for one consumer, by whose positions it knows what is left to be read."""

    def __init__(self, *, consumer: str, database: Database, kafka_settings: KafkaSettings) -> None:
        self._consumer = consumer
        self._database = database
        self._kafka_settings = kafka_settings
        self._admin: KafkaAdminClient | None = None
        # The former topics that were chosen when their ends could be asked last.
        self._unread_last: frozenset[str] = frozenset()

    def topics(self) -> list[str]:
        """Name the topics to be read now, sorted.

        Raises:
            KafkaError: no broker answers, so that nothing can be read either.
        """
        with self._database.transaction("subscription.directory") as transaction:
            known = directory.everyone(transaction)
        current = set(intake_topics(known.values()))
        former = {intake_topic(domain, code) for domain in Domain for code in known} - current
        try:
            self._unread_last = self._unread(former)
            return sorted(current | self._unread_last)
        except KafkaError:
            self.close()
            raise

    def close(self) -> None:
        """Leave the broker; the next question connects anew."""
        admin, self._admin = self._admin, None
        if admin is not None:
            kafka.close(admin)

    def _unread(self, former: Collection[str]) -> frozenset[str]:
        """Choose the topics in which something lies that was not read yet; while one of them cannot tell, those chosen last."""
        if self._admin is None:
            self._admin = kafka.admin(self._kafka_settings, client_id=f"{self._consumer}-subscription")
        described = kafka.describe(self._admin, set(former).intersection(self._admin.list_topics()))
        places = {
            TopicPartition(one.topic, number): Place(topic_id=one.topic_id, partition=number)
            for one in described.values()
            for number in range(one.partitions)
        }
        with self._database.transaction("subscription.positions") as transaction:
            read_up_to = positions.read(transaction, self._consumer, {place.topic_id for place in places.values()})
        try:
            beginnings, ends = kafka.beginnings(self._admin, places), kafka.ends(self._admin, places)
        except KafkaError as error:
            # One partition without a leader fails the question for all: what a provider left behind must not stop everyone else.
            _log.warning(
                "former topics cannot tell where they end, those chosen last are read: %r", error, extra={"topics": sorted(described)}
            )
            return self._unread_last.intersection(former)
        # What retention has deleted is not waited for.
        return frozenset(
            partition.topic for partition, end in ends.items() if max(beginnings[partition], read_up_to.get(places[partition], 0)) < end
        )

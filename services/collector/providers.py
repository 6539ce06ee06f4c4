"""Applies the provider directory: a checked file becomes rows, topics, principals, rights and quotas. Applying it again changes nothing.

The broker enforces who may publish in whose name: a provider's principal may write its own intake topics and read its own
notices, nothing else. The database is written last, so that a provider in the directory always has its topics.
"""

import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka.errors import NoError

from services.collector.directory_file import RESERVED_CODES, DirectoryRefusedError, parse_directory
from services.collector.domain.provider import Provider
from services.collector.domain.terms import Entry
from services.collector.store import directory
from services.common import kafka
from services.common.clock import Clock
from services.common.database import Database
from services.common.settings import KafkaSettings

__all__ = ["RESERVED_CODES", "Applied", "BrokerRefusedError", "DirectoryRefusedError", "Entry", "apply_directory", "parse_directory"]

_PASSWORD_BYTES = 24
_DAY_MS = 24 * 60 * 60 * 1000
# Submissions are kept by the database; the log only has to outlast the longest outage of the collector.
_INTAKE_RETENTION_MS = 30 * _DAY_MS
# A provider may tick off its receipts once a quarter.
_NOTICES_RETENTION_MS = 100 * _DAY_MS
# The broker packs anew what a provider's client packed in another way: we read zstd and gzip only, and a batch in a codec that is not
# installed here would keep its partition from going on.
_COMPRESSION = {"compression.type": "zstd"}


class BrokerRefusedError(Exception):
    """The broker would not make a topic, a principal or a right; the command may simply be run again."""


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What applying the directory made; nothing for what was there already."""

    providers: int
    topics_created: tuple[str, ...]
    topics_altered: tuple[str, ...]
    passwords_created: tuple[str, ...]
    rights_added: int
    rights_removed: int
    quotas_set: tuple[str, ...]
    quotas_removed: tuple[str, ...]


def apply_directory(
    entries: Sequence[Entry], *, database: Database, kafka_settings: KafkaSettings, secrets_dir: Path, clock: Clock
) -> Applied:
    """Make the cluster and the tables what the directory says. Idempotent; run as a principal that may alter the cluster.

    Raises:
        DirectoryRefusedError: a key that was applied before has left the file.
        BrokerRefusedError: the broker would not do something.
        KafkaError: the broker is away.
    """
    providers = [entry.provider for entry in entries]
    with database.transaction("providers.read") as transaction:
        ever, before = directory.everyone(transaction), directory.providers(transaction)
    if lost := [problem for provider in providers if provider.code in ever for problem in _lost_keys(provider, ever[provider.code])]:
        raise DirectoryRefusedError(lost)
    admin = kafka.admin(kafka_settings, client_id="collector-providers")
    try:
        # 1. Topics, principals, rights. (crash: some are made; the command is run again)
        topics_created, topics_altered = _make_topics(admin, providers)
        passwords_created = _make_principals(admin, providers, secrets_dir)
        gone = before.keys() - {provider.code for provider in providers}
        added, removed = _set_rights(admin, providers, gone)
        quotas_set, quotas_removed = _set_quotas(admin, entries, gone)
    finally:
        admin.close()
    # 2. The rows. (crash before the commit: the old directory holds; after: done)
    with database.transaction("providers.apply") as transaction:
        directory.replace_directory(transaction, entries, at=clock.now())
    return Applied(
        providers=len(entries),
        topics_created=topics_created,
        topics_altered=topics_altered,
        passwords_created=passwords_created,
        rights_added=added,
        rights_removed=removed,
        quotas_set=quotas_set,
        quotas_removed=quotas_removed,
    )


def _lost_keys(provider: Provider, before: Provider) -> list[str]:
    """Say which keys are in the file no more: without its key nobody can prove a signature that is kept."""
    kept = {key.key_id for key in provider.keys}
    return [
        f"{provider.code}: key {key.key_id} is missing, and what it signed is kept: leave it in the file and end it by valid_until"
        for key in before.keys
        if key.key_id not in kept
    ]


def _make_topics(admin: KafkaAdminClient, providers: Iterable[Provider]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Make the topics that are missing, one partition each, so that a provider's records keep their order; mend those that are there.

    Returns which were made and which were mended.
    """
    wanted: dict[str, int] = {}
    for provider in providers:
        wanted.update(dict.fromkeys(provider.intake_topics(), _INTAKE_RETENTION_MS))
        wanted[provider.notices_topic()] = _NOTICES_RETENTION_MS
    existing = set(admin.list_topics())
    new = {
        topic: {
            "num_partitions": 1,
            "replication_factor": -1,
            "configs": {**_COMPRESSION, "cleanup.policy": "delete", "retention.ms": str(retention_ms)},
        }
        for topic, retention_ms in sorted(wanted.items())
        if topic not in existing
    }
    if new:
        admin.create_topics(new, wait_for_metadata=True)
    return tuple(new), _compress(admin, sorted(wanted.keys() & existing))


def _compress(admin: KafkaAdminClient, topics: Sequence[str]) -> tuple[str, ...]:
    """Have topics that were made before compressed as new ones are; what lies in them stays as it is."""
    if not topics:
        return ()
    asked = [ConfigResource(ConfigResourceType.TOPIC, topic, dict.fromkeys(_COMPRESSION)) for topic in topics]
    described = admin.describe_configs(asked, config_filter="all")["topic"]
    others = [topic for topic in topics if any(described[topic][name]["value"] != value for name, value in _COMPRESSION.items())]
    if others:
        answers = admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, _COMPRESSION) for topic in others])["topic"]
        for topic, answer in answers.items():
            if answer != "OK":
                raise BrokerRefusedError(f"the broker would not compress {topic}: {answer}")
    return tuple(others)


def _make_principals(admin: KafkaAdminClient, providers: Iterable[Provider], secrets_dir: Path) -> tuple[str, ...]:
    """Give every provider a password file, keeping those that are there, and the broker the passwords."""
    created = tuple(provider.code for provider in providers if _make_password(secrets_dir / f"{provider.code}.password"))
    upsertions = [
        UserScramCredentialUpsertion(
            provider.code, ScramMechanism.SCRAM_SHA_512, (secrets_dir / f"{provider.code}.password").read_text(encoding="utf-8").strip()
        )
        for provider in providers
    ]
    for code, refusal in admin.alter_user_scram_credentials(upsertions).items():
        if refusal is not None:
            raise BrokerRefusedError(f"the broker refused the password of {code}: {refusal}")
    return created


def _make_password(path: Path) -> bool:
    """Write a new password for its owner's eyes only, unless there is one. Never half a file."""
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(secrets.token_urlsafe(_PASSWORD_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    return True


def _set_rights(admin: KafkaAdminClient, providers: Iterable[Provider], gone: Iterable[str]) -> tuple[int, int]:
    """Give each provider exactly its rights, and those who left the directory none."""
    wanted = {provider.code: set(_rights(provider)) for provider in providers} | {code: set() for code in gone}
    present = {code: _present_rights(admin, code) for code in wanted}
    missing = [acl for code in wanted for acl in wanted[code] - present[code]]
    extra = [acl for code in wanted for acl in present[code] - wanted[code]]
    if missing and (failed := admin.create_acls(missing)["failed"]):
        raise BrokerRefusedError(f"the broker refused {len(failed)} rights: {failed[0]}")
    take_rights(admin, extra)
    return len(missing), len(extra)


def take_rights(admin: KafkaAdminClient, rights: Sequence[ACL]) -> None:
    """Take rights away.

    Raises:
        BrokerRefusedError: one of them still holds, and why.
    """
    if not rights:
        return
    refused = [(right, answer) for right, _, answer in admin.delete_acls(rights) if answer is not NoError]
    if refused:
        right, answer = refused[0]
        raise BrokerRefusedError(f"{len(refused)} rights still hold, {answer.__name__}: {right}")


def _set_quotas(admin: KafkaAdminClient, entries: Iterable[Entry], gone: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Bound what each provider's principal may send a second and how much of the broker's time it may take.

    Returns whose quotas were set, and whose were removed because they left the directory.

    Raises:
        KafkaError: the broker refuses.
    """
    present = kafka.user_quotas(admin)
    wanted: dict[str, dict[str, float]] = {
        entry.provider.code: {
            "producer_byte_rate": float(entry.terms.quota.bytes_per_second),
            "request_percentage": float(entry.terms.quota.request_percentage),
        }
        for entry in entries
    }
    changed = {code: quotas for code, quotas in wanted.items() if {**present.get(code, {}), **quotas} != present.get(code)}
    removed = {code: dict.fromkeys(present[code]) for code in sorted(gone) if code in present}
    kafka.alter_user_quotas(admin, {**changed, **removed})
    return tuple(sorted(changed)), tuple(removed)


def _rights(provider: Provider) -> Iterable[ACL]:
    """WRITE and READ each include DESCRIBE, and WRITE allows idempotent producing (KIP-679)."""
    for topic in provider.intake_topics():
        yield _allow(provider, ACLOperation.WRITE, ResourceType.TOPIC, topic)
        yield _allow(provider, ACLOperation.DESCRIBE, ResourceType.TOPIC, topic)
    yield _allow(provider, ACLOperation.READ, ResourceType.TOPIC, provider.notices_topic())
    yield _allow(provider, ACLOperation.READ, ResourceType.GROUP, provider.group())


def _allow(provider: Provider, operation: ACLOperation, resource_type: ResourceType, name: str) -> ACL:
    resource = ResourcePattern(resource_type, name, ACLResourcePatternType.LITERAL)
    return ACL(f"User:{provider.code}", "*", operation, ACLPermissionType.ALLOW, resource)


def _present_rights(admin: KafkaAdminClient, code: str) -> set[ACL]:
    anything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    found, _ = admin.describe_acls(ACLFilter(f"User:{code}", None, ACLOperation.ANY, ACLPermissionType.ANY, anything))
    return set(found)

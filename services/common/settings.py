"""Reads a service's settings from its environment variables into frozen dataclasses, or refuses with every reason at once.

A setting is `CARBONBUREAU_<SERVICE>_<NAME>`. A field whose type is itself a dataclass is a group: its name prefixes the
names in it, unless the group is declared flat. Secrets are only ever named by file path, so nothing here holds one.
"""

import dataclasses
import difflib
import os
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, Union
from urllib.parse import urlsplit

# Marks a group whose name does not prefix the names in it: `telemetry: TelemetrySettings = field(metadata=FLAT)`.
FLAT = {"flat": True}

_PREFIX = "CARBONBUREAU"
_S = TypeVar("_S")


class SettingsError(Exception):
    """The settings cannot be used. `problems` has one sentence for each reason; none shows a value of a secret."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class SecretFile:
    """A secret by the path of its file; the content is read when it is needed and never kept."""

    path: Path

    def read(self) -> str:
        """Return the content without its final line end."""
        return self.path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")


class Profile(Enum):
    """What this process may do: only the sandbox profile takes crash points and keys made by the sandbox."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"


class SecurityProtocol(Enum):
    """How Kafka is reached; without SASL nothing is, because the broker's ACLs need a principal."""

    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"


@dataclass(frozen=True, kw_only=True)
class PostgresSettings:
    """One role's access to the database. The URL carries no password."""

    url: str
    password_file: SecretFile
    pool_size: int = 5
    statement_timeout_ms: int = 30_000
    lock_timeout_ms: int = 5_000
    idle_in_transaction_timeout_ms: int = 5_000

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("postgresql", "postgres") or not parts.hostname or not parts.username or not parts.path.strip("/"):
            raise ValueError("write postgresql://user@host:port/database")
        if parts.password is not None:
            raise ValueError("the URL carries a password; name a file in POSTGRES_PASSWORD_FILE instead")
        if self.pool_size < 1:
            raise ValueError("POSTGRES_POOL_SIZE is at least 1")


@dataclass(frozen=True, kw_only=True)
class KafkaSettings:
    """One principal's access to the brokers."""

    bootstrap_servers: tuple[str, ...]
    security_protocol: SecurityProtocol = SecurityProtocol.SASL_PLAINTEXT
    username: str
    password_file: SecretFile
    ca_file: Path | None = None
    sasl_mechanism: str = "SCRAM-SHA-512"
    session_timeout_ms: int = 6_000

    def __post_init__(self) -> None:
        if not self.bootstrap_servers:
            raise ValueError("name at least one bootstrap server")
        if self.sasl_mechanism not in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            raise ValueError("KAFKA_SASL_MECHANISM is SCRAM-SHA-256 or SCRAM-SHA-512")
        if self.ca_file is not None and self.security_protocol is not SecurityProtocol.SASL_SSL:
            raise ValueError("KAFKA_CA_FILE has a meaning with SASL_SSL only")


@dataclass(frozen=True, kw_only=True)
class RpcSettings:
    """Where calls are answered; health has a plaintext address of its own, for probes that cannot do TLS."""

    rpc_listen_address: str = "127.0.0.1:0"
    health_listen_address: str = "127.0.0.1:0"
    rpc_workers_max: int = 16


@dataclass(frozen=True, kw_only=True)
class TelemetrySettings:
    """Where metrics are scraped and traces go. No OTLP endpoint: spans are made and carried on, but exported nowhere."""

    metrics_port: int = 0
    otlp_endpoint: str | None = None
    log_level: str = "INFO"

    def __post_init__(self) -> None:
        if self.log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError("LOG_LEVEL is DEBUG, INFO, WARNING or ERROR")


@dataclass(frozen=True, kw_only=True)
class CrashSettings:
    """The crash point to arm, for chaos tests."""

    crash_point: str | None = None
    allow_crash_points: bool = False


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """What all four services are told; a service's own settings extend it."""

    postgres: PostgresSettings
    kafka: KafkaSettings
    rpc: RpcSettings = field(metadata=FLAT)
    telemetry: TelemetrySettings = field(metadata=FLAT)
    crash: CrashSettings = field(metadata=FLAT)
    province: str = "shanxi"
    profile: Profile = Profile.SANDBOX

    def __post_init__(self) -> None:
        if self.profile is Profile.PRODUCTION and (self.crash.allow_crash_points or self.crash.crash_point):
            raise ValueError("the production profile refuses crash points: unset CRASH_POINT and ALLOW_CRASH_POINTS")


def load(settings_type: type[_S], *, service: str, environment: Mapping[str, str] | None = None) -> _S:
    """Read the settings of `service`; `environment` is that of the process unless given.

    Raises:
        SettingsError: with every missing, malformed, unreadable and unknown setting.
    """
    environment = os.environ if environment is None else environment
    prefix = f"{_PREFIX}_{service.upper().replace('-', '_')}_"
    given = {name: value for name, value in environment.items() if name.startswith(prefix)}
    known: set[str] = set()
    problems: list[str] = []
    made = _make(settings_type, prefix, given, known, problems)
    for name in sorted(given.keys() - known):
        near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
        problems.append(f"{name}: no such setting" + (f"; did you mean {near[0]}?" if near else ""))
    if problems or made is None:
        raise SettingsError(problems)
    return made


def names_of(settings_type: type, *, service: str) -> list[str]:
    """List the environment variables that `load` knows for this type, sorted."""
    known: set[str] = set()
    _make(settings_type, f"{_PREFIX}_{service.upper().replace('-', '_')}_", {}, known, [])
    return sorted(known)


def _make(settings_type: type[_S], prefix: str, given: Mapping[str, str], known: set[str], problems: list[str]) -> _S | None:
    hints = typing.get_type_hints(settings_type)
    values: dict[str, Any] = {}
    before = len(problems)
    for declared in dataclasses.fields(typing.cast(Any, settings_type)):
        kind = hints[declared.name]
        if dataclasses.is_dataclass(kind) and kind is not SecretFile:
            group_prefix = prefix if declared.metadata.get("flat") else f"{prefix}{declared.name.upper()}_"
            values[declared.name] = _make(typing.cast(type, kind), group_prefix, given, known, problems)
            continue
        name = f"{prefix}{declared.name.upper()}"
        known.add(name)
        if name in given:
            try:
                values[declared.name] = _converted(kind, given[name])
            except ValueError as error:
                problems.append(f"{name}: {error}")
        elif declared.default is dataclasses.MISSING and declared.default_factory is dataclasses.MISSING:
            problems.append(f"{name}: required, and not set")
    if len(problems) > before:
        return None
    try:
        return settings_type(**values)
    except ValueError as error:
        problems.append(f"{prefix}*: {error}")
        return None


def _converted(kind: Any, text: str) -> Any:
    origin = typing.get_origin(kind)
    if origin in (Union, types.UnionType):
        if text == "":
            return None
        (inner,) = (argument for argument in typing.get_args(kind) if argument is not type(None))
        return _converted(inner, text)
    if origin is tuple:
        return tuple(_converted(typing.get_args(kind)[0], part.strip()) for part in text.split(",") if part.strip())
    if kind is SecretFile:
        return SecretFile(_readable(Path(text)))
    if kind is Path:
        return _readable(Path(text))
    if kind is bool:
        return _boolean(text)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _member(kind, text)
    if kind is str:
        if not text:
            raise ValueError("empty")
        return text
    if kind in (int, float, Decimal):
        try:
            return kind(text)
        except (ValueError, InvalidOperation):
            raise ValueError(f"{text!r} is not a number") from None
    raise TypeError(f"settings cannot be of type {kind}")


def _readable(path: Path) -> Path:
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error


def _boolean(text: str) -> bool:
    match text.lower():
        case "true" | "1" | "yes":
            return True
        case "false" | "0" | "no":
            return False
        case _:
            raise ValueError(f"{text!r} is neither true nor false")


def _member(kind: type[Enum], text: str) -> Enum:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{text!r} is none of {', '.join(str(member.value) for member in kind)}") from None

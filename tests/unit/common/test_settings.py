"""Settings: typed, checked all at once, and never a secret on display."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from pathlib import Path

import pytest

from services.common.settings import (
    FLAT,
    KafkaSettings,
    PostgresSettings,
    Profile,
    SecretFile,
    SecurityProtocol,
    ServiceSettings,
    SettingsError,
    load,
    names_of,
)

CANARY = "canary-of-a-secret"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    secret = tmp_path / "secret"
    secret.write_text(f"{CANARY}\n")
    given = {
        "POSTGRES_URL": "postgresql://collector@127.0.0.1:5432/db",
        "POSTGRES_PASSWORD_FILE": str(secret),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092, 127.0.0.1:9093",
        "KAFKA_USERNAME": "collector",
        "KAFKA_PASSWORD_FILE": str(secret),
    }
    return {f"CARBONBUREAU_COLLECTOR_{name}": value for name, value in given.items()} | {"PATH": "/bin", "CARBONBUREAU_GATEWAY_X": "1"}


def refused(environment: dict[str, str], settings_type: type = ServiceSettings) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(settings_type, service="collector", environment=environment)
    return caught.value.problems


class TestLoad:
    def test_reads_groups_defaults_and_types(self, environment: dict[str, str]) -> None:
        environment["CARBONBUREAU_COLLECTOR_METRICS_PORT"] = "9100"
        environment["CARBONBUREAU_COLLECTOR_OTLP_ENDPOINT"] = ""
        environment["CARBONBUREAU_COLLECTOR_ALLOW_CRASH_POINTS"] = "true"
        settings = load(ServiceSettings, service="collector", environment=environment)
        assert settings.kafka.bootstrap_servers == ("127.0.0.1:9092", "127.0.0.1:9093")
        assert settings.kafka.security_protocol is SecurityProtocol.SASL_PLAINTEXT
        assert settings.postgres.password_file.read() == CANARY
        assert settings.telemetry.metrics_port == 9100
        assert settings.telemetry.otlp_endpoint is None
        assert settings.crash.allow_crash_points
        assert (settings.province, settings.profile) == ("shanxi", Profile.SANDBOX)

    def test_takes_further_fields_of_a_service(self, environment: dict[str, str]) -> None:
        class Mode(Enum):
            FAST = "fast"

        @dataclass(frozen=True, kw_only=True)
        class Extra:
            ratio: Decimal = Decimal("0.5")
            mode: Mode = Mode.FAST

        @dataclass(frozen=True, kw_only=True)
        class Settings(ServiceSettings):
            rebuild_workers: int = 1
            extra: Extra
            loose: Extra = field(metadata=FLAT)

        # get_type_hints looks names up in the module, where a class of a function is not.
        globals().update(Mode=Mode, Extra=Extra)
        environment |= {"CARBONBUREAU_COLLECTOR_REBUILD_WORKERS": "3", "CARBONBUREAU_COLLECTOR_EXTRA_RATIO": "0.25"}
        settings = load(Settings, service="collector", environment=environment)
        assert (settings.rebuild_workers, settings.extra.ratio, settings.loose.ratio) == (3, Decimal("0.25"), Decimal("0.5"))
        assert "CARBONBUREAU_COLLECTOR_EXTRA_MODE" in names_of(Settings, service="collector")
        assert "CARBONBUREAU_COLLECTOR_MODE" in names_of(Settings, service="collector")

    def test_tells_everything_that_is_wrong_at_once(self, environment: dict[str, str], tmp_path: Path) -> None:
        del environment["CARBONBUREAU_COLLECTOR_KAFKA_USERNAME"]
        environment |= {
            "CARBONBUREAU_COLLECTOR_POSTGRES_POOL_SIZE": "many",
            "CARBONBUREAU_COLLECTOR_KAFKA_PASSWORD_FILE": str(tmp_path / "missing"),
            "CARBONBUREAU_COLLECTOR_PROFILE": "staging",
            "CARBONBUREAU_COLLECTOR_ALLOW_CRASH_POINTS": "perhaps",
            "CARBONBUREAU_COLLECTOR_KAFKA_BOOTSTRAP_SERVER": "x",
        }
        problems = refused(environment)
        assert len(problems) == 6
        text = "\n".join(problems)
        assert "KAFKA_USERNAME: required" in text
        assert "POSTGRES_POOL_SIZE: 'many' is not a number" in text
        assert "missing cannot be read: No such file" in text
        assert "PROFILE: 'staging' is none of sandbox, production" in text
        assert "ALLOW_CRASH_POINTS: 'perhaps' is neither true nor false" in text
        assert "did you mean CARBONBUREAU_COLLECTOR_KAFKA_BOOTSTRAP_SERVERS?" in text

    def test_refuses_crash_points_in_production(self, environment: dict[str, str]) -> None:
        environment["CARBONBUREAU_COLLECTOR_PROFILE"] = "production"
        load(ServiceSettings, service="collector", environment=environment)
        for name, value in (("ALLOW_CRASH_POINTS", "true"), ("CRASH_POINT", "outbox.mark")):
            problems = refused(environment | {f"CARBONBUREAU_COLLECTOR_{name}": value})
            assert "production profile refuses crash points" in problems[0]

    @pytest.mark.parametrize(
        "url", ["", "postgresql://", "mysql://u@h/d", "postgresql://h/d", "postgresql://u@h", f"postgresql://u:{CANARY}@h/d"]
    )
    def test_refuses_a_database_url_that_lacks_something_or_carries_a_password(self, url: str, environment: dict[str, str]) -> None:
        problems = refused(environment | {"CARBONBUREAU_COLLECTOR_POSTGRES_URL": url})
        assert len(problems) == 1
        assert CANARY not in problems[0]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("KAFKA_SASL_MECHANISM", "PLAIN"),
            ("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT"),
            ("KAFKA_CA_FILE", "/dev/null"),
            ("KAFKA_BOOTSTRAP_SERVERS", " , "),
            ("LOG_LEVEL", "LOUD"),
            ("POSTGRES_POOL_SIZE", "0"),
        ],
    )
    def test_refuses_values_that_make_no_sense(self, name: str, value: str, environment: dict[str, str]) -> None:
        assert len(refused(environment | {f"CARBONBUREAU_COLLECTOR_{name}": value})) == 1


class TestSecrets:
    def test_are_on_no_display_of_the_settings(self, environment: dict[str, str]) -> None:
        settings = load(ServiceSettings, service="collector", environment=environment)
        assert CANARY not in repr(settings)
        assert CANARY not in str(settings)

    def test_are_read_anew_each_time_without_the_line_end(self, tmp_path: Path) -> None:
        path = tmp_path / "secret"
        path.write_text("one \n")
        secret = SecretFile(path)
        assert secret.read() == "one "
        path.write_text("two\r\n")
        assert secret.read() == "two"

    def test_every_group_is_frozen(self, environment: dict[str, str]) -> None:
        for group in (PostgresSettings, KafkaSettings, ServiceSettings):
            assert group.__dataclass_params__.frozen

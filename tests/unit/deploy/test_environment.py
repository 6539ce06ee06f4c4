"""The settings that services are given."""

import pytest

from deploy.local.access import SERVICES
from deploy.local.environment import environment, sandbox_environment, servers_from
from deploy.local.errors import CannotRunError


class TestEnvironment:
    @pytest.mark.parametrize("service", SERVICES)
    def test_names_only_settings_of_that_service(self, state, service):
        settings = environment(service, state)
        assert all(name.startswith(f"CARBONBUREAU_{service.upper()}_") for name in settings)

    def test_holds_no_password(self, state):
        text = repr([*(environment(service, state) for service in SERVICES), sandbox_environment(state)])
        for principal in (*SERVICES, "admin", "postgres"):
            assert state.password(principal) not in text

    @pytest.mark.parametrize("service", SERVICES)
    def test_gives_each_service_its_own_role_principal_and_ports(self, state, service):
        settings = {name.removeprefix(f"CARBONBUREAU_{service.upper()}_"): value for name, value in environment(service, state).items()}
        assert settings["POSTGRES_URL"] == f"postgresql://{service}@127.0.0.1:{state.port('postgres')}/carbonbureau"
        assert settings["KAFKA_USERNAME"] == service
        assert settings["POSTGRES_PASSWORD_FILE"] == settings["KAFKA_PASSWORD_FILE"] == str(state.password_file(service))
        assert settings["RPC_LISTEN_ADDRESS"] == f"127.0.0.1:{state.port(f'{service}-rpc')}"

    def test_signs_in_as_the_administrator_to_apply_the_provider_directory(self, state):
        settings = environment("collector", state, kafka_principal="admin")
        assert settings["CARBONBUREAU_COLLECTOR_KAFKA_USERNAME"] == "admin"
        assert settings["CARBONBUREAU_COLLECTOR_KAFKA_PASSWORD_FILE"] == str(state.password_file("admin"))
        assert settings["CARBONBUREAU_COLLECTOR_POSTGRES_PASSWORD_FILE"] == str(state.password_file("collector"))

    def test_refuses_a_service_that_does_not_exist(self, state):
        with pytest.raises(ValueError, match="ledger"):
            environment("ledger", state)


class TestSandboxEnvironment:
    def test_lets_it_play_the_providers_and_one_bank_but_no_service(self, state):
        settings = sandbox_environment(state)
        assert settings["CARBONBUREAU_SANDBOX_SECRETS_DIR"] == str(state.secrets)
        assert settings["CARBONBUREAU_SANDBOX_GATEWAY_ADDRESS"] == f"127.0.0.1:{state.port('gateway-rpc')}"
        assert settings["CARBONBUREAU_SANDBOX_BANK_CERTIFICATE_FILE"].endswith("subscriber-bank-taihang.pem")
        assert not [name for name in settings if "POSTGRES" in name]


class TestServersFrom:
    def test_are_our_own_unless_named(self, state):
        servers = servers_from({"PATH": "/bin", "CARBONBUREAU_COLLECTOR_KAFKA_USERNAME": "x"}, state)
        assert servers.own_postgres
        assert servers.own_kafka

    def test_give_the_services_an_outside_postgres(self, state, tmp_path):
        (tmp_path / "password").write_text("secret\n")
        variables = {
            "CARBONBUREAU_POSTGRES_ADMIN_URL": "postgresql://owner@db.example:6432/carbon",
            "CARBONBUREAU_POSTGRES_ADMIN_PASSWORD_FILE": str(tmp_path / "password"),
        }
        servers = servers_from(variables, state)
        assert not servers.own_postgres
        assert (
            environment("scoring", state, servers=servers)["CARBONBUREAU_SCORING_POSTGRES_URL"]
            == "postgresql://scoring@db.example:6432/carbon"
        )

    def test_give_the_services_an_outside_kafka(self, state, tmp_path):
        for name in ("password", "ca.pem"):
            (tmp_path / name).write_text("x")
        variables = {
            "CARBONBUREAU_KAFKA_BOOTSTRAP_SERVERS": "a:9092,b:9092",
            "CARBONBUREAU_KAFKA_ADMIN_USERNAME": "root",
            "CARBONBUREAU_KAFKA_ADMIN_PASSWORD_FILE": str(tmp_path / "password"),
            "CARBONBUREAU_KAFKA_CA_FILE": str(tmp_path / "ca.pem"),
        }
        servers = servers_from(variables, state)
        settings = environment("gateway", state, servers=servers)
        assert settings["CARBONBUREAU_GATEWAY_KAFKA_BOOTSTRAP_SERVERS"] == "a:9092,b:9092"
        assert settings["CARBONBUREAU_GATEWAY_KAFKA_SECURITY_PROTOCOL"] == "SASL_SSL"
        assert settings["CARBONBUREAU_GATEWAY_KAFKA_CA_FILE"] == str(tmp_path / "ca.pem")
        assert sandbox_environment(state, servers=servers)["CARBONBUREAU_SANDBOX_KAFKA_BOOTSTRAP_SERVERS"] == "a:9092,b:9092"
        elsewhere = servers_from({**variables, "CARBONBUREAU_KAFKA_PROVIDERS_BOOTSTRAP_SERVERS": "edge:9093"}, state)
        assert sandbox_environment(state, servers=elsewhere)["CARBONBUREAU_SANDBOX_KAFKA_BOOTSTRAP_SERVERS"] == "edge:9093"
        as_admin = environment("collector", state, servers=servers, kafka_principal="root")
        assert as_admin["CARBONBUREAU_COLLECTOR_KAFKA_PASSWORD_FILE"] == str(tmp_path / "password")

    @pytest.mark.parametrize(
        ("variables", "message"),
        [
            ({"CARBONBUREAU_POSTGRES_ADMIN_URL": "postgresql://a@b/c"}, "CARBONBUREAU_POSTGRES_ADMIN_PASSWORD_FILE is needed"),
            ({"CARBONBUREAU_KAFKA_BOOTSTRAP_SERVER": "b:9092"}, "CARBONBUREAU_KAFKA_BOOTSTRAP_SERVER is not a setting"),
            (
                {"CARBONBUREAU_POSTGRES_ADMIN_URL": "postgresql://a@b/c", "CARBONBUREAU_POSTGRES_ADMIN_PASSWORD_FILE": "/nonexistent/p"},
                "/nonexistent/p does not exist",
            ),
        ],
    )
    def test_refuse_half_of_a_description(self, state, variables, message):
        with pytest.raises(CannotRunError, match=message):
            servers_from(variables, state)

    def test_refuse_a_url_without_a_database(self, state, tmp_path):
        (tmp_path / "password").write_text("x")
        variables = {
            "CARBONBUREAU_POSTGRES_ADMIN_URL": "postgresql://owner@db.example",
            "CARBONBUREAU_POSTGRES_ADMIN_PASSWORD_FILE": str(tmp_path / "password"),
        }
        with pytest.raises(CannotRunError, match="lacks dbname"):
            servers_from(variables, state)

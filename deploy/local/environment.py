"""Gives each service its settings: the environment variables it is started with on this machine.

Ports are remembered in the state directory, passwords are named by file. Servers that others run take the place of our own when
`Servers` says so; `servers_from` reads that from `CARBONBUREAU_POSTGRES_*` and `CARBONBUREAU_KAFKA_*`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from deploy.local import certificates, identity_provider
from deploy.local.access import BROKER_ADMIN, DATABASE_OWNER, SERVICES
from deploy.local.broker_access import Cluster
from deploy.local.database_access import DATABASE, Connection, outside
from deploy.local.errors import CannotRunError
from deploy.local.state import LOOPBACK, State

SUBSCRIBERS_FILE = Path(__file__).with_name("subscribers.toml")
# The subscriber of that file whose bank the sandbox plays.
SANDBOX_BANK = "bank-taihang"
# Names of ports in runtime.json.
POSTGRES_PORT, KAFKA_PORT, KAFKA_CONTROLLER_PORT, KAFKA_PROVIDERS_PORT = "postgres", "kafka", "kafka-controller", "kafka-providers"
PORTAL_PORT, PORTAL_HEALTH_PORT = "gateway-portal", "gateway-portal-health"


@dataclass(frozen=True, kw_only=True)
class Servers:
    """The database and the cluster to use. `own_*` tells whether we run them ourselves."""

    postgres: Connection
    kafka: Cluster
    own_postgres: bool = True
    own_kafka: bool = True


def own_servers(state: State) -> Servers:
    """Describe the servers that the runtime itself runs for a state directory."""
    return Servers(postgres=own_postgres(state), kafka=own_kafka(state))


def own_postgres(state: State) -> Connection:
    return Connection(
        host=LOOPBACK,
        port=state.port(POSTGRES_PORT),
        database=DATABASE,
        admin_role=DATABASE_OWNER,
        admin_password_file=state.password_file(DATABASE_OWNER),
    )


def own_kafka(state: State) -> Cluster:
    return Cluster(
        bootstrap_servers=f"{LOOPBACK}:{state.port(KAFKA_PORT)}",
        admin_username=BROKER_ADMIN,
        admin_password_file=state.password_file(BROKER_ADMIN),
    )


def kafka_of_providers(state: State, servers: Servers) -> Cluster:
    """Describe the cluster as providers reach it: our own by the listener that speaks TLS."""
    if not servers.own_kafka:
        return replace(servers.kafka, bootstrap_servers=servers.kafka.providers_bootstrap_servers or servers.kafka.bootstrap_servers)
    return replace(
        servers.kafka,
        bootstrap_servers=f"{LOOPBACK}:{state.port(KAFKA_PROVIDERS_PORT)}",
        security_protocol="SASL_SSL",
        ca_file=certificates.authority_file(state),
    )


def servers_from(variables: Mapping[str, str], state: State) -> Servers:
    """Describe the servers to use: those that the variables name, our own for the rest.

    Raises:
        CannotRunError: a server is named without what is needed to sign in, or a variable of the group is unknown.
    """
    postgres = _group(variables, "POSTGRES", required=("ADMIN_URL", "ADMIN_PASSWORD_FILE"))
    kafka = _group(
        variables,
        "KAFKA",
        required=("BOOTSTRAP_SERVERS", "ADMIN_USERNAME", "ADMIN_PASSWORD_FILE"),
        optional=("SECURITY_PROTOCOL", "CA_FILE", "PROVIDERS_BOOTSTRAP_SERVERS"),
    )
    return Servers(
        postgres=outside(postgres["ADMIN_URL"], _file(postgres["ADMIN_PASSWORD_FILE"])) if postgres else own_postgres(state),
        kafka=Cluster(
            bootstrap_servers=kafka["BOOTSTRAP_SERVERS"],
            admin_username=kafka["ADMIN_USERNAME"],
            admin_password_file=_file(kafka["ADMIN_PASSWORD_FILE"]),
            security_protocol=kafka.get("SECURITY_PROTOCOL", "SASL_SSL"),
            ca_file=_file(kafka["CA_FILE"]) if "CA_FILE" in kafka else None,
            providers_bootstrap_servers=kafka.get("PROVIDERS_BOOTSTRAP_SERVERS"),
        )
        if kafka
        else own_kafka(state),
        own_postgres=not postgres,
        own_kafka=not kafka,
    )


def environment(service: str, state: State, *, servers: Servers | None = None, kafka_principal: str | None = None) -> dict[str, str]:
    """Give the settings of one service as environment variables; nothing of our own environment is added.

    `kafka_principal` replaces the service's own principal for the one command that makes other principals: applying the provider
    directory as `admin`.
    """
    if service not in SERVICES:
        raise ValueError(f"{service} is not one of {', '.join(SERVICES)}")
    settings = _settings_of_all(service, state, servers or own_servers(state), kafka_principal or service)
    settings |= _settings_of_its_own(service, state)
    return {f"CARBONBUREAU_{service.upper()}_{name}": value for name, value in settings.items()}


def sandbox_environment(state: State, *, servers: Servers | None = None) -> dict[str, str]:
    """Give the settings of the sandbox. It plays every provider, so it gets the folder of their passwords, and one bank."""
    kafka = kafka_of_providers(state, servers or own_servers(state))
    bank = certificates.subscriber(state, SANDBOX_BANK)
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_SECURITY_PROTOCOL": kafka.security_protocol,
        "SECRETS_DIR": str(state.secrets),
        "GATEWAY_ADDRESS": f"{LOOPBACK}:{state.port('gateway-rpc')}",
        "GATEWAY_CA_FILE": str(certificates.authority_file(state)),
        "BANK_CERTIFICATE_FILE": str(bank.certificate_file),
        "BANK_KEY_FILE": str(bank.key_file),
        "TOKEN_KEY_FILE": str(identity_provider.key_file(state)),
        "TOKEN_ISSUER": identity_provider.ISSUER,
        "TOKEN_AUDIENCE": identity_provider.AUDIENCE,
    }
    if kafka.ca_file is not None:
        settings["KAFKA_CA_FILE"] = str(kafka.ca_file)
    return {f"CARBONBUREAU_SANDBOX_{name}": value for name, value in settings.items()}


def signing_key_file(state: State) -> Path:
    """Give the path of the report-signing key, which the reports service's own command makes."""
    return state.keys / "report-signing.pem"


def published_keys_file(state: State) -> Path:
    """Give the path of the public keys with which everyone can verify reports."""
    return state.keys / "published-keys.json"


def _settings_of_all(service: str, state: State, servers: Servers, principal: str) -> dict[str, str]:
    kafka = servers.kafka
    password_file = kafka.admin_password_file if principal == kafka.admin_username else state.password_file(principal)
    settings = {
        "PROFILE": "sandbox",
        "POSTGRES_URL": servers.postgres.url(role=service),
        "POSTGRES_PASSWORD_FILE": str(state.password_file(service)),
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_SECURITY_PROTOCOL": kafka.security_protocol,
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_USERNAME": principal,
        "KAFKA_PASSWORD_FILE": str(password_file),
        "RPC_LISTEN_ADDRESS": f"{LOOPBACK}:{state.port(f'{service}-rpc')}",
        "HEALTH_LISTEN_ADDRESS": f"{LOOPBACK}:{state.port(f'{service}-health')}",
        "METRICS_PORT": str(state.port(f"{service}-metrics")),
    }
    return settings if kafka.ca_file is None else {**settings, "KAFKA_CA_FILE": str(kafka.ca_file)}


def _settings_of_its_own(service: str, state: State) -> dict[str, str]:
    match service:
        case "reports":
            return {
                "SIGNING_KEY_FILE": str(signing_key_file(state)),
                "PUBLISHED_KEYS_FILE": str(published_keys_file(state)),
            }
        case "gateway":
            tls = certificates.gateway(state)
            return {
                "TLS_CERTIFICATE_FILE": str(tls.certificate_file),
                "TLS_KEY_FILE": str(tls.key_file),
                "CLIENT_CA_FILE": str(certificates.authority_file(state)),
                "CLIENT_CRL_FILE": str(certificates.revocation_list_file(state)),
                "SUBSCRIBERS_FILE": str(SUBSCRIBERS_FILE),
                "PORTAL_LISTEN_ADDRESS": f"{LOOPBACK}:{state.port(PORTAL_PORT)}",
                "PORTAL_HEALTH_LISTEN_ADDRESS": f"{LOOPBACK}:{state.port(PORTAL_HEALTH_PORT)}",
                "TOKEN_KEYS_FILE": str(identity_provider.token_keys_file(state)),
                "TOKEN_ISSUER": identity_provider.ISSUER,
                "TOKEN_AUDIENCE": identity_provider.AUDIENCE,
            }
        case _:
            return {}


def outside_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Give the variables that name outside servers, for a command of our own that must see the same ones."""
    return {name: value for name, value in variables.items() if name.startswith(("CARBONBUREAU_POSTGRES_", "CARBONBUREAU_KAFKA_"))}


def _group(variables: Mapping[str, str], group: str, *, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, str]:
    """Read one group of variables: all that are required, or none at all."""
    prefix = f"CARBONBUREAU_{group}_"
    given = {name.removeprefix(prefix): value for name, value in variables.items() if name.startswith(prefix) and value}
    if unknown := sorted(set(given) - set(required) - set(optional)):
        raise CannotRunError(f"{prefix}{unknown[0]} is not a setting of the runtime: it knows {', '.join(required + optional)}")
    if given and (missing := [name for name in required if name not in given]):
        raise CannotRunError(f"an outside server is named by {prefix}{sorted(given)[0]}, so {prefix}{missing[0]} is needed as well")
    return given


def _file(path: str) -> Path:
    found = Path(path).expanduser().resolve()
    if not found.is_file():
        raise CannotRunError(f"{found} does not exist, though a CARBONBUREAU_ variable names it")
    return found

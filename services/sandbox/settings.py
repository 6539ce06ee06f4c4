"""What the sandbox is told by its environment: CARBONBUREAU_SANDBOX_…, see README.md.

One command needs the broker, another the gateway, a third neither; so the parts are optional, and asked for where needed.
"""

from dataclasses import dataclass
from pathlib import Path

from services.common.settings import KafkaSettings, SecretFile, SecurityProtocol, SettingsError

PREFIX = "CARBONBUREAU_SANDBOX_"


@dataclass(frozen=True, kw_only=True)
class SandboxSettings:
    """Everything that may be set. `secrets_dir` holds `<provider-code>.password` for each provider that is played."""

    kafka_bootstrap_servers: tuple[str, ...] = ()
    kafka_security_protocol: SecurityProtocol = SecurityProtocol.SASL_PLAINTEXT
    kafka_ca_file: Path | None = None
    secrets_dir: str | None = None
    gateway_address: str | None = None
    gateway_ca_file: Path | None = None
    bank_certificate_file: Path | None = None
    bank_key_file: Path | None = None
    token_key_file: Path | None = None
    token_issuer: str | None = None
    token_audience: str | None = None

    def kafka_as(self, provider_code: str) -> KafkaSettings:
        """Give the access of one provider's own principal.

        Raises:
            SettingsError: the broker or the folder of secrets is not named, or the provider has no password in it.
        """
        problems = []
        if not self.kafka_bootstrap_servers:
            problems.append(f"{PREFIX}KAFKA_BOOTSTRAP_SERVERS: required by this command, and not set")
        if self.secrets_dir is None:
            problems.append(f"{PREFIX}SECRETS_DIR: required by this command, and not set")
            raise SettingsError(problems)
        password_file = Path(self.secrets_dir) / f"{provider_code}.password"
        if not password_file.is_file():
            problems.append(f"{PREFIX}SECRETS_DIR: {password_file} does not exist: is {provider_code} in the provider directory?")
        if problems:
            raise SettingsError(problems)
        return KafkaSettings(
            bootstrap_servers=self.kafka_bootstrap_servers,
            security_protocol=self.kafka_security_protocol,
            username=provider_code,
            password_file=SecretFile(password_file),
            ca_file=self.kafka_ca_file,
        )

    def bank(self) -> "BankAccess":
        """Give the access of the bank that is played.

        Raises:
            SettingsError: with one line for each setting that is missing.
        """
        address, ca = self.gateway_address, self.gateway_ca_file
        certificate, key = self.bank_certificate_file, self.bank_key_file
        if address is None or ca is None or certificate is None or key is None:
            named = {
                "GATEWAY_ADDRESS": address,
                "GATEWAY_CA_FILE": ca,
                "BANK_CERTIFICATE_FILE": certificate,
                "BANK_KEY_FILE": key,
            }
            raise SettingsError(
                [f"{PREFIX}{name}: required by this command, and not set" for name, value in named.items() if value is None]
            )
        return BankAccess(address=address, authority_file=ca, certificate_file=certificate, key_file=key)

    def tokens(self) -> "TokenAccess":
        """Give what the identity provider that is played signs with.

        Raises:
            SettingsError: with one line for each setting that is missing.
        """
        key, issuer, audience = self.token_key_file, self.token_issuer, self.token_audience
        if key is None or issuer is None or audience is None:
            named = {"TOKEN_KEY_FILE": key, "TOKEN_ISSUER": issuer, "TOKEN_AUDIENCE": audience}
            raise SettingsError(
                [f"{PREFIX}{name}: required by this command, and not set" for name, value in named.items() if value is None]
            )
        return TokenAccess(key_file=key, issuer=issuer, audience=audience)


@dataclass(frozen=True, kw_only=True)
class TokenAccess:
    """The identity provider's private key, its name, and the service that its tokens are for."""

    key_file: Path
    issuer: str
    audience: str


@dataclass(frozen=True, kw_only=True)
class BankAccess:
    """How a bank reaches the gateway: mTLS, its identity in the one URI SAN of its certificate."""

    address: str
    authority_file: Path
    certificate_file: Path
    key_file: Path

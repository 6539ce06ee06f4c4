"""What the gateway is told by its environment, CARBONBUREAU_GATEWAY_*."""

from dataclasses import dataclass
from pathlib import Path

from services.common.settings import Profile, ServiceSettings


@dataclass(frozen=True, kw_only=True)
class PortalSettings:
    """The second listener: where, and whose tokens it takes."""

    listen_address: str
    health_listen_address: str
    token_keys_path: Path
    token_issuer: str
    token_audience: str


@dataclass(frozen=True, kw_only=True)
class GatewaySettings(ServiceSettings):
    """Settings of the service. Files are looked at when they are used, so that `migrate` needs none; they are read again on change."""

    tls_certificate_file: str
    tls_key_file: str
    client_ca_file: str
    # Revocation lists of the authorities in CLIENT_CA_FILE; the sandbox may do without.
    client_crl_file: str | None = None
    subscribers_file: str
    # The second listener, for enterprises, reviewers and the supervisor: opened when all four are set. Health as on the first.
    portal_listen_address: str | None = None
    portal_health_listen_address: str = "127.0.0.1:0"
    # JWK set of the identity provider, and what its tokens must say in `iss` and `aud`.
    token_keys_file: str | None = None
    token_issuer: str | None = None
    token_audience: str | None = None
    # An answer that may lack what was issued longer ago than this says that it is stale.
    stale_after_s: float = 15.0
    # How often files are looked at for a change.
    file_poll_s: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stale_after_s <= 0 or self.file_poll_s <= 0:
            raise ValueError("STALE_AFTER_S and FILE_POLL_S are above 0")
        if self.profile is Profile.PRODUCTION and self.client_crl_file is None:
            raise ValueError("the production profile needs CLIENT_CRL_FILE: without it no certificate can be revoked")

        together = (self.portal_listen_address, self.token_keys_file, self.token_issuer, self.token_audience)
        if any(together) and not all(together):
            raise ValueError("PORTAL_LISTEN_ADDRESS, TOKEN_KEYS_FILE, TOKEN_ISSUER and TOKEN_AUDIENCE are set together or not at all")

    @property
    def subscribers_path(self) -> Path:
        return Path(self.subscribers_file)

    @property
    def portal(self) -> PortalSettings | None:
        if not (self.portal_listen_address and self.token_keys_file and self.token_issuer and self.token_audience):
            return None
        return PortalSettings(
            listen_address=self.portal_listen_address,
            health_listen_address=self.portal_health_listen_address,
            token_keys_path=Path(self.token_keys_file),
            token_issuer=self.token_issuer,
            token_audience=self.token_audience,
        )

    @property
    def client_crl_path(self) -> Path | None:
        return Path(self.client_crl_file) if self.client_crl_file is not None else None

    @property
    def tls_files(self) -> tuple[Path, Path, Path]:
        """Return the paths of the server's certificate chain, its key, and the authorities that certify subscribers."""
        return Path(self.tls_certificate_file), Path(self.tls_key_file), Path(self.client_ca_file)

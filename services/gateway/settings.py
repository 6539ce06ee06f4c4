"""What the gateway is told by its environment, CARBONBUREAU_GATEWAY_*."""

from dataclasses import dataclass
from pathlib import Path

from services.common.settings import ServiceSettings


@dataclass(frozen=True, kw_only=True)
class GatewaySettings(ServiceSettings):
    """Settings of the service. Files are looked at when they are used, so that `migrate` needs none; they are read again on change."""

    tls_certificate_file: str
    tls_key_file: str
    client_ca_file: str
    subscribers_file: str
    # An answer that may lack what was issued longer ago than this says that it is stale.
    stale_after_s: float = 15.0
    # How often files are looked at for a change.
    file_poll_s: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stale_after_s <= 0 or self.file_poll_s <= 0:
            raise ValueError("STALE_AFTER_S and FILE_POLL_S are above 0")

    @property
    def subscribers_path(self) -> Path:
        return Path(self.subscribers_file)

    @property
    def tls_files(self) -> tuple[Path, Path, Path]:
        """Return the paths of the server's certificate chain, its key, and the authorities that certify subscribers."""
        return Path(self.tls_certificate_file), Path(self.tls_key_file), Path(self.client_ca_file)

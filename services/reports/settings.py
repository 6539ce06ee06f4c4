"""What the reports service is told by its environment, CARBONBUREAU_REPORTS_*."""

from dataclasses import dataclass
from pathlib import Path

from services.common.settings import ServiceSettings


@dataclass(frozen=True, kw_only=True)
class ReportsSettings(ServiceSettings):
    """Settings of the service. Key files are looked at when they are used, so that `migrate` needs none."""

    signing_key_file: str
    published_keys_file: str
    issuer_name: str = "Carbon Credit Bureau"

    @property
    def signing_key_path(self) -> Path:
        return Path(self.signing_key_file)

    @property
    def published_keys_path(self) -> Path:
        return Path(self.published_keys_file)

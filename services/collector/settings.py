"""What the collector is told by its environment, CARBONBUREAU_COLLECTOR_*."""

from dataclasses import dataclass

from services.common.settings import ServiceSettings


@dataclass(frozen=True, kw_only=True)
class CollectorSettings(ServiceSettings):
    """Settings of the service. `intake_batch_records_max` bounds one transaction of intake."""

    intake_batch_records_max: int = 2_000

    def __post_init__(self) -> None:
        ServiceSettings.__post_init__(self)
        if not 1 <= self.intake_batch_records_max <= 5_000:
            raise ValueError("INTAKE_BATCH_RECORDS_MAX is 1 to 5000")

"""What the scoring service is told by its environment, CARBONBUREAU_SCORING_*."""

from dataclasses import dataclass

from services.common.settings import ServiceSettings


@dataclass(frozen=True, kw_only=True)
class ScoringSettings(ServiceSettings):
    """Settings of the service: those that every service has. Weights, scales and references are published files, not settings."""

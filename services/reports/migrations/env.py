"""Runs this service's history; everything is decided in services.common.migrations."""

from services.common.migrations import run_from_alembic

run_from_alembic()

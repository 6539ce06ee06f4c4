"""Alembic's entry: the mechanism does the work."""

from services.common.migrations import run_from_alembic

run_from_alembic()

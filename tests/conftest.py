"""Fixtures that every test may use (tests/servers.py says what they run), and how property tests run."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers"]

# The same examples on every machine and in every run: a failure that was seen is seen again. Speed is no property: machines are shared.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")

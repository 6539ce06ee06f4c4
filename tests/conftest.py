"""Fixtures that every test may use; see tests/servers.py for what they run."""

pytest_plugins = ["tests.servers"]

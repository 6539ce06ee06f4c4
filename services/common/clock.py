"""Hides where the time comes from, so that rules about time can be tested at any instant.

Made at `__main__` and handed in; nothing else in a service asks the operating system for the date.
"""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the present instant."""

    def now(self) -> datetime:
        """Return the present instant in UTC, in microseconds."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

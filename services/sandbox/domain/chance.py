"""Says what the domain needs of a random generator, so that one can be handed in and every run repeated.

`random.Random` fits. The domain never makes one: it asks `Generators` for the generator of a label, so that what one subject
does depends on the seed and its own label only, never on how many others there are or in which order they are made.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")

# Share and spread of the two kinds of years in `heavy_tailed`: chosen so that the variance is one, 0.8 · 0.6² + 0.2 · 1.887² = 1.
_QUIET_SHARE = 0.8
_QUIET_SD = 0.6
_LOUD_SD = 1.887


class Generator(Protocol):
    """A seeded source of chance."""

    def random(self) -> float:
        """Return a number in [0, 1)."""
        ...

    def gauss(self, mu: float = ..., sigma: float = ..., /) -> float:
        """Return a normally distributed number."""
        ...

    def randrange(self, start: int, stop: int, /) -> int:
        """Return an integer in [start, stop)."""
        ...

    def choice(self, options: Sequence[T], /) -> T:
        """Return one of `options`, which is not empty."""
        ...


Generators = Callable[[str], Generator]


def happens(generator: Generator, *, probability: float) -> bool:
    """Tell whether something of this probability happens now."""
    return generator.random() < probability


def between(generator: Generator, *, low: float, high: float) -> float:
    """Draw evenly from [low, high)."""
    return low + (high - low) * generator.random()


def heavy_tailed(generator: Generator) -> float:
    """Draw with mean 0 and variance 1 from a mixture of quiet and loud years.

    Real intensities move little in most years and much in a few; a normal law of the same variance would put nearly half of
    all years beyond ±2 %, where the Australian facilities have a quarter.
    """
    sd = _QUIET_SD if generator.random() < _QUIET_SHARE else _LOUD_SD
    return generator.gauss(0.0, sd)

"""Decides which industry benchmarks hold for a window of an account. They are a versioned data file; a faulty one is refused."""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.common.amounts import AmountError, parse_amount
from services.common.civil_time import Period

CONFIDENCES = frozenset({"primary", "transcription", "partly", "unverified"})


class BenchmarksRefusedError(Exception):
    """The file of benchmarks cannot be used; the message names the entry and why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """One benchmark. `basis` says what its denominator is; figures of two bases are never laid against each other."""

    benchmark_id: str
    metric: str
    industries: tuple[str, ...]
    product_code: str
    unit: str
    process_routes: tuple[str, ...]
    unit_class: str
    basis: str
    value_tco2_per_unit: Decimal
    valid_from_year: int
    valid_until_year: int
    source: str
    confidence: str

    def holds_for(self, *, industry_code: str, product_code: str, unit: str, process_route: str, window: Period) -> bool:
        """Tell whether it holds for every day of a window of this product."""
        of_product = (self.product_code, self.unit) == (product_code, unit) and industry_code.startswith(self.industries)
        of_route = not self.process_routes or process_route in self.process_routes
        last_year = window.end.year if (window.end.month, window.end.day) != (1, 1) else window.end.year - 1
        return of_product and of_route and self.valid_from_year <= window.start.year and last_year <= self.valid_until_year

    def clashes_with(self, other: "Benchmark") -> bool:
        """Tell whether two entries would both be the one figure for some year."""
        same = (self.metric, self.product_code, self.unit, self.process_routes, self.unit_class)
        years = self.valid_from_year <= other.valid_until_year and other.valid_from_year <= self.valid_until_year
        return years and same == (other.metric, other.product_code, other.unit, other.process_routes, other.unit_class)


@dataclass(frozen=True, kw_only=True, slots=True)
class Benchmarks:
    """All benchmarks of one edition."""

    edition: str
    entries: Sequence[Benchmark]


NO_BENCHMARKS = Benchmarks(edition="", entries=())


def parse_benchmarks(text: str) -> Benchmarks:
    """Read the file of benchmarks.

    Raises:
        BenchmarksRefusedError: an entry is incomplete, no amount, or would be a second figure for one year.
    """
    try:
        written = tomllib.loads(text)
        entries = [_entry(one) for one in written["benchmark"]]
        edition = str(written["edition"])
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise BenchmarksRefusedError(f"benchmarks cannot be read: {type(error).__name__} {error}") from error
    for problem in _problems(entries):
        raise BenchmarksRefusedError(problem)
    return Benchmarks(edition=edition, entries=entries)


def _entry(one: dict[str, Any]) -> Benchmark:
    try:
        value = parse_amount(one["value_tco2_per_unit"])
    except AmountError as error:
        raise BenchmarksRefusedError(f"{one.get('id')}: value_tco2_per_unit {error}") from error
    return Benchmark(
        benchmark_id=one["id"],
        metric=one["metric"],
        industries=tuple(one["industries"]),
        product_code=one["product_code"],
        unit=one["unit"],
        process_routes=tuple(one["process_routes"]),
        unit_class=one["unit_class"],
        basis=one["basis"],
        value_tco2_per_unit=value,
        valid_from_year=one["valid_from_year"],
        valid_until_year=one["valid_until_year"],
        source=one["source"],
        confidence=one["confidence"],
    )


def _problems(entries: Sequence[Benchmark]) -> Iterator[str]:
    for place, entry in enumerate(entries):
        if entry.value_tco2_per_unit <= 0:
            yield f"{entry.benchmark_id}: a benchmark is above 0"
        if entry.confidence not in CONFIDENCES:
            yield f"{entry.benchmark_id}: confidence {entry.confidence!r} is none of {', '.join(sorted(CONFIDENCES))}"
        if not entry.source or not entry.basis:
            yield f"{entry.benchmark_id}: source and basis are needed"
        if entry.valid_from_year > entry.valid_until_year:
            yield f"{entry.benchmark_id}: it ends before it begins"
        for other in entries[:place]:
            if entry.benchmark_id == other.benchmark_id:
                yield f"{entry.benchmark_id}: the id stands twice"
            if entry.clashes_with(other):
                yield f"{entry.benchmark_id}: {other.benchmark_id} is a figure for the same class and year"

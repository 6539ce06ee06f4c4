"""Writes the totals of a sealed statement by period, as text for people and as JSON for programs. Reads only the sealed bytes."""

import json
from collections.abc import Iterator
from typing import Any

from carbonbureau.accounts.v1 import account_pb2

from services.collector import statement_reading
from services.collector.domain.period_totals import ByPeriod, Elsewhere, Granularity, Intensity, PeriodTotals, Total
from services.collector.store.accounts import SealedRevision
from services.common.amounts import format_decimal


def totals_text(revision: SealedRevision, granularity: Granularity) -> str:
    """Write the totals of a sealed statement for people."""
    statement = account_pb2.AccountStatement.FromString(revision.statement)
    return "\n".join(_text(statement, revision, statement_reading.totals(statement, granularity))) + "\n"


def totals_json(revision: SealedRevision, granularity: Granularity) -> str:
    """Write the totals of a sealed statement as one JSON object; the same revision gives the same bytes whenever it is asked."""
    statement = account_pb2.AccountStatement.FromString(revision.statement)
    found = statement_reading.totals(statement, granularity)
    return json.dumps(
        {
            "subject_code": statement.subject_code,
            "account_revision": revision.account_revision,
            "known_at": revision.known_at.isoformat(),
            "statement_sha256": revision.statement_sha256.hex(),
            "by": granularity.value,
            "limited": statement_reading.is_limited(statement),
            "periods": [_period(one, statement, granularity) for one in found.periods],
            "elsewhere": [_elsewhere(one) for one in found.elsewhere],
        },
        ensure_ascii=False,
        sort_keys=True,
    )


# ---- JSON ----


def _period(one: PeriodTotals, statement: account_pb2.AccountStatement, granularity: Granularity) -> dict[str, Any]:
    obligation = _obligation(one, statement) if granularity is Granularity.ETS_YEAR else None
    return {
        "name": one.name,
        "start_date": one.period.start.isoformat(),
        "end_date": one.period.end.isoformat(),
        "complete": not one.missing,
        "missing": list(one.missing),
        "totals": [_total(total) for total in one.totals],
        "intensities": [_intensity(intensity) for intensity in one.intensities],
        **({"obligation": obligation} if obligation is not None else {}),
    }


def _total(total: Total) -> dict[str, Any]:
    return {
        "scope": total.scope,
        "carrier": total.carrier,
        "treatment": total.treatment,
        "amount_tco2e": format_decimal(total.amount_tco2e),
        "data_quality": total.data_quality,
        "standard_uncertainty_percent": format_decimal(total.standard_uncertainty_percent),
        "uncertainty_bound_percent": format_decimal(total.uncertainty_bound_percent),
    }


def _intensity(intensity: Intensity) -> dict[str, Any]:
    return {
        "per": intensity.per,
        "unit": intensity.unit,
        "denominator": format_decimal(intensity.denominator),
        "tco2e_per_unit": format_decimal(intensity.tco2e_per_unit),
        "data_quality": intensity.data_quality,
    }


def _elsewhere(one: Elsewhere) -> dict[str, Any]:
    return {
        "start_date": one.line.period.start.isoformat(),
        "end_date": one.line.period.end.isoformat(),
        "scope": one.line.scope,
        "carrier": one.line.energy_carrier,
        "amount_tco2e": format_decimal(one.line.amount_tco2e),
        "stands_in": one.stands_in,
    }


def _obligation(one: PeriodTotals, statement: account_pb2.AccountStatement) -> dict[str, str] | None:
    for year in statement.allowances.years:
        if year.ets_year == one.period.start.year:
            return {name: getattr(year, name) for name in ("verified_t", "surrendered_t", "offset_counted_t", "surrender_gap_t")}
    return None


# ---- Text ----


def _text(statement: account_pb2.AccountStatement, revision: SealedRevision, found: ByPeriod) -> Iterator[str]:
    yield f"carbon account of {statement.subject_code} by {found.granularity.value}"
    yield f"  revision {revision.account_revision} sealed {revision.known_at.isoformat()}  sha256 {revision.statement_sha256.hex()}"
    if statement_reading.is_limited(statement):
        yield "  the statement leaves out its oldest lines: the oldest periods are incomplete"
    for one in found.periods:
        yield f"\n{one.name}  {'complete' if not one.missing else 'INCOMPLETE: ' + '; '.join(one.missing)}"
        for total in one.totals:
            yield f"  {_named(total):<28} {format_decimal(total.amount_tco2e):>20} t CO2e  ±{total.standard_uncertainty_percent} % " + (
                f"(at most {total.uncertainty_bound_percent} %)  quality {total.data_quality}"
            )
        for intensity in one.intensities:
            yield f"  per {intensity.unit} of {intensity.per.removeprefix('output of '):<20} {intensity.tco2e_per_unit:>16} t CO2e" + (
                f"  quality {intensity.data_quality}"
            )
        if found.granularity is Granularity.ETS_YEAR and (obligation := _obligation(one, statement)) is not None:
            yield "  " + "  ".join(f"{name.removesuffix('_t')} {value or '-'}" for name, value in obligation.items())
    if found.elsewhere:
        yield f"\nfigures that cross a border of a {found.granularity.value}"
    for elsewhere in found.elsewhere:
        line = elsewhere.line
        yield (
            f"  {line.period.start} to {line.period.end}  scope {line.scope}  {line.energy_carrier or '-'}  {line.amount_tco2e} t CO2e"
            f"  stands in {elsewhere.stands_in or 'no period'}"
        )


def _named(total: Total) -> str:
    if total.scope is None:
        return "all scopes"
    name = f"scope {total.scope}" if total.carrier is None else f"scope {total.scope} {total.carrier or '(no carrier)'}"
    return name if total.treatment == "IN_TOTAL" else f"{name} ({total.treatment.lower()})"

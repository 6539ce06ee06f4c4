"""Writes the statement of an account as text for people at a terminal. Reads only the sealed bytes, like any other reader."""

from collections.abc import Iterator, Mapping, Sequence

from carbonbureau.accounts.v1 import account_pb2

from services.collector.domain.disclosure import Accountable
from services.collector.store.accounts import SealedRevision
from services.collector.tables_text import table

_LINES_SHOWN_MAX = 60


def statement_text(revision: SealedRevision) -> str:
    """Write a sealed statement: who, figures by window, newest lines, findings, evidence."""
    statement = account_pb2.AccountStatement.FromString(revision.statement)
    return "\n".join(_sections(statement, revision)) + "\n"


def evidence_text(evidence: Mapping[tuple[Accountable, str, str], int]) -> str:
    """Write who answers for the submissions that count now, by provider and kind."""
    rows = sorted((who.value, provider_code, kind, str(number)) for (who, provider_code, kind), number in evidence.items())
    return "\n".join(["\nwho answers for the evidence", *table(("accountable", "provider", "kind", "submissions"), rows)]) + "\n"


def _sections(statement: account_pb2.AccountStatement, revision: SealedRevision) -> Iterator[str]:
    profile = statement.profile
    yield f"carbon account of {statement.subject_code}  {profile.name or '(not in the directory)'}"
    yield f"  subject {statement.subject_id}  industry {profile.industry_code or '-'}  city {profile.city_code or '-'}"
    yield f"  revision {revision.account_revision} sealed {revision.known_at.isoformat()}  sha256 {revision.statement_sha256.hex()}"
    yield f"  evidence: {statement.evidence_count} submissions, Merkle root {statement.evidence_root.hex()}"
    yield "\nper 12-month window"
    yield from table(
        ("from", "to", "scope 1 t", "scope 2 t", "market 2 t", "biomass t", "scope 3 t", "output", "unit", "t/unit", "months", "quality"),
        [
            (
                one.period.start_date,
                one.period.end_date,
                one.scope1_tco2e,
                one.scope2_tco2e,
                one.scope2_market_based_tco2e or "-",
                one.biomass_tco2 or "-",
                one.scope3_tco2e or "-",
                one.output_amount or "-",
                one.output_unit or "-",
                one.intensity_tco2e_per_unit or "-",
                str(one.months_covered),
                str(one.data_quality),
            )
            for one in statement.annual_figures
        ],
    )
    yield f"\nemissions, newest {_LINES_SHOWN_MAX} of {len(statement.lines)} lines"
    yield from _lines(statement.lines)
    if statement.beside_lines:
        yield f"\nbeside the totals, newest {_LINES_SHOWN_MAX} of {len(statement.beside_lines)} lines"
        yield from _lines(statement.beside_lines)
    yield from _comparisons(statement.comparisons)
    yield from _allowances(statement.allowances)
    yield f"\nfindings: {len(statement.findings)} open"
    for finding in statement.findings:
        yield f"  {finding.severity:<8} {finding.rule_id:<32} {finding.period.start_date or '':<10} {finding.message}"


def _comparisons(compared: Sequence[account_pb2.WindowComparison]) -> Iterator[str]:
    for one in compared:
        yield f"\nwindow {one.window.start_date} to {one.window.end_date} compared"
        for name, change in (("the window before", one.previous), ("the base year", one.base_year)):
            if change.against.start_date:
                yield (
                    f"  against {name}, from {change.against.start_date}: emissions {change.emissions_percent or '-'} %, "
                    f"intensity {change.intensity_percent or '-'} %  quality {change.data_quality}"
                )
        for position in one.benchmarks:
            yield (
                f"  {position.ratio} of benchmark {position.value_tco2_per_unit} ({position.unit_class or position.benchmark_id}; "
                f"{position.basis}; {position.confidence})  edition {position.edition}"
            )
        if one.peers.snapshot_id:
            told = f"quartiles {one.peers.p25}, {one.peers.p50}, {one.peers.p75}"
            yield f"  {one.peers.band} of {one.peers.count_band} peers, {told}  {one.peers.month} edition {one.peers.edition}"


def _allowances(account: account_pb2.AllowanceAccount) -> Iterator[str]:
    if not (account.years or account.pledges):
        return
    yield f"\nallowances by ETS year, t; overdrawn in all {account.overdrawn_t}, certified reductions held {account.offset_held_t}"
    yield from table(
        ("year", "held", "overdrawn", "borrowed", "pledged", "frozen", "verified", "surrendered", "offset", "gap"),
        [
            (
                str(one.ets_year),
                one.held_t or "-",
                one.overdrawn_t or "-",
                one.borrowed_t,
                one.pledged_t,
                one.frozen_t,
                one.verified_t or "-",
                one.surrendered_t,
                one.offset_counted_t or "-",
                one.surrender_gap_t or "-",
            )
            for one in account.years
        ],
    )
    for pledge in account.pledges:
        yield f"  pledge {pledge.pledge_number or '(without number)'}  ETS year {pledge.ets_year}  {pledge.pledged_t} t"


def _lines(lines: Sequence[account_pb2.StatementLine]) -> Iterator[str]:
    return table(
        ("from", "to", "scope", "carrier", "gas", "t CO2e", "±%", "quality", "method", "facility"),
        [
            (
                one.period.start_date,
                one.period.end_date,
                _scope(one),
                one.energy_carrier or "-",
                one.gas,
                one.amount_tco2e,
                one.standard_uncertainty_percent,
                str(one.data_quality),
                one.method_code,
                one.facility_id[:8],
            )
            for one in lines[-_LINES_SHOWN_MAX:]
        ],
    )


def _scope(line: account_pb2.StatementLine) -> str:
    match line.treatment:
        case account_pb2.TREATMENT_BIOMASS:
            return f"{line.scope} biomass"
        case account_pb2.TREATMENT_MARKET_BASED:
            return f"{line.scope} market"
        case account_pb2.TREATMENT_VALUE_CHAIN:
            return f"{line.scope}.{line.category}"
        case _:
            return str(line.scope)

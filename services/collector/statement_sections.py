"""Writes the sections of a statement that stand beside its emissions: allowances, taxes, positions. Decides nothing."""

from collections.abc import Callable
from decimal import Decimal

from carbonbureau.accounts.v1 import account_pb2
from carbonbureau.common.v1 import period_pb2

from services.collector.domain.allowance import EtsYear, overdrawn_t
from services.collector.domain.comparison import BenchmarkPosition, OwnChange, PeerPosition, WindowComparison
from services.collector.domain.fiscal import FiscalLine
from services.collector.domain.posting import AMOUNT_SCALE
from services.collector.domain.statement import Statement
from services.common.amounts import format_amount, format_decimal, quantise
from services.common.civil_time import Period

PeriodWriter = Callable[[Period], period_pb2.Period]

_YUAN_SCALE = 2


def allowances(content: Statement) -> account_pb2.AllowanceAccount | None:
    """Write the allowance account; None where nothing is known of any."""
    if not (content.ets_years or content.pledges or content.offset_held_t):
        return None
    return account_pb2.AllowanceAccount(
        years=[_ets_year(year) for year in content.ets_years],
        pledges=[
            account_pb2.PledgedAllowances(pledge_number=one.pledge_number, ets_year=one.ets_year, pledged_t=_tonnes(one.pledged_t))
            for one in content.pledges
        ],
        overdrawn_t=_tonnes(overdrawn_t(content.ets_years)),
        offset_held_t=_tonnes(content.offset_held_t),
    )


def _ets_year(year: EtsYear) -> account_pb2.EtsYearFigures:
    return account_pb2.EtsYearFigures(
        ets_year=year.ets_year,
        granted_t=_tonnes(year.granted_t),
        bought_t=_tonnes(year.bought_t),
        sold_t=_tonnes(year.sold_t),
        held_t=_tonnes(year.held_t),
        overdrawn_t=_tonnes(year.overdrawn_t),
        borrowed_t=_tonnes(year.borrowed_t),
        pledged_t=_tonnes(year.pledged_t),
        frozen_t=_tonnes(year.frozen_t),
        verified_t=_tonnes(year.verified_t),
        surrendered_t=_tonnes(year.surrendered_t),
        offset_retired_t=_tonnes(year.offset_retired_t),
        offset_counted_t=_tonnes(year.offset_counted_t),
        surrender_gap_t=_tonnes(year.surrender_gap_t),
    )


def _tonnes(amount: Decimal | None) -> str:
    return format_amount(quantise(amount, AMOUNT_SCALE)) if amount is not None else ""


def fiscal_line(line: FiscalLine, period: period_pb2.Period) -> account_pb2.FiscalLine:
    """Write what tax returns state for a period."""
    return account_pb2.FiscalLine(
        period=period,
        revenue_yuan=_yuan(line.revenue_yuan),
        value_added_yuan=_yuan(line.value_added_yuan),
        tax_paid_yuan=_yuan(line.tax_paid_yuan),
        data_quality=line.data_quality,
    )


def _yuan(amount: Decimal | None) -> str:
    return format_amount(quantise(amount, _YUAN_SCALE)) if amount is not None else ""


def comparison(compared: WindowComparison, period: PeriodWriter) -> account_pb2.WindowComparison:
    """Write how a window compares."""
    return account_pb2.WindowComparison(
        window=period(compared.window),
        previous=_own_change(compared.previous, period),
        base_year=_own_change(compared.base_year, period),
        benchmarks=[_benchmark(position) for position in compared.benchmarks],
        peers=None if compared.peers is None else _peers(compared.peers),
    )


def _own_change(change: OwnChange | None, period: PeriodWriter) -> account_pb2.OwnChange | None:
    if change is None:
        return None
    return account_pb2.OwnChange(
        against=period(change.against),
        emissions_percent=format_amount(change.emissions_percent) if change.emissions_percent is not None else "",
        intensity_percent=format_amount(change.intensity_percent) if change.intensity_percent is not None else "",
        data_quality=change.data_quality,
    )


def _benchmark(position: BenchmarkPosition) -> account_pb2.BenchmarkPosition:
    return account_pb2.BenchmarkPosition(
        edition=position.edition,
        benchmark_id=position.benchmark.benchmark_id,
        unit_class=position.benchmark.unit_class,
        basis=position.benchmark.basis,
        value_tco2_per_unit=format_amount(position.benchmark.value_tco2_per_unit),
        ratio=format_amount(position.ratio),
        source=position.benchmark.source,
        confidence=position.benchmark.confidence,
    )


def _peers(position: PeerPosition) -> account_pb2.PeerPosition:
    snapshot = position.snapshot
    assert snapshot.quartiles is not None, "nothing is told of a group that is withheld"
    return account_pb2.PeerPosition(
        snapshot_id=str(snapshot.snapshot_id),
        month=f"{snapshot.month:%Y-%m}",
        edition=snapshot.edition,
        count_band=snapshot.count_band(),
        p25=format_decimal(snapshot.quartiles.p25),
        p50=format_decimal(snapshot.quartiles.p50),
        p75=format_decimal(snapshot.quartiles.p75),
        band=position.band,
    )

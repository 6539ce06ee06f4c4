"""Comparison with the own past, with benchmarks and with peers: positions only, pinned to what they were laid against."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.collector import accounts
from services.collector.__main__ import benchmarks
from services.collector.domain.benchmark import BenchmarksRefusedError, parse_benchmarks
from services.collector.domain.comparison import WindowComparison, Yardsticks, comparisons
from services.collector.domain.peers import Group, Peer, PeerSnapshot, Withheld, band, snapshot
from services.common.civil_time import Period
from tests.unit.collector.submissions import CODE, Sent, days, entry, output, plan, reported, view_of, year

FILE = Path("services/collector/domain/benchmarks.toml")
SHARED = Path(__file__).parents[4] / "shared" / "data" / "benchmarks.csv"
COAL = Group("441", "electricity", "MWh")
BENCHMARKS = benchmarks()


def plant(*years: tuple[int, str, str], industry: str = "4411", route: str = "coal", product: str = "electricity") -> list[Sent]:
    """Make a plant with yearly output and emissions."""
    sent: list[Sent] = [("ndrc", entry(industry=industry))]
    for number, made, emitted in years:
        sent.append(("stats", output(made, route=route, product=product, period=year(number))))
        sent.append(("eco", reported(emitted, period=year(number))))
    return sent


def compared(sent: Iterable[Sent], **peers: PeerSnapshot) -> list[WindowComparison]:
    known = {one.group: one for one in peers.values()}
    return comparisons(view_of(sent), Yardsticks(benchmarks=BENCHMARKS, peers=known))


def peer(number: int, intensity: str, emissions: str = "100") -> Peer:
    return Peer(
        subject_id=UUID(int=number), account_revision=1, intensity_tco2e_per_unit=Decimal(intensity), emissions_tco2e=Decimal(emissions)
    )


def made_of(*intensities: str, edition: int = 1) -> PeerSnapshot:
    peers = [peer(number, intensity) for number, intensity in enumerate(intensities, start=1)]
    return snapshot(month=date(2024, 3, 1), edition=edition, group=COAL, peers=peers)


class TestOwnPast:
    def test_is_the_change_against_the_window_before_and_the_base_year(self) -> None:
        sent = [*plant((2022, "1000", "1000"), (2023, "1000", "900"), (2024, "2000", "1620")), ("ndrc", plan())]
        newest = compared(sent)[-1]
        assert newest.previous is not None
        assert (newest.previous.emissions_percent, newest.previous.intensity_percent) == (Decimal("80.00"), Decimal("-10.00"))
        assert newest.base_year is not None
        assert (newest.base_year.against.start.year, newest.base_year.intensity_percent) == (2022, Decimal("-19.00"))
        assert newest.base_year.data_quality == 4

    def test_is_not_compared_across_a_hole_or_with_another_product(self) -> None:
        sent = [*plant((2022, "1000", "1000")), *plant((2024, "1000", "1620"))[1:]]
        assert all(one.previous is None for one in compared(sent))
        changed = [*plant((2023, "1000", "1000"), industry="26"), *plant((2024, "9", "1620"), product="methanol")[1:]]
        (newest,) = compared(changed)
        assert newest.previous is not None
        assert (newest.previous.emissions_percent, newest.previous.intensity_percent) == (Decimal("62.00"), None)

    def test_of_nothing_before_is_no_change(self) -> None:
        assert all(one.previous is None for one in compared(plant((2023, "1000", "0"), (2024, "1000", "5"))))


class TestBenchmarks:
    def test_hold_for_the_year_route_and_basis_they_were_made_for(self) -> None:
        by_year = {
            one.window.start.year: one for one in compared(plant((2022, "1000", "900"), (2023, "1000", "795"), (2024, "1000", "791")))
        }
        assert {one.benchmark.basis for one in by_year[2022].benchmarks if one.benchmark.metric == "ETS benchmark"} == {
            "electricity supplied"
        }
        ratios = {one.benchmark.benchmark_id: one.ratio for one in by_year[2024].benchmarks}
        assert ratios == {
            "ets-2024-coal-above-300": Decimal("1.0000"),
            "ets-2024-coal-up-to-300": Decimal("0.9827"),
            "ets-2024-coal-unconventional": Decimal("0.9595"),
        }
        assert {one.benchmark.basis for one in by_year[2024].benchmarks} == {"electricity generated"}

    def test_never_hold_for_a_window_across_the_change_of_basis(self) -> None:
        period = days("2022-07-01", "2023-07-01")
        sent: list[Sent] = [("ndrc", entry()), ("stats", output("1000", period=period)), ("eco", reported("900", period=period))]
        assert compared(sent) == []

    def test_do_not_hold_after_their_last_year_or_for_another_route(self) -> None:
        assert [one.benchmarks for one in compared(plant((2024, "1000", "900"), (2025, "1000", "900")))][-1] == []
        assert compared(plant((2024, "1000", "9"), route="wind")) == []

    def test_are_quoted_as_they_stand_in_the_shared_file(self) -> None:
        if not SHARED.exists():
            pytest.skip("the shared file of benchmarks is not here")
        rows = list(csv.DictReader(SHARED.open(encoding="utf-8")))
        quoted = {(Decimal(row["value"]), int(float(row["valid_from"] or 0)), row["confidence"]) for row in rows if row["value"]}
        for one in BENCHMARKS.entries:
            value = one.value_tco2_per_unit * (1000 if one.benchmark_id.startswith("cec-") else 1)
            assert (value, one.valid_from_year, one.confidence) in quoted, one.benchmark_id

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            (("0.877", "-1"), "above 0"),
            (("0.877", "a lot"), "value_tco2_per_unit"),
            (('confidence = "transcription"', 'confidence = "sure"'), "confidence"),
            (('id = "ets-2020-gas"', 'id = "ets-2019-gas"'), "stands twice"),
            (("valid_until_year = 2019", "valid_until_year = 2020"), "for the same class and year"),
            (("valid_from_year = 2019", "valid_from_year = 2021"), "ends before it begins"),
            (('basis = "electricity supplied"', 'basis = ""'), "source and basis"),
            (('metric = "ETS benchmark"\n', ""), "metric"),
        ],
    )
    def test_of_a_faulty_file_are_refused(self, change: tuple[str, str], why: str) -> None:
        with pytest.raises(BenchmarksRefusedError, match=why):
            parse_benchmarks(FILE.read_text(encoding="utf-8").replace(change[0], change[1], 1))


class TestPeers:
    def test_place_the_newest_window_among_the_quarters(self) -> None:
        sent = plant((2023, "1000", "900"), (2024, "1000", "800"))
        among = made_of("0.70", "0.75", "0.80", "0.85", "0.90", "0.95")
        older, newest = compared(sent, coal=among)
        assert older.peers is None
        assert newest.peers is not None
        assert (newest.peers.band, newest.peers.snapshot.snapshot_id) == ("Q2", among.snapshot_id)

    @pytest.mark.parametrize(("intensity", "quarter"), [("0.1", "Q1"), ("0.75", "Q1"), ("0.76", "Q2"), ("0.85", "Q3"), ("9", "Q4")])
    def test_know_every_quarter(self, intensity: str, quarter: str) -> None:
        quartiles = made_of("0.70", "0.75", "0.80", "0.85", "0.90").quartiles
        assert quartiles is not None
        assert band(Decimal(intensity), quartiles) == quarter

    def test_below_five_are_not_told_of(self) -> None:
        few = made_of("0.7", "0.8", "0.9", "1.0")
        assert (few.withheld, few.quartiles) == (Withheld.TOO_FEW, None)
        assert compared(plant((2025, "1000", "801")), coal=few) == []

    def test_of_whom_one_is_nearly_all_are_not_told_of(self) -> None:
        """p-percent rule: the second largest takes its own off the total, and knows the largest to within what the others make up."""
        peers = [peer(1, "0.8", "1000"), peer(2, "0.9", "500"), *(peer(number, "0.7", "33") for number in (3, 4, 5))]
        dominated = snapshot(month=date(2024, 3, 1), edition=1, group=COAL, peers=peers)
        assert dominated.withheld is Withheld.DOMINATED
        enough = [*peers, peer(6, "0.7", "1")]
        assert snapshot(month=date(2024, 3, 1), edition=1, group=COAL, peers=enough).withheld is Withheld.NO

    @given(st.lists(st.integers(1, 10**7), min_size=5, max_size=40, unique=True))
    def test_are_told_of_by_values_that_are_nobody_s_and_in_order(self, grams: list[int]) -> None:
        ordered = [Decimal(one).scaleb(-6) for one in sorted(grams)]
        told = made_of(*(str(one) for one in ordered)).quartiles
        assert told is not None
        assert told.p25 <= told.p50 <= told.p75
        for value in (told.p25, told.p50, told.p75):
            assert len(value.as_tuple().digits) <= 2
            # At least three peers stand behind each value: moving any one of them alone can explain it.
            assert ordered[0] * Decimal("0.94") <= value <= ordered[-1] * Decimal("1.06")

    def test_make_another_snapshot_when_an_account_was_revised(self) -> None:
        first = made_of("0.7", "0.8", "0.9", "1.0", "1.1")
        assert made_of("0.7", "0.8", "0.9", "1.0", "1.1").snapshot_id == first.snapshot_id
        assert made_of("0.7", "0.8", "0.9", "1.0", "1.1", edition=2).snapshot_id != first.snapshot_id


def test_the_statement_names_edition_and_snapshot_beside_every_position() -> None:
    among = made_of("0.70", "0.75", "0.80", "0.85", "0.90", "0.95")
    view = view_of(plant((2023, "1000", "900"), (2024, "1000", "801")))
    stated = accounts.state(view, code=CODE, against=Yardsticks(benchmarks=BENCHMARKS, peers={COAL: among})).message
    newest = stated.comparisons[-1]
    assert newest.peers.snapshot_id == str(among.snapshot_id)
    assert (newest.peers.month, newest.peers.edition, newest.peers.count_band) == ("2024-03", 1, "5-9")
    assert {position.edition for position in newest.benchmarks} == {BENCHMARKS.edition}
    assert all(position.source and position.confidence for position in newest.benchmarks)


def test_a_window_is_a_period_of_the_annual_figures() -> None:
    (found,) = compared(plant((2024, "1000", "801")))
    assert found.window == Period(start=date(2024, 1, 1), end=date(2025, 1, 1), zone="Asia/Shanghai")

"""The replay of the real facility records says exactly what the file says."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from carbonbureau.intake.v1 import submission_pb2

from services.sandbox import wire
from services.sandbox.domain import nger
from services.sandbox.domain.nger import BadRow, FacilityYear, read_row, replay_plan
from services.sandbox.domain.statements import Expected, Kind, PlannedSubmission, Submission
from services.sandbox.replay import Replay, ReplayFileError, plan_replay

FILE = Path(__file__).resolve().parents[4] / "shared" / "data" / "nger_facility_fy2015_2021.csv"

ROW = {
    "facility_id": "bremer bay wind diesel|WA",
    "facility": "Bremer Bay Wind/Diesel",
    "reporting_entity": "OPERATOR PTY LTD",
    "state": "WA",
    "fuel": "Wind/Diesel",
    "fy_end_year": "2020",
    "generation_mwh": "163662.0",
    "scope1_t": "0.0",
    "scope2_t": "533.0",
}


def row(**changed: str) -> FacilityYear:
    read = read_row({**ROW, **changed}, line=2)
    assert isinstance(read, FacilityYear)
    return read


def submissions(planned: list[PlannedSubmission], kind: Kind) -> list[Submission]:
    return [one.message for one in planned if isinstance(one.message, Submission) and one.message.kind is kind]


class TestReadRow:
    def test_keeps_the_digits_of_the_file(self) -> None:
        assert f"{row().generation_mwh:f}" == "163662.0"

    def test_takes_the_financial_year_in_the_zone_of_the_state(self) -> None:
        period = row().period
        assert (period.start, period.end, period.zone) == (date(2019, 7, 1), date(2020, 7, 1), "Australia/Perth")

    @pytest.mark.parametrize("changed", [{"state": "ZZ"}, {"scope1_t": "1e308"}, {"fy_end_year": "20x"}, {"facility_id": ""}])
    def test_refuses_what_cannot_be_read(self, changed: dict[str, str]) -> None:
        assert isinstance(read_row({**ROW, **changed}, line=2), BadRow)

    def test_gives_every_fuel_of_the_file_a_power_industry(self) -> None:
        assert set(nger.INDUSTRY_OF_FUEL.values()) <= {"4411", "4413", "4415", "4416", "4417", "4419"}


class TestReplayPlan:
    def test_keeps_one_subject_for_a_facility_whose_owner_changes_and_says_who_operates_it(self) -> None:
        planned = replay_plan(
            [row(), row(fy_end_year="2021", reporting_entity="ANOTHER LTD"), row(fy_end_year="2022", reporting_entity="ANOTHER LTD")]
        )
        assert len({one.key for one in planned}) == 1
        names = [message.content.name for message in submissions(planned, Kind.REGISTRY_ENTRY) if hasattr(message.content, "name")]
        assert names == ["Bremer Bay Wind/Diesel (OPERATOR PTY LTD)", "Bremer Bay Wind/Diesel (ANOTHER LTD)"]

    def test_keeps_figures_by_fuel_when_the_fuel_changes(self) -> None:
        planned = replay_plan([row(), row(fy_end_year="2021", fuel="Wind"), row(fy_end_year="2022", fuel="Diesel")])
        carriers = [getattr(message.content, "energy_carrier", "") for message in submissions(planned, Kind.REPORTED_EMISSIONS)]
        routes = [getattr(message.content, "process_route", "") for message in submissions(planned, Kind.OUTPUT)]
        assert carriers == routes == ["wind_diesel", "wind", "diesel"]

    def test_makes_the_same_bytes_whatever_the_order_of_the_rows(self) -> None:
        rows = [row(fy_end_year=str(year)) for year in (2019, 2020, 2021)]
        assert [wire.message_bytes(one) for one in replay_plan(rows)] == [wire.message_bytes(one) for one in replay_plan(rows[::-1])]


class TestPlanReplay:
    @pytest.mark.parametrize("text", ["", "a,b\n1,2\n", ",".join(ROW) + "\n"])
    def test_refuses_a_file_that_is_none_of_facility_records(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "file.csv").write_text(text)
        with pytest.raises(ReplayFileError):
            plan_replay(tmp_path / "file.csv")


@pytest.fixture(scope="module")
def replay() -> Replay:
    if not FILE.exists():
        pytest.skip("../shared/data with the real facility records is not on this machine")
    return plan_replay(FILE)


@pytest.fixture(scope="module")
def file_rows() -> list[dict[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def decoded(replay: Replay) -> Iterator[submission_pb2.Submission]:
    for planned in replay.submissions:
        yield submission_pb2.Submission.FromString(wire.message_bytes(planned))


class TestReplayOfTheRealFile:
    def test_equals_the_file_by_facility_fuel_and_year(self, replay: Replay, file_rows: list[dict[str, str]]) -> None:
        """Summed from the bytes that are sent, scope 1 and 2 apart, against the file's own columns."""
        sent: dict[tuple[str, str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
        for message in decoded(replay):
            year = message.period.end_date[:4]
            if message.HasField("output"):
                sent[message.subject_code, message.output.process_route, year][0] += Decimal(message.output.electricity_mwh)
            if message.HasField("reported_emissions"):
                emissions = message.reported_emissions
                sums = sent[message.subject_code, emissions.energy_carrier, year]
                sums[1] += Decimal(emissions.scope1_tco2e)
                sums[2] += Decimal(emissions.scope2_tco2e)
        code_of = {one.facility_id: one.code for one in replay.rows}
        expected: dict[tuple[str, str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
        for line in file_rows:
            fuel = line["fuel"].lower().replace("/", "_").replace(" ", "_")
            sums = expected[code_of[line["facility_id"]], fuel, line["fy_end_year"]]
            for place, column in enumerate(("generation_mwh", "scope1_t", "scope2_t")):
                sums[place] += Decimal(line[column])
        assert sent == expected

    def test_gives_each_facility_a_subject_of_its_own(self, replay: Replay) -> None:
        assert len({planned.key for planned in replay.submissions}) == replay.owners.facilities == 656

    def test_says_how_many_owners_change(self, replay: Replay) -> None:
        assert replay.owners.changed == 432
        assert any("owners change" in line for line in replay.summary())

    def test_expects_every_record_to_be_accepted(self, replay: Replay) -> None:
        assert {planned.expected for planned in replay.submissions} == {Expected.ACCEPTED}
        keys = {(message.record_number, message.WhichOneof("content")) for message in decoded(replay)}
        assert len(keys) == len(replay.submissions)

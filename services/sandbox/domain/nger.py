"""Decides how real facility records are replayed: which subject a facility plays and which submissions its figures become. Pure.

The records are those of Australian designated generation facilities (Clean Energy Regulator, CC BY 4.0). They lie outside the
province, so each facility plays a subject of its own in the made-up region 999000, with a code that is a function of the
facility alone: owners come and go in 432 of 656 cases, the plant stays one subject. Everything is a function of the file, so a
second replay sends the same bytes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from itertools import groupby

from services.common.amounts import AmountError, parse_amount
from services.common.civil_time import Period
from services.sandbox.domain.statements import (
    Basis,
    Content,
    Expected,
    FacilityOwnership,
    Kind,
    Output,
    PlannedSubmission,
    RegistryEntry,
    ReportedEmissions,
    Submission,
    topic_of,
)
from services.sandbox.domain.subject_codes import subject_code

PROVIDER = "cer-au"
REGION = "999000"
STANDARD = "NGER-ACT-2007"
COLUMNS = ("facility_id", "facility", "reporting_entity", "state", "fuel", "fy_end_year", "generation_mwh", "scope1_t", "scope2_t")

# Where the plant stands decides in which zone its financial year begins.
ZONES = {
    "ACT": "Australia/Sydney",
    "NSW": "Australia/Sydney",
    "NT": "Australia/Darwin",
    "QLD": "Australia/Brisbane",
    "SA": "Australia/Adelaide",
    "TAS": "Australia/Hobart",
    "VIC": "Australia/Melbourne",
    "WA": "Australia/Perth",
}

# GB/T 4754-2017 class of electricity generation by fuel; mixed and unknown fuels are other power, 4419.
_THERMAL, _HYDRO, _WIND, _SOLAR, _BIOMASS, _OTHER = "4411", "4413", "4415", "4416", "4417", "4419"
INDUSTRY_OF_FUEL = {
    "Black Coal": _THERMAL,
    "Brown Coal": _THERMAL,
    "Coal Seam Methane": _THERMAL,
    "Diesel": _THERMAL,
    "Gas": _THERMAL,
    "Gas/Diesel": _THERMAL,
    "Kerosene": _THERMAL,
    "Liquid Fuel": _THERMAL,
    "Waste Coal Mine Gas": _THERMAL,
    "Hydro": _HYDRO,
    "Wind": _WIND,
    "Wind/Diesel": _WIND,
    "Solar": _SOLAR,
    "Bagasse": _BIOMASS,
    "Biofuel": _BIOMASS,
    "Biogas": _BIOMASS,
    "Landfill Gas": _BIOMASS,
    "Macadamia Nut Shells": _BIOMASS,
    "Sludge Biogas": _BIOMASS,
}


@dataclass(frozen=True, kw_only=True)
class FacilityYear:
    """One row of the file: a facility in one financial year, 1 July to 30 June, named by the year in which it ends."""

    facility_id: str
    facility: str
    operator: str
    state: str
    fuel: str
    end_year: int
    generation_mwh: Decimal
    scope1_tco2e: Decimal
    scope2_tco2e: Decimal

    @property
    def code(self) -> str:
        return subject_code(name=f"nger/{self.facility_id}", region_code=REGION)

    @property
    def fuel_label(self) -> str:
        """The fuel as process routes and energy carriers are written: lower case, words joined by underscores."""
        return self.fuel.lower().replace("/", "_").replace(" ", "_")

    @property
    def period(self) -> Period:
        return Period(start=date(self.end_year - 1, 7, 1), end=date(self.end_year, 7, 1), zone=ZONES[self.state])


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be replayed, with the reason. Odd figures are no reason; unreadable ones are."""

    line: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Owners:
    """How the operators of the file's facilities change over the years, by their names as reported."""

    facilities: int
    changed: int
    # Facilities whose operators differ by more than capitals, points and the words for "limited".
    changed_beyond_spelling: int


def read_row(row: Mapping[str, str], *, line: int) -> FacilityYear | BadRow:
    """Read one row; amounts keep the digits they have in the file."""
    if missing := [column for column in COLUMNS if row.get(column) in (None, "")]:
        return BadRow(line, f"no {', '.join(missing)}")
    if row["state"] not in ZONES:
        return BadRow(line, f"unknown state {row['state']!r}")
    if not (row["fy_end_year"].isascii() and row["fy_end_year"].isdigit()):
        return BadRow(line, f"financial year ends in {row['fy_end_year']!r}")
    try:
        amounts = [parse_amount(row[column]) for column in ("generation_mwh", "scope1_t", "scope2_t")]
    except AmountError as error:
        return BadRow(line, error.reason)
    return FacilityYear(
        facility_id=row["facility_id"],
        facility=row["facility"],
        operator=row["reporting_entity"],
        state=row["state"],
        fuel=row["fuel"],
        end_year=int(row["fy_end_year"]),
        generation_mwh=amounts[0],
        scope1_tco2e=amounts[1],
        scope2_tco2e=amounts[2],
    )


def replay_plan(rows: Iterable[FacilityYear]) -> list[PlannedSubmission]:
    """Plan the replay, oldest year first. All records are well formed, however odd their figures: none may be rejected."""
    by_facility = sorted(rows, key=lambda row: (row.facility_id, row.end_year))
    submissions: list[tuple[int, Submission]] = []
    for _, group in groupby(by_facility, key=lambda row: row.facility_id):
        years = list(group)
        submissions += [(row.end_year, entry) for row, entry in _registry_entries(years)]
        submissions += [(row.end_year, figure) for row in years for figure in _figures(row)]
    submissions.sort(key=lambda pair: pair[0])
    return [
        PlannedSubmission(
            send_order=place,
            topic=topic_of(provider_code=PROVIDER, kind=submission.kind),
            provider_code=PROVIDER,
            key=submission.subject_code,
            message=submission,
            expected=Expected.ACCEPTED,
        )
        for place, (_, submission) in enumerate(submissions)
    ]


def owners(rows: Iterable[FacilityYear]) -> Owners:
    """Count how many facilities appear under more than one operator."""
    as_reported: dict[str, set[str]] = {}
    compared: dict[str, set[str]] = {}
    for row in rows:
        as_reported.setdefault(row.facility_id, set()).add(row.operator)
        compared.setdefault(row.facility_id, set()).add(_bare_name(row.operator))
    return Owners(
        facilities=len(as_reported),
        changed=sum(len(names) > 1 for names in as_reported.values()),
        changed_beyond_spelling=sum(len(names) > 1 for names in compared.values()),
    )


def _bare_name(operator: str) -> str:
    words = "".join(character if character.isalnum() else " " for character in operator.upper()).split()
    return " ".join(word for word in words if word not in ("PTY", "LTD", "LIMITED", "PROPRIETARY", "THE"))


def _registry_entries(years: Sequence[FacilityYear]) -> Iterator[tuple[FacilityYear, Submission]]:
    """One entry when the facility first appears and one each time its operator, name or industry changes."""
    before: tuple[str, str] | None = None
    for row in years:
        name = f"{row.facility} ({row.operator})"
        industry = INDUSTRY_OF_FUEL.get(row.fuel, _OTHER)
        if (name, industry) == before:
            continue
        before = (name, industry)
        content = RegistryEntry(
            effective=row.period.start,
            name=name,
            industry_code=industry,
            city_code=REGION,
            size="",
            facilities=(FacilityOwnership(facility_number=_facility_number(row), owned_from=years[0].period.start, owned_until=None),),
        )
        yield row, _submission(row, Kind.REGISTRY_ENTRY, content)


def _figures(row: FacilityYear) -> Iterator[Submission]:
    yield _submission(
        row,
        Kind.OUTPUT,
        Output(
            product_code="electricity",
            mass_t=None,
            electricity_mwh=row.generation_mwh,
            process_route=row.fuel_label,
            basis=Basis.DECLARED,
        ),
    )
    yield _submission(
        row,
        Kind.REPORTED_EMISSIONS,
        ReportedEmissions(
            scope1_tco2e=row.scope1_tco2e,
            scope2_tco2e=row.scope2_tco2e,
            energy_carrier=row.fuel_label,
            standard=STANDARD,
            basis=Basis.DECLARED,
        ),
    )


def _submission(row: FacilityYear, kind: Kind, content: Content) -> Submission:
    return Submission(
        subject_code=row.code,
        record_number=f"CER-{_facility_number(row)}-{row.end_year}",
        record_revision=1,
        facility_number="" if kind is Kind.REGISTRY_ENTRY else _facility_number(row),
        period=None if kind is Kind.REGISTRY_ENTRY else row.period,
        # The regulator publishes a financial year by the end of the following February. Not now: bytes must repeat.
        compiled_time=datetime(row.end_year + 1, 2, 28, tzinfo=UTC),
        content=content,
    )


def _facility_number(row: FacilityYear) -> str:
    return f"AU-{sha256(row.facility_id.encode('utf-8')).hexdigest()[:12]}"

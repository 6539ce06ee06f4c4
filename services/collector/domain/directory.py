"""Decides what the directory of enterprises (名录库) says: the profile of a subject, and who owns a facility when.

One plant never counts in two accounts: for each facility number and period there is at most one owner, found from the claims of all
subjects concerned (claims.py). Numbers are given province by province (contract: province-wide number), so the same number at subjects
of two provinces is two plants, and no register takes a figure out of a province that it does not keep. The identity of a facility is
part of every posting.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from uuid import UUID

from services.collector.domain.claims import Claim, passed_on_to
from services.collector.domain.contents.registry import EnterpriseSize, RegistryEntry
from services.collector.domain.submission import Submission
from services.common.civil_time import Period
from services.common.identifiers import derived_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """What the newest entry says of the subject."""

    name: str
    industry_code: str
    city_code: str
    size: EnterpriseSize | None


class Standing(Enum):
    """How a subject stands to a facility in a period."""

    OWN = "owned by the subject"
    UNNUMBERED = "no number given and none registered"
    UNNUMBERED_OF_SEVERAL = "no number given, several registered"
    UNREGISTERED = "nobody has registered it for the period"
    OF_ANOTHER = "registered to another subject"
    PASSED_ON = "was the subject's and belongs to another since"
    CONTESTED = "registered to two subjects with equal right"


@dataclass(frozen=True, kw_only=True, slots=True)
class Facility:
    """A facility as the figures of one subject and period count on it; counted only where the standing allows it.

    `owner` is who took it over where it was passed on: the figures count there.
    """

    facility_id: UUID
    number: str
    standing: Standing
    owner: UUID | None = None

    def counts(self) -> bool:
        return self.standing not in (Standing.OF_ANOTHER, Standing.CONTESTED, Standing.PASSED_ON)


def profile(entries: Sequence[Submission]) -> Profile | None:
    """Take the profile from the newest entry; None when the subject is not in the directory."""
    if not entries:
        return None
    newest = _content(entries[-1])
    return Profile(name=newest.name, industry_code=newest.industry_code, city_code=newest.city_code, size=newest.size)


class Register:
    """Who owns which facility when, from the claims of every subject concerned.

    `bureau` is the province whose accounts are kept, `province` that of the subject, by which its facilities are numbered. `ended_from` is
    the first day after the subject ended: what is reported without number under its code after that is about the facility it had.
    """

    def __init__(
        self, *, subject_id: UUID, bureau: str, province: str, all_claims: Iterable[Claim], ended_from: date | None = None
    ) -> None:
        self._subject_id = subject_id
        self._ended_from = ended_from
        self._bureau = bureau
        self._province = province
        self._claims: dict[str, list[Claim]] = defaultdict(list)
        self._own: list[Claim] = []
        self._known: dict[tuple[str, date, date], Facility] = {}
        for claim in all_claims:
            if claim.province != province:
                continue
            self._claims[claim.facility_number].append(claim)
            if claim.subject_id == subject_id:
                self._own.append(claim)

    def facility(self, number: str, period: Period) -> Facility:
        """Find the facility that figures of the subject with this number and period belong to."""
        key = (number, period.start, period.end)
        if (known := self._known.get(key)) is None:
            known = self._known[key] = self._numbered(number, period) if number else self._unnumbered(period)
        return known

    def claims_on(self, number: str) -> list[Claim]:
        """List every claim on a number, in the order of the days."""
        return sorted(self._claims.get(number, ()), key=lambda claim: (claim.start, str(claim.subject_id)))

    def numbers(self) -> list[str]:
        """List the numbers that the subject itself claims, sorted."""
        return sorted({claim.facility_number for claim in self._own})

    def _numbered(self, number: str, period: Period) -> Facility:
        owner = self._owner(number, period)
        if owner is None:
            return Facility(facility_id=self._of_subject(number), number=number, standing=Standing.UNREGISTERED)
        registered = derived_id("facility", bureau=self._bureau, numbered_in=self._province, facility_number=number)
        if len(owner) > 1:
            return Facility(facility_id=registered, number=number, standing=Standing.CONTESTED)
        if self._subject_id in owner:
            return Facility(facility_id=registered, number=number, standing=Standing.OWN)
        (new_owner,) = owner
        passed_on = passed_on_to(self._claims[number], former=self._subject_id, owner=new_owner)
        standing = Standing.PASSED_ON if passed_on else Standing.OF_ANOTHER
        return Facility(facility_id=registered, number=number, standing=standing, owner=new_owner)

    def _unnumbered(self, period: Period) -> Facility:
        """An empty number means the subject's only facility: the one it owns in the period, if it is one."""
        own = sorted({claim.facility_number for claim in self._own if _owned_days_end(claim, period) is not None})
        if not own and self._ended_from is not None and self._ended_from <= period.start:
            own = self.numbers()
        if len(own) == 1:
            return self._numbered(own[0], period)
        standing = Standing.UNNUMBERED_OF_SEVERAL if own else Standing.UNNUMBERED
        return Facility(facility_id=self._of_subject(""), number="", standing=standing)

    def _owner(self, number: str, period: Period) -> set[UUID] | None:
        """Find the owner for a period: of its last day on which anybody owns the facility; of two, the one who took it over later.

        The period of a transfer counts whole on the account of the new owner, so that it counts once. Two claims from the
        same day are equally good, and none is picked.
        """
        ends = [(end, claim) for claim in self._claims.get(number, ()) if (end := _owned_days_end(claim, period)) is not None]
        if not ends:
            return None
        last = max(end for end, _ in ends)
        holding = [claim for end, claim in ends if end == last]
        latest = max(claim.owned_from for claim in holding)
        return {claim.subject_id for claim in holding if claim.owned_from == latest}

    def _of_subject(self, number: str) -> UUID:
        return derived_id("unregistered-facility", subject_id=self._subject_id, facility_number=number)


def _owned_days_end(claim: Claim, period: Period) -> date | None:
    """Give the last day of the period that the claim covers, or None when it covers none."""
    end = period.end if claim.until is None else min(claim.until, period.end)
    return end - timedelta(days=1) if max(claim.start, period.start) < end else None


def _content(entry: Submission) -> RegistryEntry:
    assert isinstance(entry.content, RegistryEntry)
    return entry.content

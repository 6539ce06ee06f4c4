"""Decides who claims which facility when, from registry entries and structural changes of all subjects concerned. Pure and free of order.

An entry is the state of a subject from its effective date on. A merger, split or end cuts the subject's claims short on its effective
date, and whom it names as successor claims from that day on: so no plant counts twice and no month is lost, whichever of the two
entries comes late.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from services.collector.domain.contents.registry import RegistryEntry, StructuralChange, StructuralChangeKind
from services.collector.domain.submission import Submission


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A stretch of days in which the entries of a subject say that it owns a facility; `until` is None while it lasts.

    `province` is that of the subject (two digits, GB/T 2260): the facility number is one of that province.
    """

    subject_id: UUID
    province: str
    facility_number: str
    owned_from: date
    start: date
    until: date | None
    entry: Submission

    def overlaps(self, other: "Claim") -> bool:
        return (self.until is None or other.start < self.until) and (other.until is None or self.start < other.until)


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """What the register ever said of one subject: its entries and structural changes, each in the order in which they take effect."""

    subject_id: UUID
    province: str
    entries: Sequence[Submission]
    changes: Sequence[Submission]

    def ended_from(self) -> date | None:
        """Give the first day after the subject ended, or None while it goes on."""
        days = [_change(one).effective_date for one in self.changes if _ends_the_subject(_change(one))]
        return min(days) if days else None


def history(subject_id: UUID, province: str, submissions: Iterable[Submission]) -> History:
    """Pick what the register says out of a subject's effective submissions; two of one day by provider and number."""
    entries = [one for one in submissions if isinstance(one.content, RegistryEntry)]
    changes = [one for one in submissions if isinstance(one.content, StructuralChange)]
    return History(
        subject_id=subject_id,
        province=province,
        entries=sorted(entries, key=lambda one: (_entry(one).effective_date, one.provider_code, one.record_number)),
        changes=sorted(changes, key=lambda one: (_change(one).effective_date, one.provider_code, one.record_number)),
    )


def claims(histories: Iterable[History], subject_of_code: Mapping[str, UUID]) -> list[Claim]:
    """List what every subject of these histories claims, after all that was merged, split or ended among them.

    `subject_of_code` gives the subject of each code that a structural change names.
    """
    of_all = list(histories)
    entries = {one.subject_id: one.entries for one in of_all}
    found = [claim for one in of_all for claim in _stated(one)]
    changes = [(change, one.subject_id) for one in of_all for change in one.changes]
    for change, subject_id in sorted(changes, key=lambda pair: (_change(pair[0]).effective_date, str(pair[1]), pair[0].record_number)):
        found = [after for claim in found for after in _after(change, claim, subject_id, entries, subject_of_code)]
    return found


def successor_codes(change: StructuralChange) -> set[str]:
    """List the codes of those who take something over."""
    return ({change.successor_code} | {facility.successor_code for facility in change.facilities}) - {""}


def codes_named(changes: Iterable[Submission]) -> set[str]:
    """List the codes of successors that structural changes name."""
    return {code for one in changes for code in successor_codes(_change(one))}


def former_owners(all_claims: Iterable[Claim], subject_id: UUID) -> set[UUID]:
    """Find the subjects from which a facility of this one came."""
    by_number: dict[tuple[str, str], list[Claim]] = defaultdict(list)
    for claim in all_claims:
        by_number[claim.province, claim.facility_number].append(claim)
    return {
        claim.subject_id
        for of_number in by_number.values()
        if any(claim.subject_id == subject_id for claim in of_number)
        for claim in of_number
        if claim.subject_id != subject_id and passed_on_to(of_number, former=claim.subject_id, owner=subject_id)
    }


def passed_on_to(claims_on_number: Iterable[Claim], *, former: UUID, owner: UUID) -> bool:
    """Tell whether a facility went from one subject to another: the one claimed it, and no claim of the one overlaps one of the other.

    Two claims that overlap are a dispute, and no figure follows a dispute.
    """
    of_former = [claim for claim in claims_on_number if claim.subject_id == former]
    of_owner = [claim for claim in claims_on_number if claim.subject_id == owner]
    began_before = bool(of_former) and min(claim.start for claim in of_former) < max(claim.start for claim in of_owner)
    return began_before and not any(one.overlaps(other) for one in of_former for other in of_owner)


def _stated(one: History) -> list[Claim]:
    """List what the entries of a subject say that it owns.

    What an entry says of later days holds until the next entry, and only the first entry also speaks of the days before it. The past
    is mended by correcting the entry that was wrong about it.
    """
    found = []
    for place, entry in enumerate(one.entries):
        speaks_from = date.min if place == 0 else _entry(entry).effective_date
        speaks_until = _entry(one.entries[place + 1]).effective_date if place + 1 < len(one.entries) else None
        for facility in _entry(entry).facilities:
            start = max(facility.owned_from_date, speaks_from)
            ends = [end for end in (facility.owned_until_date, speaks_until) if end is not None]
            until = min(ends) if ends else None
            if until is None or start < until:
                found.append(
                    Claim(
                        subject_id=one.subject_id,
                        province=one.province,
                        facility_number=facility.facility_number,
                        owned_from=facility.owned_from_date,
                        start=start,
                        until=until,
                        entry=entry,
                    )
                )
    return found


def _after(
    change: Submission, claim: Claim, subject_id: UUID, entries: Mapping[UUID, Sequence[Submission]], subject_of_code: Mapping[str, UUID]
) -> list[Claim]:
    """Give what a structural change of a subject leaves of a claim, and the claim of the successor, if there is one.

    What the subject took over on the day or later is not given away. The successor's claim holds until its own next entry, which is the
    state from then on.
    """
    content, day = _change(change), _change(change).effective_date
    named = {given.facility_number: given.successor_code for given in content.facilities}
    gives_it_away = _ends_the_subject(content) or claim.facility_number in named
    if claim.subject_id != subject_id or not gives_it_away or day <= claim.owned_from or (claim.until is not None and claim.until < day):
        return [claim]
    left = [replace(claim, until=day)] if claim.start < day else []
    successor = subject_of_code.get(named.get(claim.facility_number, content.successor_code))
    if successor is None or successor == subject_id or not left:
        return left
    of_successor = [_entry(entry) for entry in entries.get(successor, ())]
    if any(entry.effective_date == day and _names(entry, claim.facility_number) for entry in of_successor):
        # Its entry of the same day says more: until when.
        return left
    until = min((entry.effective_date for entry in of_successor if entry.effective_date > day), default=None)
    return [*left, replace(claim, subject_id=successor, owned_from=day, start=day, until=until, entry=change)]


def _names(entry: RegistryEntry, facility_number: str) -> bool:
    return any(facility.facility_number == facility_number for facility in entry.facilities)


def _ends_the_subject(change: StructuralChange) -> bool:
    return change.change in (StructuralChangeKind.MERGED_INTO, StructuralChangeKind.DEREGISTERED)


def _entry(submission: Submission) -> RegistryEntry:
    assert isinstance(submission.content, RegistryEntry)
    return submission.content


def _change(submission: Submission) -> StructuralChange:
    assert isinstance(submission.content, StructuralChange)
    return submission.content

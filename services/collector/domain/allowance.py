"""Draws up the allowance account (配额账户) of a subject: what it holds, borrowed, pledged, overdrew and owes, by ETS year.

A pure function of the set of its submissions. Movements are replayed in the order of their days and, within a day, in the order that
is best for the subject, so that nothing is suspected that the day alone does not show. What the registry states at the end of a day
stands from then on. What cannot be so is listed with its records; the rules of rules/allowance.py turn it into findings.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum

from services.collector.domain.contents.emissions import EtsVerifiedEmissions
from services.collector.domain.contents.market import AllowanceHolding, AllowanceMovement, AllowanceTransaction
from services.collector.domain.credits import Credits, OffsetLimit
from services.collector.domain.submission import Submission

# What a year or a pledge totals at most: twice what the whole world emits in a year, so that all years together are an amount still.
TOTAL_MAX = Decimal(10) ** 11
_ZERO = Decimal(0)

# Certified reductions count for at most 5 % of a year's obligation.
# Source: 碳排放权交易管理办法（试行）(MEE decree 19, 2020), Article 29; notice of MEE on surrender for 2021 and 2022 (2023-07-17).
# Confidence: transcription (read in secondary texts).
OFFSET_LIMIT = OffsetLimit(percent=Decimal(5))


def surrender_deadline(ets_year: int) -> date:
    """Give the last day on which allowances for an ETS year may be surrendered: the end of the year after it.

    Source: MEE 2023-2024 allocation plan (2024-10-15), which ends surrender for 2023 and 2024 so. Confidence: unverified.
    """
    return date(ets_year + 1, 12, 31)


class Irregularity(Enum):
    """What cannot be so, or must not be."""

    DOUBLE_PLEDGE = "allowances that are pledged or frozen already are pledged"
    ENCUMBERED_USED = "pledged or frozen allowances are sold, surrendered, returned or cancelled"
    OVERDRAWN = "more leaves the account, or is pledged, than it holds"
    HOLDINGS_UNKNOWN = "allowances leave or are pledged of which nobody told that they came"
    STATED_OVERDRAWN = "the registry states an overdraft"
    RELEASE_WITHOUT_PLEDGE = "more is released than the pledge holds"
    RETURN_WITHOUT_ORIGIN = "more is unfrozen or returned than was frozen or borrowed"
    HOLDING_CONTRADICTS = "what the registry states differs from what the movements make"
    TRANSACTION_DIFFERS = "two records of one registry transaction differ"
    VERIFIED_DIFFERS = "two records of the verified emissions of one year differ"
    OFFSET_BEYOND_LIMIT = "more reductions are retired for a year than count"
    CREDITS_OVERDRAWN = "more reductions are sold or retired than were issued or bought"
    SURRENDER_OVERDUE = "the surrender falls short after its last day"
    BEYOND_LIMIT = "sums are larger than an account can hold"


@dataclass(frozen=True, kw_only=True, slots=True)
class Irregular:
    """One irregularity with the records that show it. `about` tells several of one year and evidence apart."""

    what: Irregularity
    ets_year: int
    evidence: tuple[Submission, ...]
    about: str = ""

    def of_year(self) -> str:
        """Name the year for a reader; 0 is no year."""
        return f", ETS year {self.ets_year}" if self.ets_year else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class EtsYear:
    """Figures of one ETS year, t: of its vintage first, then of its obligation.

    What nobody told is None and not 0: `held_t` and `overdrawn_t` of a vintage of which no grant, purchase or holding is known, and the
    obligation of a year that nobody verified.
    """

    ets_year: int
    granted_t: Decimal
    bought_t: Decimal
    sold_t: Decimal
    held_t: Decimal | None
    overdrawn_t: Decimal | None
    borrowed_t: Decimal
    pledged_t: Decimal
    frozen_t: Decimal
    verified_t: Decimal | None
    surrendered_t: Decimal
    offset_retired_t: Decimal
    offset_counted_t: Decimal | None
    surrender_gap_t: Decimal | None

    def figures(self) -> Iterator[Decimal]:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, Decimal):
                yield value


@dataclass(frozen=True, kw_only=True, slots=True)
class Pledge:
    """Allowances of one vintage that are pledged under one number; the empty number is what the registry states besides."""

    pledge_number: str
    ets_year: int
    pledged_t: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class AllowanceAccount:
    """The allowance account of a subject; years and pledges in order."""

    years: Sequence[EtsYear]
    pledges: Sequence[Pledge]
    offset_held_t: Decimal
    irregular: Sequence[Irregular]


_EMPTY = AllowanceAccount(years=(), pledges=(), offset_held_t=_ZERO, irregular=())


def allowance_account(effective: Sequence[Submission]) -> AllowanceAccount:
    """Draw up the allowance account from the effective submissions of a subject; their order does not matter."""
    moved = [one for one in effective if isinstance(one.content, AllowanceTransaction)]
    stated = [one for one in effective if isinstance(one.content, AllowanceHolding)]
    credits = Credits(effective)
    obligations = _Obligations(effective)
    if not (moved or stated or credits or obligations.by_year):
        return _EMPTY
    replay = _Replay()
    for submission in sorted([*replay.once(moved), *stated], key=_moment):
        match submission.content:
            case AllowanceTransaction():
                replay.move(submission, submission.content)
            case AllowanceHolding():
                replay.state(submission, submission.content)
    irregular = [*replay.irregular, *obligations.irregular]
    irregular += [Irregular(what=Irregularity.TRANSACTION_DIFFERS, ets_year=year, evidence=both) for year, both in credits.differing]
    if credits.overdrawn_by:
        irregular += [Irregular(what=Irregularity.CREDITS_OVERDRAWN, ets_year=0, evidence=credits.overdrawn_by)]
    years = []
    for ets_year in sorted(replay.years() | obligations.by_year.keys() | credits.retired.keys()):
        figures = _figures(ets_year, replay, obligations.by_year.get(ets_year), credits.retired_t(ets_year))
        evidence = (*obligations.evidence[ets_year], *replay.surrenders[ets_year], *credits.retired.get(ets_year, ()))
        if max(abs(figure) for figure in figures.figures()) > TOTAL_MAX:
            irregular.append(Irregular(what=Irregularity.BEYOND_LIMIT, ets_year=ets_year, evidence=()))
            continue
        years.append(figures)
        irregular += _of_obligation(figures, evidence, latest=_latest_day(effective))
    pledges = [pledge for pledge in replay.open_pledges() if abs(pledge.pledged_t) <= TOTAL_MAX]
    held = credits.held_t()
    return AllowanceAccount(years=years, pledges=pledges, offset_held_t=min(max(held, -TOTAL_MAX), TOTAL_MAX), irregular=irregular)


# ---- Movements ----

_INFLOWS = frozenset({AllowanceMovement.GRANTED, AllowanceMovement.BOUGHT, AllowanceMovement.BORROWED})
_LOOSENING = frozenset({AllowanceMovement.RELEASED, AllowanceMovement.UNFROZEN})
_BINDING = frozenset({AllowanceMovement.PLEDGED, AllowanceMovement.FROZEN})


def _moment(submission: Submission) -> tuple[date, int, int, str, str, str]:
    """Give the place in the replay: by day; within it what comes in, what is let go, what leaves, what is bound, what is stated."""
    match submission.content:
        case AllowanceTransaction() as moved:
            step = 0 if moved.movement in _INFLOWS else 1 if moved.movement in _LOOSENING else 3 if moved.movement in _BINDING else 2
            number, day, year = moved.transaction_number, moved.executed_date, moved.ets_year
        case AllowanceHolding() as holding:
            step, number, day, year = 4, "", holding.as_of_date, holding.ets_year
        case _:
            raise AssertionError("neither a movement nor a holding")
    return (day, step, year, number, submission.provider_code, submission.record_number)


class _Replay:
    """The account while its movements are replayed. Holdings are net: below zero is an overdraft."""

    def __init__(self) -> None:
        self.irregular: list[Irregular] = []
        self.surrenders: dict[int, list[Submission]] = defaultdict(list)
        self.sums: dict[AllowanceMovement, dict[int, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        self.net: dict[int, Decimal] = defaultdict(Decimal)
        self.borrowed: dict[int, Decimal] = defaultdict(Decimal)
        self.frozen: dict[int, Decimal] = defaultdict(Decimal)
        self.pledges: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
        self._known: set[int] = set()
        self._funded: set[int] = set()
        self._borrowed_left: dict[int, Decimal] = defaultdict(Decimal)
        self._anchored: set[tuple[int, date]] = set()

    def once(self, moved: Iterable[Submission]) -> list[Submission]:
        """Take each registry transaction once, whoever tells of it; the smaller provider code counts where they differ."""
        first: dict[tuple[str, AllowanceMovement, int], Submission] = {}
        for submission in sorted(moved, key=lambda one: (one.provider_code, one.record_number)):
            content = submission.content
            assert isinstance(content, AllowanceTransaction)
            counted = first.setdefault((content.transaction_number, content.movement, content.ets_year), submission)
            other = counted.content
            assert isinstance(other, AllowanceTransaction)
            if (other.quantity_t, other.executed_date, other.pledge_number) != (
                content.quantity_t,
                content.executed_date,
                content.pledge_number,
            ):
                self._note(Irregularity.TRANSACTION_DIFFERS, content.ets_year, counted, submission)
        return list(first.values())

    def years(self) -> set[int]:
        return self._known | self.surrenders.keys()

    def is_funded(self, ets_year: int) -> bool:
        """Tell whether a grant, a purchase or a holding of a vintage is known: else its balance is not."""
        return ets_year in self._funded

    def pledged(self, ets_year: int) -> Decimal:
        return sum((amount for (vintage, _), amount in self.pledges.items() if vintage == ets_year), _ZERO)

    def open_pledges(self) -> Iterator[Pledge]:
        for (ets_year, number), amount in sorted(self.pledges.items()):
            if amount > 0:
                yield Pledge(pledge_number=number, ets_year=ets_year, pledged_t=amount)

    def move(self, submission: Submission, moved: AllowanceTransaction) -> None:
        """Replay one movement; what it does wrong is noted, and counts all the same: the registry has executed it."""
        year, amount = moved.ets_year, moved.quantity_t
        self.sums[moved.movement][year] += amount
        if moved.movement is AllowanceMovement.SURRENDERED:
            self.surrenders[year].append(submission)
            self._surrender(submission, year, amount)
            return
        self._known.add(year)
        if moved.movement in _INFLOWS:
            self._funded.add(year)
        match moved.movement:
            case AllowanceMovement.GRANTED | AllowanceMovement.BOUGHT:
                self.net[year] += amount
            case AllowanceMovement.BORROWED:
                self.net[year] += amount
                self.borrowed[year] += amount
                self._borrowed_left[year] += amount
            case AllowanceMovement.SOLD | AllowanceMovement.CANCELLED:
                self._leave(submission, year, amount)
            case AllowanceMovement.BORROWING_RETURNED:
                self._leave(submission, year, amount)
                self._reduce(self.borrowed, submission, year, amount)
            case AllowanceMovement.PLEDGED:
                self._bind(submission, year, amount)
                self.pledges[year, moved.pledge_number] += amount
            case AllowanceMovement.FROZEN:
                # An authority may freeze what is pledged; that is no fault of the subject.
                self.frozen[year] += amount
            case AllowanceMovement.UNFROZEN:
                self._reduce(self.frozen, submission, year, amount)
            case AllowanceMovement.RELEASED:
                self._release(submission, moved)

    def state(self, submission: Submission, stated: AllowanceHolding) -> None:
        """Take what the registry states at the end of a day; what is known of the vintage is laid against it first."""
        year = stated.ets_year
        net = stated.held_t - (stated.overdrawn_t or _ZERO)
        pledged = self.pledged(year)
        pairs = (
            (net, self.net[year]),
            (stated.pledged_t, pledged),
            (stated.frozen_t, self.frozen[year]),
            (stated.borrowed_t, self.borrowed[year]),
        )
        if year in self._known and any(told is not None and told != made for told, made in pairs):
            self._note(Irregularity.HOLDING_CONTRADICTS, year, submission)
        if stated.overdrawn_t:
            self._note(Irregularity.STATED_OVERDRAWN, year, submission)
        self._known.add(year)
        if (year, stated.as_of_date) in self._anchored:
            return
        self._anchored.add((year, stated.as_of_date))
        self._funded.add(year)
        self.net[year] = net
        self.frozen[year] = stated.frozen_t if stated.frozen_t is not None else self.frozen[year]
        if stated.borrowed_t is not None:
            self.borrowed[year] = self._borrowed_left[year] = stated.borrowed_t
        if stated.pledged_t is not None and stated.pledged_t > pledged:
            self.pledges[year, ""] += stated.pledged_t - pledged

    def _free(self, year: int) -> Decimal:
        return self.net[year] - self.pledged(year) - self.frozen[year]

    def _leave(self, submission: Submission, year: int, amount: Decimal) -> None:
        self._must_hold(submission, year, amount)
        if amount > self._free(year) and self.pledged(year) + self.frozen[year] > 0:
            self._note(Irregularity.ENCUMBERED_USED, year, submission)
        self.net[year] -= amount

    def _bind(self, submission: Submission, year: int, amount: Decimal) -> None:
        self._must_hold(submission, year, amount)
        if amount > self._free(year) and self.pledged(year) + self.frozen[year] > 0:
            self._note(Irregularity.DOUBLE_PLEDGE, year, submission)

    def _must_hold(self, submission: Submission, year: int, amount: Decimal) -> None:
        if amount > max(self.net[year], _ZERO):
            what = Irregularity.OVERDRAWN if self.is_funded(year) else Irregularity.HOLDINGS_UNKNOWN
            self._note(what, year, submission)

    def _surrender(self, submission: Submission, year: int, amount: Decimal) -> None:
        """Take a surrender from the vintage of its year, then from older ones, the nearest first, then from what younger ones lent.

        Which vintages it used up is not told: this order is ours. Of a younger vintage only what was borrowed can be used. Free allowances
        go first; what is bound only when none is left.
        """
        vintages = sorted(self._known, key=lambda vintage: (vintage > year, abs(vintage - year)))
        rest = amount
        for vintage in vintages:
            taken = min(rest, max(self._free(vintage), _ZERO), self._usable(vintage, year))
            self._take(vintage, year, taken)
            rest -= taken
        for vintage in vintages:
            taken = min(rest, max(self.net[vintage], _ZERO), self._usable(vintage, year))
            if taken > 0:
                self._note(Irregularity.ENCUMBERED_USED, vintage, submission)
            self._take(vintage, year, taken)
            rest -= taken
        if rest > 0:
            # All that could be used is used up: the rest is more than there is, whatever the balance says.
            self._note(Irregularity.OVERDRAWN if self.is_funded(year) else Irregularity.HOLDINGS_UNKNOWN, year, submission)
            self.net[year] -= rest

    def _usable(self, vintage: int, year: int) -> Decimal:
        return max(self.net[vintage], _ZERO) if vintage <= year else self._borrowed_left[vintage]

    def _take(self, vintage: int, year: int, amount: Decimal) -> None:
        self.net[vintage] -= amount
        if vintage > year:
            self._borrowed_left[vintage] -= amount

    def _release(self, submission: Submission, moved: AllowanceTransaction) -> None:
        rest = moved.quantity_t
        for number in dict.fromkeys((moved.pledge_number, "")):
            taken = min(rest, self.pledges[moved.ets_year, number])
            self.pledges[moved.ets_year, number] -= taken
            rest -= taken
        if rest > 0:
            self._note(Irregularity.RELEASE_WITHOUT_PLEDGE, moved.ets_year, submission)

    def _reduce(self, amounts: dict[int, Decimal], submission: Submission, year: int, amount: Decimal) -> None:
        if amount > amounts[year]:
            self._note(Irregularity.RETURN_WITHOUT_ORIGIN, year, submission)
        amounts[year] = max(amounts[year] - amount, _ZERO)

    def _note(self, what: Irregularity, ets_year: int, *evidence: Submission) -> None:
        self.irregular.append(Irregular(what=what, ets_year=ets_year, evidence=evidence))


# ---- Obligations ----


class _Obligations:
    """Verified emissions by ETS year. Of two figures for one facility the larger counts: a record never makes an obligation smaller."""

    def __init__(self, effective: Iterable[Submission]) -> None:
        self.by_year: dict[int, Decimal] = {}
        self.evidence: dict[int, list[Submission]] = defaultdict(list)
        self.irregular: list[Irregular] = []
        by_facility: dict[int, dict[str, list[tuple[Decimal, Submission]]]] = defaultdict(lambda: defaultdict(list))
        for submission in sorted(effective, key=lambda one: (one.provider_code, one.record_number)):
            if isinstance(submission.content, EtsVerifiedEmissions):
                stated = (submission.content.verified_tco2, submission)
                by_facility[submission.content.ets_year][submission.facility_number].append(stated)
                self.evidence[submission.content.ets_year].append(submission)
        for ets_year, facilities in by_facility.items():
            for number, figures in sorted(facilities.items()):
                if len({amount for amount, _ in figures}) > 1:
                    evidence = tuple(submission for _, submission in figures)
                    self.irregular.append(Irregular(what=Irregularity.VERIFIED_DIFFERS, ets_year=ets_year, evidence=evidence, about=number))
            largest = {number: max(amount for amount, _ in figures) for number, figures in facilities.items()}
            # A figure without facility speaks of the whole subject, and so of all its facilities.
            whole = largest.pop("", _ZERO)
            self.by_year[ets_year] = max(whole, sum(largest.values(), _ZERO))


def _figures(ets_year: int, replay: _Replay, verified: Decimal | None, retired: Decimal) -> EtsYear:
    surrendered = replay.sums[AllowanceMovement.SURRENDERED][ets_year]
    net = replay.net[ets_year] if replay.is_funded(ets_year) else None
    counted = OFFSET_LIMIT.counted(retired, obligation=verified) if verified is not None else None
    return EtsYear(
        ets_year=ets_year,
        granted_t=replay.sums[AllowanceMovement.GRANTED][ets_year],
        bought_t=replay.sums[AllowanceMovement.BOUGHT][ets_year],
        sold_t=replay.sums[AllowanceMovement.SOLD][ets_year],
        held_t=max(net, _ZERO) if net is not None else None,
        overdrawn_t=max(-net, _ZERO) if net is not None else None,
        borrowed_t=replay.borrowed[ets_year],
        pledged_t=replay.pledged(ets_year),
        frozen_t=replay.frozen[ets_year],
        verified_t=verified,
        surrendered_t=surrendered,
        offset_retired_t=retired,
        offset_counted_t=counted,
        surrender_gap_t=max(verified - surrendered - counted, _ZERO) if verified is not None and counted is not None else None,
    )


def _of_obligation(figures: EtsYear, evidence: tuple[Submission, ...], *, latest: date) -> Iterator[Irregular]:
    if figures.offset_counted_t is not None and figures.offset_retired_t > figures.offset_counted_t:
        yield Irregular(what=Irregularity.OFFSET_BEYOND_LIMIT, ets_year=figures.ets_year, evidence=evidence)
    if figures.surrender_gap_t and latest > surrender_deadline(figures.ets_year):
        yield Irregular(what=Irregularity.SURRENDER_OVERDUE, ets_year=figures.ets_year, evidence=evidence)


def _latest_day(effective: Iterable[Submission]) -> date:
    """Give the newest day that any record of the subject speaks of: there is no clock here, and late records change the past."""
    days = [date.min]
    for submission in effective:
        if submission.period is not None:
            days.append(submission.period.end - timedelta(days=1))
        elif isinstance(submission.content, AllowanceTransaction):
            days.append(submission.content.executed_date)
        elif isinstance(submission.content, AllowanceHolding):
            days.append(submission.content.as_of_date)
    return max(days)


def overdrawn_t(years: Iterable[EtsYear]) -> Decimal:
    """Sum the overdrafts of all vintages whose balance is known, t."""
    return sum((year.overdrawn_t for year in years if year.overdrawn_t is not None), _ZERO)

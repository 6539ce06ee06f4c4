"""Draws up the carbon account (碳账户) of one subject from the set of its effective submissions. Pure and free of order.

Figures are tied to facilities, resolved where several providers state the same quantity, and turned into emissions by the
subject's methods. What could not be posted is listed with its reason; the rules turn these remarks into findings.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from uuid import UUID

from services.collector.domain import claims, directory, subject_code
from services.collector.domain.activity_lines import KIND_OF_ACTIVITY
from services.collector.domain.allowance import AllowanceAccount, allowance_account
from services.collector.domain.annual import AnnualFigures, annual_figures
from services.collector.domain.claims import Claim, History
from services.collector.domain.contents.transition import TransitionInvestment, TransitionPlan
from services.collector.domain.coverage import Coverage
from services.collector.domain.directory import Facility, Profile, Register, Standing
from services.collector.domain.emissions import SCOPE_OF_REPORTED, Book, Computation
from services.collector.domain.fiscal import FiscalLines, fiscal_lines
from services.collector.domain.kinds import Content, Withdrawal
from services.collector.domain.lines import InvestmentLine, OutputLine
from services.collector.domain.posting import Posting
from services.collector.domain.quantity import AMOUNT_MAX, Figure, Measure, Quantities, Quantity, Resolution
from services.collector.domain.remark import Comparison, Remark, Unposted, remark_on
from services.collector.domain.stated import figures
from services.collector.domain.submission import Submission
from services.common.civil_time import Period

DECLARED_QUALITY = 4
# A statement shows at most so many of the newest lines of each sort.
LINES_MAX = 3_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """A submission with figures, and the facility they were found to belong to."""

    submission: Submission
    facility: Facility

    def begins(self) -> date:
        """Give the first day of its period."""
        assert self.submission.period is not None
        return self.submission.period.start


@dataclass(frozen=True, kw_only=True, slots=True)
class FormerOwner:
    """A subject that had a facility before: figures still sent under its code follow the facility to its new owner."""

    history: History
    effective: Sequence[Submission]


@dataclass(frozen=True, kw_only=True)
class AccountView:
    """An account as drawn up, with all that the rules may want to look at."""

    subject_id: UUID
    effective: Sequence[Submission]
    parked: Sequence[Submission]
    misdirected: Sequence[Submission]
    entries: Sequence[Submission]
    profile: Profile | None
    plan: TransitionPlan | None
    register: Register
    uses: Sequence[Use]
    inherited: Sequence[Use]
    ended_from: date | None
    resolutions: Sequence[Resolution]
    postings: Sequence[Posting]
    outputs: Sequence[OutputLine]
    investments: Sequence[InvestmentLine]
    annual_figures: Sequence[AnnualFigures]
    windows_beyond_limit: Sequence[Period]
    remarks: Sequence[Remark]
    comparisons: Sequence[Comparison]
    book: Book
    # How many lines of each sort its statement shows: fewer where one event could not hold them.
    lines_max: int = LINES_MAX
    # Days of which something is known that does not stand among the postings.
    incomplete: Sequence[Period] = ()

    @cached_property
    def in_total(self) -> Sequence[Posting]:
        """Give the postings of scopes 1 and 2; what stands beside the totals is left out."""
        return [posting for posting in self.postings if posting.in_total()]

    @cached_property
    def fiscal(self) -> FiscalLines:
        return fiscal_lines(self.subject_id, self.effective)

    @cached_property
    def allowances(self) -> AllowanceAccount:
        return allowance_account(self.effective)

    @cached_property
    def by_content(self) -> Mapping[type[Content], Sequence[Submission]]:
        """Group what counts by what it states, each group in record order: a rule looks at a kind, not at everything."""
        groups: dict[type[Content], list[Submission]] = defaultdict(list)
        for submission in self.effective:
            groups[type(submission.content)].append(submission)
        return groups

    @cached_property
    def totals(self) -> dict[object, object]:
        """Hold what rules have added up already (rules/stated.py)."""
        return {}

    @cached_property
    def uses_by_place(self) -> Mapping[tuple[type[Content], UUID], Sequence[Use]]:
        """Group what counts on the subject's facilities, also under a former owner's code, by what it states and where; in time."""
        groups: dict[tuple[type[Content], UUID], list[Use]] = defaultdict(list)
        for use in (*self.uses, *self.inherited):
            if use.facility.counts():
                groups[type(use.submission.content), use.facility.facility_id].append(use)
        return {place: sorted(uses, key=Use.begins) for place, uses in groups.items()}


def draw_up(
    *,
    subject_id: UUID,
    code: str,
    bureau: str,
    effective: Sequence[Submission],
    parked: Sequence[Submission],
    held_elsewhere: Set[UUID],
    others: Sequence[History],
    former_owners: Sequence[FormerOwner],
    subject_of_code: Mapping[str, UUID],
    book: Book,
) -> AccountView:
    """Draw up the account that a bureau keeps of the subject with this code.

    `effective` is in record order; `others` are the histories of all who claim facilities that it names, or were merged with it;
    `former_owners` are those of them who had such a facility before; `subject_of_code` gives the subjects of the codes that these
    histories name; `held_elsewhere` are the originals of what is parked that are about other subjects. A record whose newest revision
    withdraws it counts nowhere.
    """
    effective = [one for one in effective if not isinstance(one.content, Withdrawal)]
    waiting: list[Submission] = []
    misdirected: list[Submission] = []
    for one in parked:
        (misdirected if one.original_id() in held_elsewhere else waiting).append(one)
    own = claims.history(subject_id, subject_code.province(code), effective)
    profile = directory.profile(own.entries)
    all_claims = claims.claims([own, *others], subject_of_code)
    register = _register(own, bureau, all_claims)
    # 1. Tie every figure to a facility, leave out what belongs to another subject.
    uses = [Use(submission=one, facility=register.facility(one.facility_number, period)) for one, period in _of_facilities(effective)]
    remarks = [remark for use in uses if not use.facility.counts() for remark in _not_ours(use)]
    inherited = [use for former in former_owners for use in _inherited(subject_id, former, _register(former.history, bureau, all_claims))]
    # 2. Choose what counts where several figures speak of one quantity.
    resolutions = _quantities(subject_id, uses, inherited, effective, remarks).resolved()
    resolutions = _without_doubled_totals(uses, resolutions, remarks)
    resolutions = [_within_limit(resolution, remarks) for resolution in resolutions]
    # 3. Compute emissions: activities first, because reported figures are laid against them.
    computation = _computed(resolutions, book, profile)
    contested = [remark.period for remark in remarks if remark.reason is Unposted.FACILITY_CONTESTED]
    # 4. Sum up.
    industry = profile.industry_code if profile is not None else ""
    postings = sorted(computation.postings, key=Posting.order)
    outputs = _outputs(resolutions)
    incomplete = [*computation.incomplete, *contested]
    years = annual_figures(postings=postings, outputs=outputs, industry_code=industry, incomplete=incomplete)
    return AccountView(
        subject_id=subject_id,
        effective=effective,
        parked=waiting,
        misdirected=misdirected,
        entries=own.entries,
        profile=profile,
        plan=_plan(effective),
        register=register,
        uses=uses,
        inherited=inherited,
        ended_from=own.ended_from(),
        resolutions=resolutions,
        postings=postings,
        outputs=outputs,
        investments=_investments(resolutions, book, industry),
        annual_figures=years.figures,
        windows_beyond_limit=years.beyond_limit,
        remarks=[*remarks, *computation.remarks],
        comparisons=computation.comparisons,
        book=book,
        incomplete=incomplete,
    )


def _computed(resolutions: Sequence[Resolution], book: Book, profile: Profile | None) -> Computation:
    computation = Computation(book=book, profile=profile)
    for resolution in resolutions:
        if resolution.quantity.measure in KIND_OF_ACTIVITY:
            computation.post_activity(resolution)
    computation.close_balances()
    for resolution in resolutions:
        if resolution.quantity.measure in SCOPE_OF_REPORTED:
            computation.post_as_reported(resolution)
    computation.finish()
    return computation


# ---- From submissions to quantities ----


def _register(history: History, bureau: str, all_claims: Iterable[Claim]) -> Register:
    return Register(
        subject_id=history.subject_id, bureau=bureau, province=history.province, all_claims=all_claims, ended_from=history.ended_from()
    )


def _inherited(subject_id: UUID, former: FormerOwner, register: Register) -> Iterator[Use]:
    """Give the figures sent under the code of a former owner for facilities that are the subject's in their period."""
    for submission, period in _of_facilities(former.effective):
        facility = register.facility(submission.facility_number, period)
        if facility.standing is Standing.PASSED_ON and facility.owner == subject_id:
            yield Use(submission=submission, facility=replace(facility, standing=Standing.OWN, owner=None))


def _of_facilities(effective: Iterable[Submission]) -> Iterator[tuple[Submission, Period]]:
    """Give what is stated of facilities, with its period; plans and money are the subject's."""
    for submission in effective:
        if submission.period is not None and not isinstance(submission.content, TransitionInvestment):
            yield submission, submission.period


def _quantities(
    subject_id: UUID, uses: Iterable[Use], inherited: Iterable[Use], effective: Iterable[Submission], remarks: list[Remark]
) -> Quantities:
    quantities = Quantities()
    own_days: dict[tuple[Quantity, str], list[Period]] = defaultdict(list)
    for use in uses:
        if use.facility.counts():
            for quantity, figure in figures(use.submission, use.facility.facility_id):
                quantities.add(quantity, figure)
                own_days[quantity, use.submission.provider_code].append(figure.period())
    for use in inherited:
        for quantity, figure in figures(use.submission, use.facility.facility_id):
            # One provider's records of a quantity are added; what it sends under both codes would count twice.
            if Coverage(own_days[quantity, use.submission.provider_code]).overlaps(figure.period()):
                reason = Unposted.REPORTED_BY_BOTH_OWNERS
                remarks.append(Remark(reason=reason, evidence=(use.submission,), period=figure.period(), quantity=quantity))
            else:
                quantities.add(quantity, figure)
    for submission in effective:
        if isinstance(submission.content, TransitionInvestment):
            # Plans and money are the subject's, not a facility's.
            quantity = Quantity(subject_id, Measure.INVESTMENT, submission.content.technology_code, "yuan")
            amount = submission.content.amount_yuan
            quantities.add(quantity, Figure(submission=submission, part="", amount=amount, data_quality=DECLARED_QUALITY))
    return quantities


_WHY_NOT_OURS = {
    Standing.CONTESTED: Unposted.FACILITY_CONTESTED,
    Standing.OF_ANOTHER: Unposted.FACILITY_OF_ANOTHER,
    Standing.PASSED_ON: Unposted.FACILITY_PASSED_ON,
}


def _not_ours(use: Use) -> Iterator[Remark]:
    """Remark on figures of a facility that is another's; what states no figure of the account leaves none out."""
    period = use.submission.period
    assert period is not None
    for quantity, _ in figures(use.submission, use.facility.facility_id)[:1]:
        reason = _WHY_NOT_OURS[use.facility.standing]
        yield Remark(reason=reason, evidence=(use.submission,), period=period, quantity=quantity, detail=use.facility.number)


def _without_doubled_totals(uses: Iterable[Use], resolutions: list[Resolution], remarks: list[Remark]) -> list[Resolution]:
    """Leave out what is stated for the subject as a whole where the same is stated for its facilities: it would count twice."""
    whole = {use.facility.facility_id for use in uses if use.facility.standing is Standing.UNNUMBERED_OF_SEVERAL}
    if not whole:
        return resolutions
    of_facilities: dict[tuple[Measure, str, str, str], list[Period]] = defaultdict(list)
    for resolution in resolutions:
        if resolution.quantity.facility_id not in whole:
            of_facilities[resolution.quantity.apart_from_facility()] += [figure.period for figure in resolution.chosen]
    kept = []
    for resolution in resolutions:
        if resolution.quantity.facility_id in whole:
            coverage = Coverage(of_facilities[resolution.quantity.apart_from_facility()])
            doubled = [figure for figure in resolution.chosen if coverage.overlaps(figure.period)]
            remarks += [remark_on(figure, resolution.quantity, Unposted.TOTAL_BESIDE_FACILITIES) for figure in doubled]
            chosen = tuple(figure for figure in resolution.chosen if not coverage.overlaps(figure.period))
            resolution = Resolution(quantity=resolution.quantity, chosen=chosen, passed_over=resolution.passed_over)
        kept.append(resolution)
    return kept


def _within_limit(resolution: Resolution, remarks: list[Remark]) -> Resolution:
    """Leave out output and money of which one provider's records add up to more than there can be; emissions have a limit of their own."""
    if resolution.quantity.measure not in (Measure.OUTPUT, Measure.INVESTMENT):
        return resolution
    remarks += [remark_on(one, resolution.quantity, Unposted.BEYOND_LIMIT) for one in resolution.chosen if one.amount > AMOUNT_MAX]
    chosen = tuple(figure for figure in resolution.chosen if figure.amount <= AMOUNT_MAX)
    return Resolution(quantity=resolution.quantity, chosen=chosen, passed_over=resolution.passed_over)


# ---- What stands beside the emissions ----


def _plan(effective: Iterable[Submission]) -> TransitionPlan | None:
    """Take the plan adopted last; two of one day by provider and record number."""
    plans = [
        (submission.content.adopted_date, submission.provider_code, submission.record_number, submission.content)
        for submission in effective
        if isinstance(submission.content, TransitionPlan)
    ]
    return max(plans, key=lambda plan: plan[:3])[3] if plans else None


def _outputs(resolutions: Iterable[Resolution]) -> list[OutputLine]:
    lines = []
    for resolution in resolutions:
        if resolution.quantity.measure is not Measure.OUTPUT:
            continue
        for figure in resolution.chosen:
            by_route: dict[str, list[Figure]] = defaultdict(list)
            for one in figure.figures:
                by_route[one.part].append(one)
            for route in sorted(by_route):
                lines.append(
                    OutputLine(
                        facility_id=resolution.quantity.facility_id,
                        period=figure.period,
                        product_code=resolution.quantity.code,
                        unit=resolution.quantity.unit,
                        amount=sum((one.amount for one in by_route[route]), Decimal(0)),
                        process_route=route,
                        data_quality=max(one.data_quality for one in by_route[route]),
                    )
                )
    return sorted(
        lines, key=lambda line: (line.period.start, line.period.end, line.product_code, str(line.facility_id), line.process_route)
    )


def _investments(resolutions: Iterable[Resolution], book: Book, industry: str) -> list[InvestmentLine]:
    """List investments; the capital expenditure of a period is one figure stated beside each technology: the largest counts."""
    lines = []
    for resolution in resolutions:
        if resolution.quantity.measure is not Measure.INVESTMENT:
            continue
        technology = resolution.quantity.code
        recognised = book.recognises(technology, industry)
        for figure in resolution.chosen:
            contents = [one.submission.content for one in figure.figures]
            total = max(one.total_capital_expenditure_yuan for one in contents if isinstance(one, TransitionInvestment))
            lines.append(
                InvestmentLine(
                    period=figure.period,
                    technology_code=technology,
                    amount_yuan=figure.amount,
                    total_capital_expenditure_yuan=total,
                    recognised=recognised,
                    evidence=figure.evidence(),
                )
            )
    return sorted(lines, key=lambda line: (line.period.start, line.period.end, line.technology_code))

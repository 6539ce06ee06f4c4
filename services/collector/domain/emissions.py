"""Turns the figures that count into emissions: by the activity method of the subject's industry, or as reported.

Every activity is computed first, balances are closed, then what was reported is laid against it (stand_off.py). The two are compared
either way, never added. Lines beside the total (biomass, market-based scope 2, scope 3) take no part in that.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from services.collector.domain.activity_lines import POSTED_TCO2E_MAX, ActivityLines, ComputedLine, Hindrance
from services.collector.domain.coverage import Coverage
from services.collector.domain.directory import Profile
from services.collector.domain.method import MethodKind, MethodPack, exact_sum
from services.collector.domain.posting import AMOUNT_SCALE, Posting, Treatment
from services.collector.domain.quantity import Figure, Measure, ProviderFigure, Quantity, Resolution, cover_exactly
from services.collector.domain.remark import Comparison, Remark, Unposted, remark_on
from services.collector.domain.stand_off import balanced, stand_off, touching
from services.common.amounts import quantise
from services.common.civil_time import Period

SCOPE_OF_REPORTED = {Measure.SCOPE_1: 1, Measure.SCOPE_2: 2}
# Reported figures do not say of which gases they are.
_GAS_OF_REPORTED = "CO2e"
# What these leave out is known to have been emitted, and how much of it is not.
_LEAVES_INCOMPLETE = frozenset(
    {Unposted.FACTOR_GAP, Unposted.BEYOND_LIMIT, Unposted.METHODS_AMBIGUOUS, Unposted.BALANCE_INCOMPLETE},
)
_Series = tuple[UUID, int]


@dataclass(frozen=True, kw_only=True)
class Book:
    """What the bureau accounts by: its methods and its catalogue of recognised technologies."""

    packs: tuple[MethodPack, ...]
    recognised_everywhere: frozenset[str]
    recognised_by_industry: Mapping[str, frozenset[str]]

    def recognises(self, technology_code: str, industry_code: str) -> bool:
        """Tell whether investment in a technology counts as reduction investment in an industry."""
        in_industry = self.recognised_by_industry.get(industry_code, frozenset())
        return technology_code in self.recognised_everywhere or technology_code in in_industry


class Computation:
    """Computes the emissions of one subject, resolution by resolution: every activity first, then what was reported."""

    def __init__(self, *, book: Book, profile: Profile | None) -> None:
        self.postings: list[Posting] = []
        self.remarks: list[Remark] = []
        self.comparisons: list[Comparison] = []
        self._book = book
        self._industry = profile.industry_code if profile is not None else ""
        self._lines = ActivityLines(region=profile.city_code if profile is not None else "")
        # Days of which something is known that does not stand on the account: what was emitted then is incomplete.
        self.incomplete: list[Period] = []
        self._in_total: dict[_Series, list[ComputedLine]] = defaultdict(list)
        self._beside: dict[UUID, list[ComputedLine]] = defaultdict(list)
        self._failed: dict[_Series, list[Period]] = defaultdict(list)
        self._failed_balances: dict[UUID, dict[str, list[Period]]] = defaultdict(lambda: defaultdict(list))
        self._fallen: list[ComputedLine] = []
        self._posted_reports: dict[_Series, list[Period]] = defaultdict(list)
        self._packs: dict[tuple[MethodKind, date, date], list[MethodPack]] = {}
        self._industry_packs: dict[MethodKind, list[MethodPack]] = {}

    def post_activity(self, resolution: Resolution) -> None:
        """Compute the lines of what was burnt, used, made or bought: by the industry's method, and beside it by the value chain's."""
        accounted = False
        for figure in resolution.chosen:
            pack = self._pack(MethodKind.ACTIVITY, resolution.quantity, figure)
            accounted = self._compute(pack, resolution, figure) or accounted
            if self._industry:
                self._compute(self._pack(MethodKind.VALUE_CHAIN, resolution.quantity, figure), resolution, figure)
        # Of products days are not lost: what was made in them is no emission, and a balance that lacks it says so itself.
        if accounted and resolution.quantity.measure is not Measure.OUTPUT:
            self._lose_days_of(resolution)

    def close_balances(self) -> None:
        """Take out the lines whose balance is not whole. Call it after every activity, before what was reported."""
        for facility_id in sorted({facility for facility, _ in self._in_total}):
            scopes = [series for series in self._in_total if series[0] == facility_id]
            lines = [line for series in scopes for line in self._in_total[series]]
            standing, fallen = balanced(lines, self._failed_balances[facility_id])
            if not fallen:
                continue
            stands = {id(line) for line in standing}
            self._fallen += fallen
            for series in scopes:
                self._failed[series] += [line.posting.period for line in self._in_total[series] if id(line) not in stands]
                self._in_total[series] = [line for line in self._in_total[series] if id(line) in stands]

    def post_as_reported(self, resolution: Resolution) -> None:
        """Take over reported emissions, except those in whose place what was computed stands. Call it after the balances."""
        quantity = resolution.quantity
        scope = SCOPE_OF_REPORTED[quantity.measure]
        series = (quantity.facility_id, scope)
        computed = self._in_total.get(series, [])
        for figure in resolution.chosen:
            beside = touching(computed, figure.period)
            if cover_exactly([one.posting.period for one in beside], figure.period):
                total = sum((one.posting.amount_tco2e for one in beside), Decimal(0))
                self.comparisons.append(Comparison(reported=figure, quantity=quantity, computed_tco2e=total))
        reported, standing = stand_off(resolution.chosen, computed, self._failed.get(series, []), self._other_scopes(series))
        self._posted_reports[series] += [figure.period for figure in reported]
        if computed:
            self._leave_out(computed, standing, reported)
            self._in_total[series] = standing
        posted = {id(figure) for figure in reported}
        for figure in resolution.chosen:
            if id(figure) not in posted:
                self.remarks.append(remark_on(figure, quantity, Unposted.ACTIVITY_COVERS))
            elif (pack := self._pack(MethodKind.AS_REPORTED, quantity, figure)) is not None:
                for carrier, figures in self._by_carrier(quantity, figure).items():
                    self._post_reported(pack, quantity, figure, scope=scope, carrier=carrier, figures=figures)
        self._lose_days_of(resolution)

    def finish(self) -> None:
        """Post what was computed and still stands. Call it last."""
        for series in sorted(self._in_total):
            self.postings += [one.posting for one in self._in_total[series]]
        for facility_id in sorted(self._beside):
            # A line beside the total may belong to a balance, such as what storage gave back; it stands with the lines that do.
            in_total = [line for series, lines in self._in_total.items() if series[0] == facility_id for line in lines]
            beside = self._beside[facility_id]
            stands = {id(line) for line in balanced([*in_total, *beside], self._failed_balances[facility_id])[0]}
            self.postings += [line.posting for line in beside if id(line) in stands]
        self._remark_on_fallen()
        self.incomplete += [remark.period for remark in self.remarks if remark.reason in _LEAVES_INCOMPLETE]

    def _compute(self, pack: MethodPack | None, resolution: Resolution, figure: ProviderFigure) -> bool:
        """Compute the lines of a figure by one method; tell whether the method has a formula for it."""
        if pack is None:
            return False
        quantity = resolution.quantity
        made = self._lines.of(pack, resolution, figure)
        for line in made.lines:
            if line.posting.in_total():
                self._in_total[quantity.facility_id, line.posting.scope].append(line)
            else:
                self._beside[quantity.facility_id].append(line)
        for hindrance in made.hindrances:
            if hindrance.treatment is Treatment.IN_TOTAL:
                self._failed[quantity.facility_id, hindrance.scope].append(figure.period)
            if hindrance.balance:
                self._failed_balances[quantity.facility_id][hindrance.balance].append(figure.period)
        self.remarks += _remarks_on(made.hindrances, quantity, figure)
        return made.fits

    def _other_scopes(self, series: _Series) -> list[ComputedLine]:
        return [line for other, lines in self._in_total.items() if other[0] == series[0] and other != series for line in lines]

    def _leave_out(self, computed: Sequence[ComputedLine], standing: Sequence[ComputedLine], reported: Sequence[ProviderFigure]) -> None:
        kept = {id(one) for one in standing}
        coverage = Coverage(figure.period for figure in reported)
        told: set[int] = set()
        for one in computed:
            if id(one) in kept:
                continue
            if not coverage.overlaps(one.posting.period):
                self._fallen.append(one)
            elif id(one.figure) not in told:
                told.add(id(one.figure))
                self.remarks.append(remark_on(one.figure, one.quantity, Unposted.REPORTED_STANDS))
                if not coverage.covers(one.posting.period):
                    self.incomplete.append(one.posting.period)

    def _remark_on_fallen(self) -> None:
        """Tell of balances that are not whole, once for each figure; where a reported figure stands nothing is lost."""
        told: set[int] = set()
        for line in self._fallen:
            reported = Coverage(self._posted_reports[line.posting.facility_id, line.posting.scope])
            if id(line.figure) not in told and not reported.covers(line.posting.period):
                told.add(id(line.figure))
                self.remarks.append(remark_on(line.figure, line.quantity, Unposted.BALANCE_INCOMPLETE, detail=_lacks(line)))

    def _lose_days_of(self, resolution: Resolution) -> None:
        self.incomplete += [passed.figure.period for passed in resolution.passed_over if passed.loses_days()]

    def _post_reported(
        self, pack: MethodPack, quantity: Quantity, figure: ProviderFigure, *, scope: int, carrier: str, figures: Sequence[Figure]
    ) -> None:
        amount = exact_sum(one.amount for one in figures)
        if amount > POSTED_TCO2E_MAX:
            self.remarks.append(remark_on(figure, quantity, Unposted.BEYOND_LIMIT))
            return
        quality = max(one.data_quality for one in figures)
        self.postings.append(
            Posting(
                facility_id=quantity.facility_id,
                period=figure.period,
                scope=scope,
                treatment=Treatment.IN_TOTAL,
                category=0,
                gas=_GAS_OF_REPORTED,
                energy_carrier=carrier,
                amount_tco2e=quantise(amount, AMOUNT_SCALE),
                method_code=pack.method_code,
                factor_codes=(),
                evidence=tuple(sorted(one.submission.submission_id for one in figures)),
                data_quality=quality,
                standard_uncertainty_percent=pack.uncertainty_percent(data_quality=quality, factors=()),
            )
        )

    def _by_carrier(self, quantity: Quantity, figure: ProviderFigure) -> dict[str, list[Figure]]:
        """Group by energy carrier; what is not split is left out where the provider also splits: it is the total of the parts."""
        parts: dict[str, list[Figure]] = defaultdict(list)
        for one in figure.figures:
            parts[one.part].append(one)
        if len(parts) > 1 and "" in parts:
            evidence = tuple(one.submission for one in parts.pop(""))
            self.remarks.append(Remark(reason=Unposted.TOTAL_BESIDE_PARTS, evidence=evidence, period=figure.period, quantity=quantity))
        return parts

    def _of_industry(self, kind: MethodKind) -> list[MethodPack]:
        if (found := self._industry_packs.get(kind)) is None:
            found = self._industry_packs[kind] = [one for one in self._book.packs if one.kind is kind and one.holds_for(self._industry)]
        return found

    def _pack(self, kind: MethodKind, quantity: Quantity, figure: ProviderFigure) -> MethodPack | None:
        """Find the one method of this kind that holds for the subject and period; of two, neither is used."""
        period = figure.period
        key = (kind, period.start, period.end)
        if (holding := self._packs.get(key)) is None:
            holding = self._packs[key] = [pack for pack in self._of_industry(kind) if pack.in_force(period)]
        if len(holding) > 1:
            names = ", ".join(sorted(pack.method_code for pack in holding))
            self.remarks.append(remark_on(figure, quantity, Unposted.METHODS_AMBIGUOUS, detail=names))
        return holding[0] if len(holding) == 1 else None


def _remarks_on(hindrances: Sequence[Hindrance], quantity: Quantity, figure: ProviderFigure) -> Iterator[Remark]:
    """Tell why there is no line of a figure: once for the total, and once beside it only where the total has its line."""
    in_total = [one for one in hindrances if one.treatment is Treatment.IN_TOTAL]
    for one in in_total[:1] or hindrances[:1]:
        if one.gap is None:
            yield remark_on(figure, quantity, Unposted.BEYOND_LIMIT)
        else:
            reason = Unposted.FACTOR_GAP if in_total else Unposted.GAP_BESIDE_TOTAL
            yield remark_on(figure, quantity, reason, detail=quantity.name(), gap=one.gap)


def _lacks(line: ComputedLine) -> str:
    assert line.balance is not None
    return f"{line.balance.name} needs {', '.join(line.balance.requires)}"

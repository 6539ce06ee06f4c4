"""Turns the figures that count into emissions: by the activity method of the subject's industry, or as reported.

What was computed from activity data stands instead of a reported figure of the same facility and scope only where it covers every
day of it and is of no worse data quality: one tonne in one month must not take the place of a verified year. Else the reported
figure is posted and what was computed for any of its days is left out. The two are compared either way, never added.
Amounts are rounded once, here, to the scale of postings.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from services.collector.domain.contents.energy import FuelUse
from services.collector.domain.coverage import Coverage, same_days_overlap
from services.collector.domain.directory import Profile
from services.collector.domain.kinds import Kind
from services.collector.domain.method import Factor, FactorGap, MethodKind, MethodPack, exact_sum
from services.collector.domain.posting import AMOUNT_SCALE, Posting
from services.collector.domain.quantity import DATA_QUALITY_WORST, Figure, Measure, ProviderFigure, Quantity, Resolution, cover_exactly
from services.collector.domain.remark import Comparison, Remark, Unposted, remark_on
from services.common.amounts import quantise
from services.common.civil_time import Period

# A quarter of the world's yearly emissions: more than this on one line is never a fact about one subject.
POSTED_TCO2E_MAX = Decimal(10) ** 10
ELECTRICITY_CARRIER = "electricity"
GRID_FACTOR_KEY = "grid_electricity"
SCOPE_OF_REPORTED = {Measure.SCOPE_1: 1, Measure.SCOPE_2: 2}
# What these leave out is known to have been emitted, and how much of it is not.
_LEAVES_INCOMPLETE = frozenset({Unposted.FACTOR_GAP, Unposted.BEYOND_LIMIT, Unposted.METHODS_AMBIGUOUS})
KIND_OF_ACTIVITY = {Measure.FUEL_USE: Kind.FUEL_USE, Measure.ELECTRICITY_USE: Kind.ELECTRICITY_USE}


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
        self._region = profile.city_code if profile is not None else ""
        # Days of which something is known that does not stand on the account: what was emitted then is incomplete.
        self.incomplete: list[Period] = []
        self._computed: dict[tuple[UUID, int], list[_Computed]] = defaultdict(list)
        self._failed: dict[tuple[UUID, int], list[Period]] = defaultdict(list)
        self._packs: dict[tuple[MethodKind, date, date], list[MethodPack]] = {}
        self._uncertainties: dict[tuple[str, int, str], Decimal] = {}
        self._factors: dict[tuple[str, str, str, date, date], Factor | FactorGap] = {}

    def post_activity(self, resolution: Resolution) -> None:
        """Compute the emissions of what was burnt or bought, where an activity method holds for the subject's industry."""
        quantity = resolution.quantity
        kind = KIND_OF_ACTIVITY[quantity.measure]
        measured_elsewhere = _measured_by_period(resolution) if kind is Kind.FUEL_USE else {}
        accounted = False
        for figure in resolution.chosen:
            pack = self._pack(MethodKind.ACTIVITY, quantity, figure)
            formula = pack.formula(kind) if pack is not None else None
            if pack is None or formula is None:
                continue
            accounted = True
            series = (quantity.facility_id, formula.scope)
            factor = self._factor(pack, quantity, figure.period)
            if isinstance(factor, FactorGap):
                self._failed[series].append(figure.period)
                self.remarks.append(remark_on(figure, quantity, Unposted.FACTOR_GAP, detail=quantity.name(), gap=factor))
                continue
            elsewhere = measured_elsewhere.get((figure.period.start, figure.period.end))
            parts = []
            evidence = [one.submission.submission_id for one in figure.figures]
            for one in figure.figures:
                measured = _measured(one)
                if elsewhere is not None and (more := {**_measured(elsewhere), **measured}) != measured:
                    measured = more
                    evidence.append(elsewhere.submission.submission_id)
                parts.append(pack.emissions_tco2e(formula, quantity=one.amount, factor=factor, measured=measured))
            amount = exact_sum(parts)
            if amount > POSTED_TCO2E_MAX:
                self._failed[series].append(figure.period)
                self.remarks.append(remark_on(figure, quantity, Unposted.BEYOND_LIMIT))
                continue
            posting = Posting(
                facility_id=quantity.facility_id,
                period=figure.period,
                scope=formula.scope,
                energy_carrier=quantity.code or ELECTRICITY_CARRIER,
                amount_tco2e=quantise(amount, AMOUNT_SCALE),
                method_code=pack.method_code,
                factor_codes=(factor.code,),
                evidence=tuple(sorted(set(evidence))),
                data_quality=min(DATA_QUALITY_WORST, figure.data_quality + factor.quality_step),
                standard_uncertainty_percent=self._uncertainty(pack, figure.data_quality, factor),
            )
            self._computed[series].append(_Computed(posting=posting, figure=figure, quantity=quantity))
        if accounted:
            self._lose_days_of(resolution)

    def post_as_reported(self, resolution: Resolution) -> None:
        """Take over reported emissions, except those in whose place what was computed stands. Call it after every activity."""
        quantity = resolution.quantity
        scope = SCOPE_OF_REPORTED[quantity.measure]
        series = (quantity.facility_id, scope)
        computed = self._computed.get(series, [])
        for figure in resolution.chosen:
            touching = _touching(computed, figure.period)
            if cover_exactly([one.posting.period for one in touching], figure.period):
                total = sum((one.posting.amount_tco2e for one in touching), Decimal(0))
                self.comparisons.append(Comparison(reported=figure, quantity=quantity, computed_tco2e=total))
        reported, standing = _stand_off(resolution.chosen, computed, self._failed.get(series, []))
        if computed:
            self._leave_out(computed, standing, reported)
            self._computed[series] = standing
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
        for series in sorted(self._computed):
            self.postings += [one.posting for one in self._computed[series]]
        self.incomplete += [remark.period for remark in self.remarks if remark.reason in _LEAVES_INCOMPLETE]

    def _leave_out(self, computed: Sequence["_Computed"], standing: Sequence["_Computed"], reported: Sequence[ProviderFigure]) -> None:
        kept = {id(one) for one in standing}
        coverage = Coverage(figure.period for figure in reported)
        for one in computed:
            if id(one) not in kept:
                self.remarks.append(remark_on(one.figure, one.quantity, Unposted.REPORTED_STANDS))
                if not coverage.covers(one.posting.period):
                    self.incomplete.append(one.posting.period)

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
                energy_carrier=carrier,
                amount_tco2e=quantise(amount, AMOUNT_SCALE),
                method_code=pack.method_code,
                factor_codes=(),
                evidence=tuple(sorted(one.submission.submission_id for one in figures)),
                data_quality=quality,
                standard_uncertainty_percent=self._uncertainty(pack, quality, None),
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

    def _pack(self, kind: MethodKind, quantity: Quantity, figure: ProviderFigure) -> MethodPack | None:
        """Find the one method of this kind that holds for the subject and period; of two, neither is used."""
        period = figure.period
        key = (kind, period.start, period.end)
        if (holding := self._packs.get(key)) is None:
            holding = [pack for pack in self._book.packs if pack.kind is kind and pack.applies_to(self._industry, period)]
            self._packs[key] = holding
        if len(holding) > 1:
            names = ", ".join(sorted(pack.method_code for pack in holding))
            self.remarks.append(remark_on(figure, quantity, Unposted.METHODS_AMBIGUOUS, detail=names))
        return holding[0] if len(holding) == 1 else None

    def _uncertainty(self, pack: MethodPack, data_quality: int, factor: Factor | None) -> Decimal:
        known = (pack.method_code, data_quality, factor.code if factor is not None else "")
        if (found := self._uncertainties.get(known)) is None:
            found = self._uncertainties[known] = pack.uncertainty_percent(data_quality=data_quality, factor=factor)
        return found

    def _factor(self, pack: MethodPack, quantity: Quantity, period: Period) -> Factor | FactorGap:
        key = quantity.code or GRID_FACTOR_KEY
        known = (pack.method_code, key, quantity.unit, period.start, period.end)
        if (found := self._factors.get(known)) is None:
            found = self._factors[known] = pack.factor(key=key, unit=quantity.unit, region=self._region, period=period)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Computed:
    """What an activity method makes of one figure, to be posted unless a reported figure stands."""

    posting: Posting
    figure: ProviderFigure
    quantity: Quantity


def _stand_off(
    reported: Sequence[ProviderFigure], computed: Sequence[_Computed], failed: Sequence[Period]
) -> tuple[list[ProviderFigure], list[_Computed]]:
    """Decide between reported figures and computed ones of one facility and scope: give those that stand, none sharing a day.

    A computed figure that has to yield to one reported figure is missing beside the next, which then stands too: decided again until
    nothing changes. Each round takes at least one reported figure, and the outcome does not depend on their order.
    """
    posted: list[ProviderFigure] = []
    yielded = list(failed)
    waiting, standing = list(reported), list(computed)
    while True:
        stay = [figure for figure in waiting if not _stands_instead(_touching(standing, figure.period), figure, yielded)]
        if not stay:
            return posted, standing
        posted += stay
        kept = {id(figure) for figure in stay}
        waiting = [figure for figure in waiting if id(figure) not in kept]
        coverage = Coverage(figure.period for figure in stay)
        yielded += [one.posting.period for one in standing if coverage.overlaps(one.posting.period)]
        standing = [one for one in standing if not coverage.overlaps(one.posting.period)]


def _stands_instead(touching: Sequence[_Computed], figure: ProviderFigure, missing: Sequence[Period]) -> bool:
    """Tell whether computed figures cover every day of a reported one, none of them is missing, and none is worse."""
    if not touching or any(same_days_overlap(period, figure.period) for period in missing):
        return False
    no_worse = max(one.figure.data_quality for one in touching) <= figure.data_quality
    return no_worse and Coverage(one.posting.period for one in touching).covers(figure.period)


def _touching(computed: Sequence[_Computed], period: Period) -> list[_Computed]:
    return [one for one in computed if same_days_overlap(one.posting.period, period)]


def _measured(figure: Figure) -> dict[str, Decimal]:
    """Give the fuel parameters that the provider measured, by the name of their term."""
    content = figure.submission.content
    measured: dict[str, Decimal] = {}
    if isinstance(content, FuelUse):
        if content.ncv_gj_per_unit is not None:
            measured["ncv_gj_per_unit"] = content.ncv_gj_per_unit
        if content.carbon_content_tc_per_gj is not None:
            measured["carbon_content_tc_per_gj"] = content.carbon_content_tc_per_gj
    return measured


def _measured_by_period(resolution: Resolution) -> dict[tuple[date, date], Figure]:
    """Find what providers that were passed over measured of the fuel itself: an invoice knows the tonnes, the plant the heat.

    Only single records count: several records of one period may speak of different loads.
    """
    found: dict[tuple[date, date], Figure] = {}
    for passed in resolution.passed_over:
        figure = passed.figure
        if len(figure.figures) == 1 and _measured(figure.figures[0]):
            found.setdefault((figure.period.start, figure.period.end), figure.figures[0])
    return found

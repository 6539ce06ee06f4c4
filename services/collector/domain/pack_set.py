"""Puts method files together: each pack with everything it includes, and refuses what does not hold together.

Every refusal names the file and line of the entry at fault. What is looked at: names, balances, linearity, that every term of every
formula is given on every day of the pack's validity, and by one factor only, that nothing is counted twice, that no two
methods hold for one industry and day. Units are method_units.py's, worked examples worked_example.py's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from types import MappingProxyType
from typing import TypeVar

from services.collector.domain.expression import ExpressionError, degrees
from services.collector.domain.method import (
    ANY_INDUSTRY,
    CODE_OF_ACTIVITY,
    MEASURED_TERM_UNITS,
    Activity,
    Balance,
    Constant,
    Factor,
    Formula,
    MethodKind,
    MethodPack,
)
from services.collector.domain.pack_file import Example, PackFile, PackRefusedError, Placed, WrittenFormula
from services.collector.domain.toml_place import Place

Entry = TypeVar("Entry")
OR_ELSE = " else "


@dataclass(frozen=True, kw_only=True)
class LinkedPack:
    """A pack with what it includes, and where its formulas, factors and examples are written."""

    pack: MethodPack
    place: Place
    header_places: Mapping[str, Place]
    formula_places: Mapping[str, Place]
    factors: tuple[Placed[Factor], ...]
    own_examples: tuple[Placed[Example], ...]


def link(files: Sequence[PackFile], warming_potentials: Mapping[str, Sequence[Constant]]) -> list[LinkedPack]:
    """Put every file together with what it includes.

    Raises:
        PackRefusedError: with file, line and reason.
    """
    by_code: dict[str, PackFile] = {}
    for one in files:
        if (other := by_code.setdefault(one.method_code, one)) is not one:
            raise PackRefusedError(one.header_places["code"], f"{one.method_code} is in {other.place.file_name} already")
    linked = [_linked(one, by_code, warming_potentials) for one in files]
    _one_method_for_an_industry(linked)
    return linked


def _linked(own: PackFile, by_code: Mapping[str, PackFile], warming_potentials: Mapping[str, Sequence[Constant]]) -> LinkedPack:
    parts = _closure(own, by_code)
    constants = _by_name((one for part in parts for one in part.constants), lambda constant: constant.name)
    if own.warming_potentials:
        table = warming_potentials.get(own.warming_potentials)
        if table is None:
            raise PackRefusedError(own.header_places["warming_potentials"], f"no table of {own.warming_potentials}")
        place = own.header_places["warming_potentials"]
        constants |= {one.name: Placed(entry=one, place=place) for one in table}
    terms = _by_name((one for part in parts for one in part.term_units), lambda term: term[0])
    activities = _by_name((one for part in parts for one in part.activities), lambda activity: activity.name)
    balances = _by_name((one for part in parts for one in part.balances), lambda balance: balance.name)
    formulas = _by_name((one for part in parts for one in part.formulas), lambda formula: formula.name)
    factors = [one for part in parts for one in part.factors]
    made = [_formula(one, activities, balances, constants) for one in formulas.values()]
    for balance in balances.values():
        _balance_can_stand(balance, made)
    pack = MethodPack(
        code=own.code,
        edition=own.edition,
        kind=own.kind,
        title=own.title,
        status=own.status,
        reasoning=own.reasoning,
        standard=own.standard,
        standard_edition=own.standard_edition,
        effective_from=own.effective_from,
        effective_until=own.effective_until,
        region=own.region,
        industry_codes=own.industry_codes,
        data_quality_rule=own.data_quality_rule,
        includes=own.includes,
        warming_potentials=own.warming_potentials,
        formulas=tuple(made),
        balances=MappingProxyType({name: one.entry for name, one in balances.items()}),
        constants=MappingProxyType({name: one.entry for name, one in constants.items()}),
        term_units=MappingProxyType({name: one.entry[1] for name, one in terms.items()}),
        factors=tuple(one.entry for one in factors),
        gaps=tuple(one.entry for part in parts for one in part.gaps),
        assumed_uncertainty_percent_by_quality=own.assumed_uncertainty_percent_by_quality,
    )
    linked = LinkedPack(
        pack=pack,
        place=own.place,
        header_places=own.header_places,
        formula_places=MappingProxyType({name: one.place for name, one in formulas.items()}),
        factors=tuple(factors),
        own_examples=own.examples,
    )
    _one_factor_for_a_day(factors)
    _values_have_units(linked)
    for formula in made:
        _terms_are_given(linked, formula)
    _nothing_counts_twice(linked)
    return linked


def _closure(own: PackFile, by_code: Mapping[str, PackFile]) -> list[PackFile]:
    """List a file and everything it includes, each once; the include line is named where one is missing."""
    parts: dict[str, PackFile] = {}

    def add(part: PackFile) -> None:
        if part.method_code in parts:
            return
        parts[part.method_code] = part
        for code in part.includes:
            included = by_code.get(code)
            if included is None:
                raise PackRefusedError(part.header_places["includes"], f"includes: there is no {code}")
            if included.kind is not MethodKind.LIBRARY:
                raise PackRefusedError(part.header_places["includes"], f"includes: {code} is no library")
            add(included)

    add(own)
    return list(parts.values())


def _by_name(entries: Iterable[Placed[Entry]], name: Callable[[Entry], str]) -> dict[str, Placed[Entry]]:
    found: dict[str, Placed[Entry]] = {}
    for one in entries:
        if (other := found.setdefault(name(one.entry), one)) is not one:
            raise PackRefusedError(one.place, f"{name(one.entry)} is given at {other.place} already")
    return found


def _formula(
    written: Placed[WrittenFormula],
    activities: Mapping[str, Placed[Activity]],
    balances: Mapping[str, Placed[Balance]],
    constants: Mapping[str, Placed[Constant]],
) -> Formula:
    one = written.entry
    if one.activity not in activities:
        raise PackRefusedError(written.place, f"formula {one.name}: no activity {one.activity}")
    if one.balance and one.balance not in balances:
        raise PackRefusedError(written.place, f"formula {one.name}: no balance {one.balance}")
    activity = activities[one.activity].entry
    for expression in (one.expression, one.measured_expression):
        if expression is None:
            continue
        try:
            powers = degrees(expression, activity.name)
        except ExpressionError as error:
            raise PackRefusedError(written.place, f"formula {one.name}: {error}") from error
        if powers != {1}:
            raise PackRefusedError(written.place, f"formula {one.name} is not linear in {activity.name}")
    open_terms = one.expression.names - {activity.name} - constants.keys()
    keys = one.factors or ((CODE_OF_ACTIVITY,) if open_terms else ())
    return Formula(
        name=one.name,
        activity=activity,
        scope=one.scope,
        category=one.category,
        treatment=one.treatment,
        gas=one.gas,
        carrier=one.carrier,
        expression=one.expression,
        measured_expression=one.measured_expression,
        factors=tuple(tuple(key.split(OR_ELSE)) for key in keys),
        balance=one.balance,
    )


def _balance_can_stand(balance: Placed[Balance], formulas: Sequence[Formula]) -> None:
    computed = {formula.activity.name for formula in formulas}
    for name in balance.entry.requires:
        if name not in computed:
            raise PackRefusedError(balance.place, f"balance {balance.entry.name}: no formula computes {name}")


def _one_factor_for_a_day(factors: Sequence[Placed[Factor]]) -> None:
    for one, other in combinations(factors, 2):
        first, second = one.entry, other.entry
        if first.code == second.code:
            raise PackRefusedError(other.place, f"factor {second.code} is given at {one.place} already")
        same = first.key == second.key and first.unit == second.unit and not first.values.keys().isdisjoint(second.values)
        some_day_both = first.valid_from < second.valid_until and second.valid_from < first.valid_until
        if same and some_day_both and _nested(first.region, second.region):
            day = max(first.valid_from, second.valid_from)
            raise PackRefusedError(other.place, f"factors {first.code} and {second.code} both hold on {day}")


def _nested(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _values_have_units(linked: LinkedPack) -> None:
    for factor in linked.factors:
        for name in factor.entry.values:
            if name not in linked.pack.term_units:
                raise PackRefusedError(factor.place, f"factor {factor.entry.code}: no unit of {name} under [terms]")


def _terms_are_given(linked: LinkedPack, formula: Formula) -> None:
    """Refuse a term that nothing gives, or that is not given on some day of the pack's validity in its region."""
    pack, place = linked.pack, linked.formula_places[formula.name]
    if formula.measured_expression is not None:
        open_measured = pack.open_terms(formula.measured_expression, formula) - MEASURED_TERM_UNITS.get(formula.activity.kind, {}).keys()
        if open_measured:
            raise PackRefusedError(place, f"formula {formula.name}: no provider measures {', '.join(sorted(open_measured))}")
    open_terms = pack.open_terms(formula.expression, formula)
    if open_terms and formula.measured_expression is not None and not formula.factors:
        raise PackRefusedError(place, f"formula {formula.name} names no factor")
    given: set[str] = set()
    for keys in formula.factors:
        values = _values_of(linked, formula, keys, open_terms)
        if both := given & values:
            raise PackRefusedError(place, f"formula {formula.name}: two of its factors give {', '.join(sorted(both))}")
        given |= values
    if unknown := open_terms - given:
        raise PackRefusedError(place, f"formula {formula.name}: nothing gives {', '.join(sorted(unknown))}")


def _values_of(linked: LinkedPack, formula: Formula, keys: tuple[str, ...], open_terms: frozenset[str]) -> set[str]:
    """Find what the factors of one lookup give, the same by each of them, after looking whether they are complete."""
    pack, place = linked.pack, linked.formula_places[formula.name]
    given: set[str] | None = None
    for code in _codes(pack, formula, keys, open_terms):
        wanted = {key.replace(CODE_OF_ACTIVITY, code) for key in keys}
        of_keys = [one for one in linked.factors if one.entry.key in wanted and not open_terms.isdisjoint(one.entry.values)]
        of_keys = [one for one in of_keys if one.entry.unit in formula.activity.units]
        for one in of_keys:
            values = open_terms & one.entry.values.keys()
            if given is not None and values != given:
                lacking = ", ".join(sorted(given ^ values))
                raise PackRefusedError(one.place, f"factor {one.entry.code} and the others of {formula.name} do not all give {lacking}")
            given = set(values)
        _complete(linked, formula, sorted(wanted), [one.entry for one in of_keys])
    if given is None:
        raise PackRefusedError(place, f"formula {formula.name}: no factor gives {', '.join(sorted(open_terms))}")
    return given


def _codes(pack: MethodPack, formula: Formula, keys: tuple[str, ...], open_terms: frozenset[str]) -> list[str]:
    """List the codes that a lookup has to find factors for: those of the activity, or all that there are."""
    if not any(CODE_OF_ACTIVITY in key for key in keys):
        return [""]
    if formula.activity.codes:
        return sorted(formula.activity.codes)
    units = formula.activity.units
    return sorted({one.key for one in pack.factors if one.unit in units and not open_terms.isdisjoint(one.values)})


def _complete(linked: LinkedPack, formula: Formula, keys: Sequence[str], factors: Sequence[Factor]) -> None:
    """Refuse a day of the pack's validity for which there is neither a factor in its region nor a declared gap."""
    pack = linked.pack
    held = [(one.valid_from, one.valid_until) for one in factors if pack.region.startswith(one.region)]
    declared = [(gap.valid_from, gap.valid_until) for gap in pack.gaps if gap.key in keys]
    for gap in (gap for gap in pack.gaps if gap.key in keys):
        if any(start < gap.valid_until and gap.valid_from < end for start, end in held):
            raise PackRefusedError(linked.place, f"the declared gap of {gap.key} from {gap.valid_from} on has a factor")
    day = _first_day_missing(sorted([*held, *declared]), pack.effective_from, pack.effective_until)
    if day is not None:
        reason = f"formula {formula.name}: no factor of {' or '.join(keys)} holds on {day}, within the validity of {pack.method_code}"
        raise PackRefusedError(linked.formula_places[formula.name], reason)


def _first_day_missing(intervals: Iterable[tuple[date, date]], start: date, end: date) -> date | None:
    for begins, ends in intervals:
        if begins > start:
            break
        start = max(start, ends)
    return start if start < end else None


def _nothing_counts_twice(linked: LinkedPack) -> None:
    """Refuse two formulas that take the same gas of the same quantity into the same sum."""
    for one, other in combinations(linked.pack.formulas, 2):
        same_sum = (one.scope, one.category, one.treatment, one.gas) == (other.scope, other.category, other.treatment, other.gas)
        if same_sum and _may_meet(linked.pack, one, other):
            raise PackRefusedError(linked.formula_places[other.name], f"formulas {one.name} and {other.name} count the same quantity")


def _may_meet(pack: MethodPack, one: Formula, other: Formula) -> bool:
    first, second = one.activity, other.activity
    if first.kind is not second.kind or (first.uses and second.uses and first.uses.isdisjoint(second.uses)):
        return False
    if set(first.units).isdisjoint(second.units):
        return False
    codes = [_codes_of(pack, formula) for formula in (one, other)]
    return codes[0] is None or codes[1] is None or not codes[0].isdisjoint(codes[1])


def _codes_of(pack: MethodPack, formula: Formula) -> frozenset[str] | None:
    """Give the codes that a formula can compute, None for all."""
    if formula.activity.codes:
        return formula.activity.codes
    if (CODE_OF_ACTIVITY,) not in formula.factors:
        return None
    return frozenset(_codes(pack, formula, (CODE_OF_ACTIVITY,), pack.open_terms(formula.expression, formula)))


def _one_method_for_an_industry(linked: Sequence[LinkedPack]) -> None:
    of_sectors = [one for one in linked if one.pack.kind is MethodKind.ACTIVITY]
    for one, other in combinations(of_sectors, 2):
        first, second = one.pack, other.pack
        if first.effective_from < second.effective_until and second.effective_from < first.effective_until:
            for code, another in _pairs(first.industry_codes, second.industry_codes):
                if ANY_INDUSTRY in (code, another) or _nested(code, another):
                    reason = (
                        f"industry {another} has a method already: {first.method_code} for {code}, {one.header_places['industry_codes']}"
                    )
                    raise PackRefusedError(other.header_places["industry_codes"], reason)


def _pairs(ones: Sequence[str], others: Sequence[str]) -> Iterator[tuple[str, str]]:
    return ((one, other) for one in ones for other in others)

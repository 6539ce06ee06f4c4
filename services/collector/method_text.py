"""Writes methods as text for people at a terminal: the list of packs and releases, one pack explained, a trial."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from services.collector.domain.method import Factor, Formula, MethodStatus
from services.collector.domain.pack_file import Example
from services.collector.domain.pack_set import LinkedPack
from services.collector.domain.posting import Treatment
from services.collector.method_trial import LineKey, Trial
from services.collector.store.methods import Release
from services.collector.tables_text import table

_WIDTH_INDUSTRIES = 28
_LINES_SHOWN_MAX = 200


def packs_text(linked: Sequence[LinkedPack]) -> str:
    """List packs: what each is for, whose it is, when and for whom it holds."""
    rows = [
        (
            one.pack.method_code,
            one.pack.kind.value,
            one.pack.status.value,
            f"{one.pack.effective_from}…{one.pack.effective_until}",
            _shortened(" ".join(one.pack.industry_codes) or "-"),
            str(len(one.pack.formulas)),
            str(len(one.pack.factors)),
            one.pack.title,
        )
        for one in linked
    ]
    return _lines(table(("method", "kind", "status", "in force", "industries", "formulas", "factors", "title"), rows))


def releases_text(releases: Sequence[Release], accounts: Mapping[int, int], shipped_sha256: bytes) -> str:
    """List releases, how many accounts are drawn up by each, and whether the files of this program are one of them."""
    rows = [
        (
            str(one.release_number),
            one.released_at.isoformat(timespec="seconds"),
            one.content_sha256.hex()[:16],
            str(accounts.get(one.release_number, 0)),
            "yes" if one.content_sha256 == shipped_sha256 else "",
            one.operator,
            one.reason,
        )
        for one in releases
    ]
    head = ("release", "released", "sha256", "accounts", "these files", "operator", "reason")
    unreleased = not any(one.content_sha256 == shipped_sha256 for one in releases)
    note = ["the files of this program are not released: nothing is accounted by them yet"] if unreleased else []
    return _lines([*table(head, rows), *note])


def pack_text(linked: LinkedPack) -> str:
    """Explain a pack: standing, activity data, formulas, balances, factors with source, worked examples step by step."""
    return _lines(_pack_sections(linked))


def _pack_sections(linked: LinkedPack) -> Iterator[str]:
    pack = linked.pack
    yield f"{pack.method_code}  {pack.title}"
    yield f"  standard   {pack.standard}, edition {pack.standard_edition}"
    yield f"  status     {pack.status.value}" + (f": {pack.reasoning}" if pack.status is MethodStatus.PROVISIONAL else "")
    yield f"  in force   {pack.effective_from} until {pack.effective_until}"
    yield f"  industries {' '.join(pack.industry_codes) or '- (other packs include it)'}"
    yield f"  includes   {', '.join(pack.includes) or '-'}; warming potentials {pack.warming_potentials or '-'}"
    yield f"  quality    {pack.data_quality_rule}"
    yield "\nactivity data and formulas"
    for formula in pack.formulas:
        yield from _formula_lines(formula)
    for balance in pack.balances.values():
        yield f"  balance {balance.name}: its lines stand only where {', '.join(balance.requires)} are known"
    yield "\nconstants"
    yield from table(
        ("name", "value", "unit", "source"), [(one.name, _number(one.value), one.unit, one.source) for one in pack.constants.values()]
    )
    for gap in pack.gaps:
        yield f"\ndeclared gap: no {gap.key} from {gap.valid_from} until {gap.valid_until}: {gap.reason}"
    yield "\nfactors (uncertainties are assumed)"
    head = ("code", "key", "region", "from", "until", "values", "±%", "confidence", "source")
    yield from table(head, [_factor_row(factor, pack.term_units) for factor in pack.factors])
    for example in linked.own_examples:
        yield from _example_lines(example.entry)


def _formula_lines(formula: Formula) -> Iterator[str]:
    activity = formula.activity
    of = " ".join([activity.kind.value, *sorted(activity.codes), *sorted(activity.uses)])
    where = formula.treatment.value.lower().replace("_", " ")
    category = f".{formula.category}" if formula.category else ""
    yield f"  {formula.name} [scope {formula.scope}{category}, {formula.gas}, {where}]"
    yield f"    {activity.name}: {of}, in {' or '.join(activity.units)}"
    yield f"    = {formula.expression.text}"
    if formula.measured_expression is not None:
        yield f"    = {formula.measured_expression.text}   where it is measured"


def _factor_row(factor: Factor, units: Mapping[str, str]) -> tuple[str, ...]:
    values = ", ".join(f"{name} {_number(value)} {units[name].replace('{unit}', factor.unit)}" for name, value in factor.values.items())
    dates = (str(factor.valid_from), str(factor.valid_until))
    uncertainty = str(factor.assumed_standard_uncertainty_percent)
    return (factor.code, factor.key, factor.region or "*", *dates, values, uncertainty, factor.confidence, factor.source)


def _example_lines(example: Example) -> Iterator[str]:
    yield f"\nexample: {example.title} ({example.start} until {example.end}; {example.source})"
    for placed in example.steps:
        step = placed.entry
        yield f"  {f'{step.line} {step.code}'.strip()}: {step.written_out.text} = {step.tco2e} t"
    yield "  " + ", ".join(f"{name} {total} t" for name, total in example.totals.items())


def trial_text(trial: Trial) -> str:
    """Lay what a pack would post beside what stands, line by line and in sums."""
    return _lines(_trial_sections(trial))


def _trial_sections(trial: Trial) -> Iterator[str]:
    of = f"industry {trial.industry_code or '-'}, accounted by release {trial.release_number}"
    yield f"{trial.pack.method_code} tried on a subject of {of}"
    if not any(trial.industry_code.startswith(code) or code == "*" for code in trial.pack.industry_codes):
        yield "  this industry is none of the pack's; it is tried all the same"
    keys = sorted(trial.stands.keys() | trial.would.keys(), key=lambda key: (key[1:], str(key[0])))
    yield f"\nlines, {min(len(keys), _LINES_SHOWN_MAX)} newest of {len(keys)}; nothing was written"
    head = ("from", "to", "scope", "counts", "carrier", "gas", "stands t", "would t", "difference t", "facility")
    yield from table(head, [_trial_row(key, trial) for key in keys[-_LINES_SHOWN_MAX:]])
    yield "\nsums"
    stands, would = _sums(trial.stands), _sums(trial.would)
    rows = [
        (name, f"{stands[name]:.6f}", f"{would[name]:.6f}", f"{would[name] - stands[name]:.6f}")
        for name in sorted(stands.keys() | would.keys())
    ]
    yield from table(("sum", "stands t", "would t", "difference t"), rows)
    yield "\nnot posted by it"
    yield from sorted({f"  {one.quantity.name()}: {one.reason.value} {one.detail}".rstrip() for one in trial.remarks}) or ["  nothing"]


def _trial_row(key: LineKey, trial: Trial) -> tuple[str, ...]:
    facility_id, start, end, scope, treatment, category, carrier, gas = key
    stands, would = trial.stands.get(key), trial.would.get(key)
    difference = (would or Decimal(0)) - (stands or Decimal(0))
    amounts = (str(stands) if stands is not None else "-", str(would) if would is not None else "-", str(difference))
    return (start, end, f"{scope}.{category}" if category else str(scope), treatment, carrier or "-", gas, *amounts, str(facility_id)[:8])


def _sums(lines: Mapping[LineKey, Decimal]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for (_, _, _, scope, treatment, _, _, _), amount in lines.items():
        sums[f"scope {scope}" if treatment == Treatment.IN_TOTAL else f"scope {scope} {treatment}"] += amount
    return sums


def _number(value: Fraction) -> str:
    """Write a value as a decimal where it ends within nine digits, else as the fraction that it is."""
    scaled = value * 10**9
    if scaled.denominator != 1:
        return f"{value.numerator}/{value.denominator}"
    return f"{Decimal(scaled.numerator).scaleb(-9).normalize():f}"


def _shortened(text: str) -> str:
    return text if len(text) <= _WIDTH_INDUSTRIES else text[: _WIDTH_INDUSTRIES - 1] + "…"


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"

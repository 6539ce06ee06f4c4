"""Reads one method file: what is written, entry by entry with its line, before it is put together with what it includes.

Everything that can be said of one entry alone is refused here: a missing or unknown key, a text that is no amount, a factor
without source. What takes several entries or files is pack_set.py's.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from services.collector.domain.expression import Expression, ExpressionError, parse_expression
from services.collector.domain.kinds import Kind
from services.collector.domain.method import ACTIVITY_KINDS, Activity, Balance, Constant, DeclaredGap, Factor, MethodKind, MethodStatus
from services.collector.domain.posting import Treatment
from services.collector.domain.toml_place import Lines, Place
from services.common.amounts import AmountError, parse_amount

CONFIDENCES = ("transcription", "partly", "unverified")
Entry = TypeVar("Entry")


class PackRefusedError(Exception):
    """A method file cannot be used; the message names file, line and reason."""

    def __init__(self, place: Place, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Placed(Generic[Entry]):
    """An entry and where it is written."""

    entry: Entry
    place: Place


@dataclass(frozen=True, kw_only=True)
class WrittenFormula:
    """A formula as written, its activity and balance by name."""

    name: str
    activity: str
    scope: int
    category: int
    treatment: Treatment
    gas: str
    carrier: str
    expression: Expression
    measured_expression: Expression | None
    factors: tuple[str, ...]
    balance: str


@dataclass(frozen=True, kw_only=True)
class Given:
    """One quantity of a worked example."""

    activity: str
    code: str
    use: str
    quantity: Decimal
    unit: str
    measured: Mapping[str, Decimal]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line of a worked example as it is calculated by hand: the sum written out, and its result."""

    line: str
    code: str
    written_out: Expression
    tco2e: Decimal


@dataclass(frozen=True, kw_only=True)
class Example:
    """A worked example: what is given, the steps, and the totals it ends on."""

    title: str
    source: str
    start: date
    end: date
    region: str
    given: tuple[Placed[Given], ...]
    steps: tuple[Placed[Step], ...]
    totals: Mapping[str, Decimal]


@dataclass(frozen=True, kw_only=True)
class PackFile:
    """One method file as written."""

    place: Place
    header_places: Mapping[str, Place]
    code: str
    edition: str
    kind: MethodKind
    title: str
    status: MethodStatus
    reasoning: str
    standard: str
    standard_edition: str
    effective_from: date
    effective_until: date
    region: str
    industry_codes: tuple[str, ...]
    data_quality_rule: str
    includes: tuple[str, ...]
    warming_potentials: str
    assumed_uncertainty_percent_by_quality: Mapping[int, Decimal]
    term_units: tuple[Placed[tuple[str, str]], ...]
    constants: tuple[Placed[Constant], ...]
    activities: tuple[Placed[Activity], ...]
    formulas: tuple[Placed[WrittenFormula], ...]
    balances: tuple[Placed[Balance], ...]
    factors: tuple[Placed[Factor], ...]
    gaps: tuple[Placed[DeclaredGap], ...]
    examples: tuple[Placed[Example], ...]

    @property
    def method_code(self) -> str:
        return f"{self.code}/{self.edition}"


class Table:
    """One table of a file; every key is asked for by its form and none may be left over."""

    def __init__(self, raw: Any, lines: Lines, *path: str | int) -> None:
        self._lines, self._path = lines, path
        self._asked: set[str] = set()
        if not isinstance(raw, dict):
            raise PackRefusedError(self.place(), "is not a table")
        self._raw: dict[str, Any] = raw

    def place(self, *path: str | int) -> Place:
        return self._lines.place(*self._path, *path)

    def refused(self, key: str, reason: str) -> PackRefusedError:
        return PackRefusedError(self.place(key), f"{key}: {reason}")

    def has(self, key: str) -> bool:
        return key in self._raw

    def take(self, key: str) -> Any:
        self._asked.add(key)
        if key not in self._raw:
            raise PackRefusedError(self.place(), f"{key} is missing")
        return self._raw[key]

    def text(self, key: str, default: str | None = None) -> str:
        if default is not None and not self.has(key):
            self._asked.add(key)
            return default
        value = self.take(key)
        if not isinstance(value, str) or (not value and default is None):
            raise self.refused(key, "is not a text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        self._asked.add(key)
        value = self._raw.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise self.refused(key, "is not a list of texts")
        return tuple(value)

    def day(self, key: str) -> date:
        value = self.take(key)
        if type(value) is not date:
            raise self.refused(key, "is not a date")
        return value

    def whole(self, key: str, default: int | None = None) -> int:
        if default is not None and not self.has(key):
            self._asked.add(key)
            return default
        value = self.take(key)
        if type(value) is not int:
            raise self.refused(key, "is not a whole number")
        return value

    def amount(self, key: str, default: str | None = None) -> Decimal:
        if default is not None and not self.has(key):
            self._asked.add(key)
            return Decimal(default)
        value = self.take(key)
        if not isinstance(value, str):
            raise self.refused(key, "is not an amount in quotation marks")
        try:
            return parse_amount(value)
        except AmountError as error:
            raise self.refused(key, error.reason) from error

    def one_of(self, key: str, choice: type[Entry], default: str | None = None) -> Entry:
        written = self.text(key, default)
        try:
            return choice(written)  # type: ignore[call-arg]
        except ValueError as error:
            raise self.refused(key, f"{written!r} is not known") from error

    def expression(self, key: str) -> Expression:
        try:
            return parse_expression(self.text(key))
        except ExpressionError as error:
            raise self.refused(key, str(error)) from error

    def tables(self, key: str) -> Iterator["Table"]:
        self._asked.add(key)
        raw = self._raw.get(key, [])
        if not isinstance(raw, list):
            raise self.refused(key, "is not a list of tables")
        for index, one in enumerate(raw):
            yield Table(one, self._lines, *self._path, key, index)

    def table(self, key: str) -> "Table":
        self._asked.add(key)
        return Table(self._raw.get(key, {}), self._lines, *self._path, key)

    def names(self) -> list[str]:
        """List the keys that are written."""
        return list(self._raw)

    def with_defaults(self, defaults: Mapping[str, Any]) -> "Table":
        """Give the same table, what it does not say taken from the defaults."""
        return Table({**defaults, **self._raw}, self._lines, *self._path)

    def nothing_left(self) -> None:
        for key in self._raw:
            if key not in self._asked:
                raise PackRefusedError(self.place(key), f"{key} has no place here")


def read_toml(text: str, *, file_name: str) -> Table:
    """Read a file into its outermost table.

    Raises:
        PackRefusedError: the text is not TOML.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = str(error).rpartition("(at line ")[2].partition(",")[0]
        raise PackRefusedError(Place(file_name, int(found) if found.isdecimal() else 1), f"not TOML: {error}") from error
    return Table(raw, Lines(text, file_name=file_name))


def read_pack(text: str, *, file_name: str) -> PackFile:
    """Read a method file.

    Raises:
        PackRefusedError: something in it is missing, malformed or unknown.
    """
    top = read_toml(text, file_name=file_name)
    kind = top.one_of("kind", MethodKind)
    status = top.one_of("status", MethodStatus)
    defaults = top.table("factor_defaults")
    shared = {key: defaults.take(key) for key in defaults.names()}
    pack = PackFile(
        place=top.place(),
        header_places={key: top.place(key) for key in top.names()},
        code=top.text("code"),
        edition=top.text("edition"),
        kind=kind,
        title=top.text("title"),
        status=status,
        # A method that is ours alone says why it is what it is.
        reasoning=top.text("reasoning", None if status is MethodStatus.PROVISIONAL else ""),
        standard=top.text("standard"),
        standard_edition=top.text("standard_edition"),
        effective_from=top.day("effective_from"),
        effective_until=top.day("effective_until"),
        region=top.text("region", ""),
        industry_codes=top.texts("industry_codes"),
        data_quality_rule=top.text("data_quality_rule"),
        includes=top.texts("includes"),
        warming_potentials=top.text("warming_potentials", ""),
        assumed_uncertainty_percent_by_quality=_uncertainties(top, kind),
        term_units=tuple(_term_units(top.table("terms"))),
        constants=tuple(_constants(top.table("constants"))),
        activities=tuple(Placed(entry=_activity(one), place=one.place()) for one in top.tables("activity")),
        formulas=tuple(Placed(entry=_formula(one), place=one.place()) for one in top.tables("formula")),
        balances=tuple(Placed(entry=_balance(one), place=one.place()) for one in top.tables("balance")),
        factors=tuple(Placed(entry=_factor(one.with_defaults(shared)), place=one.place()) for one in top.tables("factor")),
        gaps=tuple(Placed(entry=_gap(one), place=one.place()) for one in top.tables("gap")),
        examples=tuple(Placed(entry=_example(one), place=one.place()) for one in top.tables("example")),
    )
    if pack.effective_from >= pack.effective_until:
        raise top.refused("effective_until", "ends before it begins")
    if kind is not MethodKind.LIBRARY and not pack.industry_codes:
        raise PackRefusedError(top.place(), "industry_codes is missing")
    top.nothing_left()
    return pack


def _uncertainties(top: Table, kind: MethodKind) -> Mapping[int, Decimal]:
    table = top.table("assumed_uncertainty_percent_by_quality")
    if kind is MethodKind.LIBRARY and not table.names():
        return MappingProxyType({})
    found = {quality: table.amount(str(quality)) for quality in range(1, 6)}
    table.nothing_left()
    return MappingProxyType(found)


def _term_units(table: Table) -> Iterator[Placed[tuple[str, str]]]:
    for name in table.names():
        yield Placed(entry=(name, table.text(name)), place=table.place(name))


def _constants(table: Table) -> Iterator[Placed[Constant]]:
    for name in table.names():
        one = table.table(name)
        denominator = one.amount("denominator", "1")
        if denominator == 0:
            raise one.refused("denominator", "is 0")
        value = Fraction(one.amount("numerator")) / Fraction(denominator)
        yield Placed(entry=Constant(name=name, value=value, unit=one.text("unit"), source=one.text("source")), place=one.place())
        one.nothing_left()


def _activity(table: Table) -> Activity:
    made = Activity(
        name=table.text("name"),
        kind=table.one_of("kind", Kind),
        codes=frozenset(table.texts("codes")),
        uses=frozenset(table.texts("uses")),
        units=table.texts("units"),
    )
    if made.kind not in ACTIVITY_KINDS:
        raise table.refused("kind", f"{made.kind} states no activity data")
    if not made.units:
        raise PackRefusedError(table.place(), "units is missing")
    table.nothing_left()
    return made


def _formula(table: Table) -> WrittenFormula:
    made = WrittenFormula(
        name=table.text("name"),
        activity=table.text("activity"),
        scope=table.whole("scope"),
        category=table.whole("category", 0),
        treatment=table.one_of("treatment", Treatment, Treatment.IN_TOTAL),
        gas=table.text("gas"),
        carrier=table.text("carrier", ""),
        expression=table.expression("expression"),
        measured_expression=table.expression("measured_expression") if table.has("measured_expression") else None,
        factors=table.texts("factors"),
        balance=table.text("balance", ""),
    )
    in_value_chain = made.treatment is Treatment.VALUE_CHAIN
    if (made.scope == 3) is not in_value_chain or (made.category in (1, 3, 4)) is not in_value_chain or made.scope not in (1, 2, 3):
        raise table.refused("scope", "scope 3 is treated as VALUE_CHAIN and has a category 1, 3 or 4, other scopes have neither")
    table.nothing_left()
    return made


def _balance(table: Table) -> Balance:
    made = Balance(name=table.text("name"), requires=table.texts("requires"))
    table.text("reason")
    table.nothing_left()
    return made


def _factor(table: Table) -> Factor:
    values = table.table("values")
    confidence = table.text("confidence")
    if confidence not in CONFIDENCES:
        raise table.refused("confidence", f"{confidence!r} is none of {', '.join(CONFIDENCES)}")
    made = Factor(
        code=table.text("code"),
        key=table.text("key"),
        unit=table.text("unit"),
        region=table.text("region", ""),
        year=table.whole("year"),
        valid_from=table.day("valid_from"),
        valid_until=table.day("valid_until"),
        values=MappingProxyType({name: Fraction(values.amount(name)) for name in values.names()}),
        source=table.text("source"),
        confidence=confidence,
        quality_step=table.whole("quality_step", 0),
        quality_at_best=table.whole("quality_at_best", 1),
        assumed_standard_uncertainty_percent=table.amount("assumed_standard_uncertainty_percent"),
    )
    if made.valid_from >= made.valid_until:
        raise table.refused("valid_until", f"factor {made.code} ends before it begins")
    if not made.values:
        raise PackRefusedError(table.place(), f"factor {made.code} has no values")
    table.nothing_left()
    return made


def _gap(table: Table) -> DeclaredGap:
    made = DeclaredGap(
        key=table.text("key"), valid_from=table.day("valid_from"), valid_until=table.day("valid_until"), reason=table.text("reason")
    )
    table.nothing_left()
    return made


def _example(table: Table) -> Example:
    totals = table.table("totals")
    made = Example(
        title=table.text("title"),
        source=table.text("source"),
        start=table.day("start"),
        end=table.day("end"),
        region=table.text("region"),
        given=tuple(Placed(entry=_given(one), place=one.place()) for one in table.tables("given")),
        steps=tuple(Placed(entry=_step(one), place=one.place()) for one in table.tables("steps")),
        totals=MappingProxyType({name: totals.amount(name) for name in totals.names()}),
    )
    table.nothing_left()
    return made


def _given(table: Table) -> Given:
    measured = table.table("measured")
    made = Given(
        activity=table.text("activity"),
        code=table.text("code", ""),
        use=table.text("use", ""),
        quantity=table.amount("quantity"),
        unit=table.text("unit"),
        measured=MappingProxyType({name: measured.amount(name) for name in measured.names()}),
    )
    table.nothing_left()
    return made


def _step(table: Table) -> Step:
    written = table.text("sum")
    try:
        expression = parse_expression(written.replace("×", "*").replace("÷", "/").replace("−", "-").replace(",", ""))
    except ExpressionError as error:
        raise table.refused("sum", str(error)) from error
    if expression.names:
        raise table.refused("sum", "a sum is of numbers alone")
    made = Step(line=table.text("line"), code=table.text("code", ""), written_out=expression, tco2e=table.amount("tco2e"))
    table.nothing_left()
    return made

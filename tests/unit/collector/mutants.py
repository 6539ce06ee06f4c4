"""Makes mutants of rules: the same rule module with one comparison, operator, condition or number changed.

A mutant that every planted case and every near-miss agree with is a part of a rule that no test holds. Messages are not mutated, nor
assertions: they are for readers.
"""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from types import FunctionType, ModuleType
from typing import Any

from services.collector.domain.rules.rule import Rule

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
_CALLS = {"any": "all", "all": "any", "max": "min", "min": "max"}
_FACTORS = (Decimal("0.9"), Decimal("1.1"))


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A changed module: its rules by id, and those that the change can reach."""

    name: str
    checks: dict[str, Callable[..., Any]]


def mutants(module: ModuleType) -> Iterator[Mutant]:
    """Make every mutant of a rule module."""
    tree = ast.parse(inspect.getsource(module))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for name, function in functions.items():
        reached = _rules_that_reach(name, module, functions)
        for what, changed in _changed(function):
            yield Mutant(
                name=f"{module.__name__.rpartition('.')[2]}.{name}: {what}", checks=_bound(module, functions, reached, {name: changed})
            )
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            assert isinstance(target, ast.Name)
            reached = _rules_that_reach(target.id, module, functions)
            for factor in _FACTORS if _numbers(vars(module)[target.id]) else ():
                value = _scaled(vars(module)[target.id], factor)
                name = f"{module.__name__.rpartition('.')[2]}.{target.id} × {factor}"
                yield Mutant(name=name, checks=_bound(module, functions, reached, {target.id: value}))


# ---- Which rules a function or number belongs to ----


def _rules_that_reach(name: str, module: ModuleType, functions: dict[str, ast.FunctionDef]) -> list[str]:
    """Name the functions with a rule's entry that use `name`, by way of other functions of the module too."""
    reaching = {name}
    while True:
        more = {
            one
            for one, function in functions.items()
            if any(isinstance(node, ast.Name) and node.id in reaching for node in ast.walk(function))
        }
        if more <= reaching:
            return sorted(one for one in reaching if isinstance(vars(module).get(one), Rule))
        reaching |= more


def _bound(
    module: ModuleType, functions: dict[str, ast.FunctionDef], reached: list[str], changes: dict[str, Any]
) -> dict[str, Callable[..., Any]]:
    """Build the functions of a module anew around the changes."""
    scope = dict(vars(module))
    for name in functions:
        held = vars(module)[name]
        function = held.check if isinstance(held, Rule) else held
        scope[name] = FunctionType(function.__code__, scope, name, function.__defaults__)
        scope[name].__kwdefaults__ = function.__kwdefaults__
    for name, change in changes.items():
        if isinstance(change, ast.FunctionDef):
            made = ast.Module(body=[change], type_ignores=[])
            exec(compile(ast.fix_missing_locations(made), f"<mutant of {name}>", "exec"), scope)
        else:
            scope[name] = change
    return {vars(module)[name].rule_id: scope[name] for name in reached}


# ---- Numbers ----


def _numbers(value: Any) -> bool:
    match value:
        case bool() | str() | type():
            return False
        case int() | Decimal():
            return True
        case dict():
            return any(_numbers(one) for one in value.values())
        case tuple():
            return any(_numbers(one) for one in value)
        case _:
            return False


def _scaled(value: Any, factor: Decimal) -> Any:
    match value:
        case bool() | str():
            return value
        case int():
            return value + (1 if factor > 1 else -1)
        case Decimal():
            return value * factor
        case dict():
            return {key: _scaled(one, factor) for key, one in value.items()}
        case tuple():
            return tuple(_scaled(one, factor) for one in value)
        case _:
            return value


# ---- Functions ----


def _changed(function: ast.FunctionDef) -> Iterator[tuple[str, ast.FunctionDef]]:
    bare = copy.deepcopy(function)
    bare.decorator_list = []
    bare.returns = None
    for argument in bare.args.args:
        argument.annotation = None
    for place, node in enumerate(_code(bare)):
        for variant, what in enumerate(_variants(node)):
            other = copy.deepcopy(bare)
            _apply(_code(other)[place], variant)
            yield f"{ast.unparse(node)}: {what}", other


def _code(function: ast.FunctionDef) -> list[ast.AST]:
    """List the nodes that decide something: no assertions, no messages, no annotations."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Assert | ast.Raise | ast.JoinedStr):
            continue
        found.append(node)
        # An index chooses which of several records is named first.
        skipped = {id(getattr(node, name, None)) for name in ("annotation", "slice")}
        waiting += [child for child in ast.iter_child_nodes(node) if id(child) not in skipped]
    return found


def _variants(node: ast.AST) -> list[str]:
    return [what for what, _ in _edits(node)]


def _apply(node: ast.AST, variant: int) -> None:
    _edits(node)[variant][1]()


def _edits(node: ast.AST) -> list[tuple[str, Callable[[], None]]]:
    """List what can be changed about one node, each with the act of changing it."""
    edits: list[tuple[str, Callable[[], None]]] = []
    match node:
        case ast.Compare():
            for place, operator in enumerate(node.ops):
                for other in _COMPARISONS[type(operator)]:
                    edits.append((f"{type(operator).__name__} → {other.__name__}", _setter(node.ops, place, other())))
        case ast.BoolOp():
            flipped = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            edits.append((f"{type(node.op).__name__} → {type(flipped).__name__}", lambda: setattr(node, "op", flipped)))
            for place in range(len(node.values)):
                rest = [one for number, one in enumerate(node.values) if number != place]
                edits.append((f"without part {place + 1}", _attribute(node, "values", rest if len(rest) > 1 else rest * 2)))
        case ast.UnaryOp(op=ast.Not()):
            edits.append(("without not", lambda: setattr(node, "operand", ast.UnaryOp(op=ast.Not(), operand=node.operand))))
        case ast.BinOp() if type(node.op) in _OPERATORS:
            other_operator = _OPERATORS[type(node.op)]()
            edits.append((f"{type(node.op).__name__} → {type(other_operator).__name__}", lambda: setattr(node, "op", other_operator)))
        case ast.If() | ast.IfExp():
            for value in (True, False):
                edits.append((f"condition → {value}", _attribute(node, "test", ast.Constant(value=value))))
        case ast.comprehension():
            for place in range(len(node.ifs)):
                edits.append((f"filter {place + 1} → True", _setter(node.ifs, place, ast.Constant(value=True))))
        case ast.Call(func=ast.Name(id=called)) if called in _CALLS:
            edits.append((f"{called} → {_CALLS[called]}", _attribute(node, "func", ast.Name(id=_CALLS[called], ctx=ast.Load()))))
        case ast.Constant(value=bool()):
            edits.append((f"{node.value} → {not node.value}", _attribute(node, "value", not node.value)))
        case ast.Constant(value=int()):
            edits.append((f"{node.value} → {node.value + 1}", _attribute(node, "value", node.value + 1)))
    return edits


def _setter(items: list[Any], place: int, value: Any) -> Callable[[], None]:
    def change() -> None:
        items[place] = value

    return change


def _attribute(node: ast.AST, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(node, name, value)

"""Whether a pipeline's function is the body of a dynamic pipeline, read from its code without running it."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from stepwell.sdk import sourcecode
from stepwell.sdk.pipelines import Pipeline
from stepwell.sdk.steps import BaseStep
from stepwell.sdk.waiting import wait

_CALLS = frozenset({"submit", "map", "product"})
#: functions of the user's own that are looked into from a body
_MOST_FUNCTIONS = 50


def is_dynamic(function: Callable[..., Any]) -> bool:
    """Return whether ``function``, or a function of the user's own that it calls, uses what only a dynamic body has.

    That is ``submit``, ``map`` or ``product`` of a step or pipeline, ``load()`` of what a step returned, ``wait``, and
    a call of a dynamic pipeline.
    """
    waiting, seen = [function], {id(function)}
    while waiting and len(seen) <= _MOST_FUNCTIONS:
        found = _Body(waiting.pop(0))
        if found.is_dynamic():
            return True
        for helper in found.helpers():
            if id(helper) not in seen:
                seen.add(id(helper))
                waiting.append(helper)
    return False


class _Body:
    """One function: its syntax, and what the names in it stand for."""

    def __init__(self, function: Callable[..., Any]) -> None:
        function = inspect.unwrap(function)
        code = getattr(function, "__code__", None)
        self._names: dict[str, Any] = dict(getattr(function, "__globals__", {}))
        for name, cell in zip(
            getattr(code, "co_freevars", ()), getattr(function, "__closure__", None) or (), strict=False
        ):
            try:
                self._names[name] = cell.cell_contents
            except ValueError:
                continue
        self._code = code
        self._tree = _parse(function)
        #: local names that may hold a step, or something a step's call returned
        self._steps: set[str] = set()
        self._results: set[str] = set()

    def is_dynamic(self) -> bool:
        if self._tree is None:
            return self._is_dynamic_by_names()
        self._follow_assignments()
        return any(self._needs_driver(node) for node in ast.walk(self._tree))

    def helpers(self) -> Iterator[Callable[..., Any]]:
        """Yield the functions of the user's own that are called by name."""
        for node in ast.walk(self._tree) if self._tree is not None else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                found = self._value(node.func)
                if inspect.isfunction(found) and _is_own(found):
                    yield found

    def _is_dynamic_by_names(self) -> bool:
        # No source (code made by exec): a step's method cannot be told from another thing's of that name.
        names = set(getattr(self._code, "co_names", ()))
        holds_steps = any(isinstance(self._names.get(name), BaseStep | Pipeline) for name in names)
        return any(self._names.get(name) is wait for name in names) or (holds_steps and bool(names & _CALLS))

    def _follow_assignments(self) -> None:
        """Note what the names assigned in the body may hold; twice, for those that are used first."""
        for _ in range(2):
            for node in ast.walk(self._tree):  # type: ignore[arg-type]
                for targets, value in _assignments(node):
                    names = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
                    if self._is_step(value):
                        self._steps |= names
                    elif self._comes_from_step(value):
                        self._results |= names

    def _needs_driver(self, node: ast.AST) -> bool:
        if not isinstance(node, ast.Call):
            return False
        if isinstance(node.func, ast.Name | ast.Attribute):
            called = self._value(node.func)
            if called is wait or (isinstance(called, Pipeline) and called.is_dynamic):
                return True
        if not isinstance(node.func, ast.Attribute):
            return False
        owner = node.func.value
        if node.func.attr in _CALLS:
            return self._is_step(owner)
        return node.func.attr == "load" and not node.args and self._comes_from_step(owner)

    def _is_step(self, node: ast.AST) -> bool:
        """Return whether an expression is a step or pipeline: by name, or ``with_options`` of one."""
        if isinstance(node, ast.Name) and node.id in self._steps:
            return True
        if isinstance(node, ast.Call):
            made = self._value(node.func)
            if isinstance(made, type) and issubclass(made, BaseStep):
                return True
            if not isinstance(node.func, ast.Attribute):
                return False
            return node.func.attr in ("with_options", "configure") and self._is_step(node.func.value)
        return isinstance(self._value(node), BaseStep | Pipeline)

    def _comes_from_step(self, node: ast.AST) -> bool:
        """Return whether a step's call, or a name that holds what one returned, is anywhere in an expression."""
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id in self._results:
                return True
            if isinstance(part, ast.Call) and self._is_step(part.func):
                return True
        return False

    def _value(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Name):
            return self._names.get(node.id)
        if isinstance(node, ast.Attribute):
            owner = self._value(node.value)
            return inspect.getattr_static(owner, node.attr, None) if owner is not None else None
        return None


def _assignments(node: ast.AST) -> Iterator[tuple[list[ast.expr], ast.expr]]:
    if isinstance(node, ast.Assign):
        yield node.targets, node.value
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr | ast.AugAssign) and node.value is not None:
        yield [node.target], node.value
    elif isinstance(node, ast.For | ast.comprehension):
        yield [node.target], node.iter
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield [node.optional_vars], node.context_expr
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("append", "add", "extend", "insert")
    ):
        for argument in node.args:
            yield [node.func.value], argument


def _parse(function: Callable[..., Any]) -> ast.AST | None:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None


def _is_own(function: Callable[..., Any]) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and sourcecode.is_own_file(code.co_filename)

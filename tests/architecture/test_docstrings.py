"""Everything people import says what it is, and what it raises: the reference pages are made from that."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from typing import Any

import stepwell

#: beside what ``stepwell`` itself exports: what its functions give back, and what there is to catch and to name
MODULES = (
    "stepwell.enums",
    "stepwell.errors",
    "stepwell.sdk.artifactversion",
    "stepwell.sdk.context",
    "stepwell.sdk.modelversions",
    "stepwell.sdk.responses",
)


def public_things() -> Iterator[tuple[str, Any]]:
    yield from ((name, getattr(stepwell, name)) for name in stepwell.__all__ if name != "errors")
    for name in MODULES:
        module = import_module(name)
        for attribute, thing in inspect.getmembers(module, lambda thing: isinstance(thing, type)):
            if not attribute.startswith("_") and (thing.__module__ == name or name == "stepwell.enums"):
                yield f"{name}.{attribute}", thing


def members(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the public methods and properties that this class, or one of our classes above it, defines."""
    for name, raw in inspect.getmembers_static(kind):
        home = next((base for base in kind.__mro__ if name in vars(base)), object)
        function = raw.fget if isinstance(raw, property) else getattr(raw, "__func__", raw)
        if not name.startswith("_") and home.__module__.startswith("stepwell") and inspect.isfunction(function):
            yield name, function


def documented() -> Iterator[tuple[str, Any]]:
    """Yield everything that needs a docstring, by name."""
    for name, thing in public_things():
        if isinstance(thing, type):
            yield name, thing
            if not issubclass(thing, Enum):
                yield from ((f"{name}.{member}", function) for member, function in members(thing))
        elif callable(thing):
            yield name, thing


EVERYTHING = dict(documented())


def test_every_public_name_and_member_has_a_docstring() -> None:
    def is_refusal(thing: Any) -> bool:
        return getattr(thing, "__annotations__", {}).get("return") == "NoReturn"

    own = {
        name: vars(thing).get("__doc__") if isinstance(thing, type) else thing.__doc__
        for name, thing in EVERYTHING.items()
    }
    assert len(own) > 200
    assert [name for name, text in own.items() if not (text or "").strip() and not is_refusal(EVERYTHING[name])] == []


def test_a_function_that_raises_says_so() -> None:
    silent = [name for name, thing in EVERYTHING.items() if inspect.isfunction(thing) and raises_in_silence(thing)]
    assert silent == []


def raises_in_silence(function: Any) -> bool:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    raised = [ast.unparse(node.exc) for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None]
    told = "Raises:" in (function.__doc__ or "")
    return not told and any(not one.startswith("NotImplementedError") for one in raised)

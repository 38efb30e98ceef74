"""What a step's code reaches in the user's own modules: helper functions, classes and constants, as cache parts."""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from stepwell.core.cachekey import hash_part, hash_text
from stepwell.errors import UsageError
from stepwell.sdk import sourcecode, typenames

#: a step that reaches more than this is cut off here; the key still covers what was found first
_MOST_PARTS = 500


def reached_parts(entry: Any) -> dict[str, str]:
    """Return part name -> hash for everything of the user's own that ``entry`` (a function or class) reaches."""
    parts: dict[str, str] = {}
    seen: set[int] = {id(entry)}
    waiting = [entry]
    while waiting and len(parts) < _MOST_PARTS:
        for name, value in _names_used(waiting.pop(0)):
            if (code := _own_code(value)) is not None:
                if id(code) not in seen:
                    seen.add(id(code))
                    part = f"helper {typenames.printable(code)}"
                    # Two lambdas of one module share their name.
                    parts[part] = hash_text(parts.get(part, "") + sourcecode.hashable_text(code))
                    waiting.append(code)
            elif (constant := _constant_hash(value)) is not None:
                parts[f"constant {name}"] = constant
    return parts


def imported_files(entry: Any, root: str) -> dict[str, str]:
    """Return part name -> hash for the user's files that ``entry`` imports inside its body, below ``root``."""
    function = sourcecode.function_of(entry)
    if function is None or not root:
        return {}
    parts = {}
    for module in sorted(_imports_in(function.__code__)):
        base = Path(root, *module.split("."))
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file() and sourcecode.is_own_file(str(path)):
                parts[f"helper {module}"] = hash_text(path.read_text("utf-8", "replace"))
    return parts


def _names_used(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield (name, value) for globals, closure cells and attributes of own modules that a function or class uses."""
    if isinstance(thing, type):
        yield from ((base.__name__, base) for base in thing.__bases__)
    for function in _functions_in(thing):
        cells = inspect.getclosurevars(function) if function.__closure__ else None
        yield from (cells.nonlocals.items() if cells else ())
        space, module = function.__globals__, function.__module__ or ""
        for code in _codes_in(function.__code__):
            yield from _globals_used(code, space, typenames.module_name(module))


def _globals_used(code: CodeType, space: dict[str, Any], module: str) -> Iterator[tuple[str, Any]]:
    for name in code.co_names:
        if name not in space or name.startswith("__"):
            # __name__ and __file__ differ between a script and a step host.
            continue
        value = space[name]
        if isinstance(value, ModuleType):
            if sourcecode.is_own_module(value):
                for inner in code.co_names:
                    if inner in vars(value):
                        yield f"{value.__name__}.{inner}", vars(value)[inner]
        else:
            yield f"{module}.{name}", value


def _functions_in(thing: Any) -> Iterator[Any]:
    if isinstance(thing, type):
        for value in vars(thing).values():
            inner = value.fget if isinstance(value, property) else value
            function = sourcecode.function_of(getattr(inner, "__func__", inner))
            if function is not None:
                yield function
        return
    function = sourcecode.function_of(getattr(thing, "entrypoint", thing))
    if function is not None:
        yield function
        yield from (inner for inner in map(sourcecode.function_of, function.__defaults__ or ()) if inner is not None)


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes_in(constant)


def _imports_in(code: CodeType) -> set[str]:
    return {
        str(instruction.argval)
        for inner in _codes_in(code)
        for instruction in dis.get_instructions(inner)
        if instruction.opname == "IMPORT_NAME" and instruction.argval
    }


def _own_code(value: Any) -> Any:
    """Return the function or class of the user's own that a value is, wraps, or is an instance of; else None."""
    if isinstance(value, functools.partial):
        return _own_code(value.func)
    if not callable(value):
        return None
    inner = inspect.unwrap(value)
    inner = getattr(inner, "__func__", inner)
    if not (inspect.isfunction(inner) or isinstance(inner, type)):
        inner = type(inner)
    module = getattr(inner, "__module__", None)
    return inner if isinstance(module, str) and sourcecode.is_own(module) else None


def _constant_hash(value: Any) -> str | None:
    if callable(value) or isinstance(value, ModuleType):
        return None
    try:
        return hash_part(value)
    except UsageError:
        # A table, a lock, an open file: not a constant in the sense of the key.
        return None

"""What a step's code reaches in the user's own modules: helper functions, classes and constants, as cache parts."""

from __future__ import annotations

import dis
import functools
import inspect
import itertools
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from stepwell.core.cachekey import hash_part, hash_text
from stepwell.errors import UsageError
from stepwell.sdk import sourcecode, typenames

#: a step that reaches more than this is cut off here; the key still covers what was found first
_MOST_PARTS = 500
#: functions in lists in tables are found, deeper ones are not
_DEEPEST = 4
_MOST_LAYERS = 20


def reached_parts(entry: Any) -> dict[str, str]:
    """Return part name -> hash for everything of the user's own that ``entry`` (a function or class) reaches."""
    parts: dict[str, str] = {}
    # Its own text is another part; that of decorators around it is not.
    seen: set[int] = {id(inspect.unwrap(entry))}
    waiting = [entry]

    def count(part: str, found: str) -> None:
        # Two lambdas of one module share their name, as do variables of two closures.
        parts[part] = hash_text(parts[part] + found) if parts.get(part, found) != found else found

    while waiting and len(parts) < _MOST_PARTS:
        for name, value in _names_used(waiting.pop(0)):
            codes = _own_codes(value)
            for code in codes:
                if id(code) not in seen:
                    seen.add(id(code))
                    count(f"helper {typenames.printable(code)}", hash_text(_text(code)))
                    waiting.append(code)
            if not codes and (constant := _constant_hash(value)) is not None:
                count(f"constant {name}", constant)
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


def _text(code: Any) -> str:
    # A wrapper passes for what it wraps; its own code tells what it does around that.
    is_wrapper = inspect.isfunction(code) and hasattr(code, "__wrapped__")
    return sourcecode.hashable_text(code.__code__ if is_wrapper else code)


def _names_used(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield (name, value) for globals, closure cells and attributes of own modules that a function or class uses."""
    if isinstance(thing, type):
        yield from ((base.__name__, base) for base in thing.__bases__)
        yield from ((name, found) for name, found in _methods_of(thing) if hasattr(found, "__wrapped__"))
    elif hasattr(thing, "__wrapped__"):
        yield "", thing
    for function in _functions_in(thing):
        for name, value in _values_used(function):
            yield from _pieces(name, value)


def _values_used(function: Any) -> Iterator[tuple[str, Any]]:
    cells = inspect.getclosurevars(function) if function.__closure__ else None
    yield from (cells.nonlocals.items() if cells else ())
    space, module = function.__globals__, function.__module__ or ""
    for code in _codes_in(function.__code__):
        yield from _globals_used(code, space, typenames.module_name(module))


def _pieces(name: str, value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield a value, or what it is made of: a partial of function and arguments, a table of what it holds."""
    if isinstance(value, functools.partial):
        yield name, value.func
        yield from _pieces(f"{name} arguments", [*value.args, *value.keywords.items()], depth)
    elif isinstance(value, dict | list | tuple) and depth < _DEEPEST and _constant_hash(value) is None:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for number, (key, item) in enumerate(itertools.islice(pairs, _MOST_PARTS)):
            # What other keys look like may differ from process to process.
            shown = key if isinstance(key, str | int) else number
            yield from _pieces(f"{name}[{shown}]", item, depth + 1)
    else:
        yield name, value


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


def _methods_of(kind: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(kind).items():
        inner = value.fget if isinstance(value, property) else value
        yield name, getattr(inner, "__func__", inner)


def _functions_in(thing: Any) -> Iterator[Any]:
    if isinstance(thing, type):
        yield from (found for _, method in _methods_of(thing) if (found := sourcecode.function_of(method)) is not None)
        return
    if inspect.isfunction(thing) and hasattr(thing, "__wrapped__"):
        yield thing
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


def _own_codes(value: Any) -> list[Any]:
    """Return the functions and classes of the user's own that a value is, wraps, or is an instance of."""
    if not callable(value):
        return []
    found = [code for code in map(_code_of, _layers(value)) if code is not None]
    return [code for number, code in enumerate(found) if not any(code is other for other in found[:number])]


def _layers(value: Any) -> Iterator[Any]:
    """Yield a callable and what it wraps, the outermost first."""
    for _ in range(_MOST_LAYERS):
        yield value
        if not hasattr(value, "__wrapped__"):
            return
        value = value.__wrapped__


def _code_of(layer: Any) -> Any:
    inner = getattr(layer, "__func__", layer)
    if inspect.isfunction(inner) and hasattr(inner, "__wrapped__"):
        # It has the module of what it wraps.
        return inner if sourcecode.is_own_file(inner.__code__.co_filename) else None
    if not (inspect.isfunction(inner) or isinstance(inner, type)):
        if hasattr(type(inner), "__wrapped__"):
            # A step: its class is made of the function, which is the next layer.
            return None
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

"""Source text of the user's functions and classes, and which modules are the user's own."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import sysconfig
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from stepwell.sdk import typenames

_FOREIGN_FOLDERS = frozenset({"site-packages", "dist-packages"})


@functools.lru_cache(maxsize=1024)
def source_text(thing: Any) -> str:
    """Return the source of a function or class with its decorators; empty where there is none (a prompt)."""
    try:
        return textwrap.dedent(inspect.getsource(inspect.unwrap(thing)))
    except (OSError, TypeError, IndentationError):
        return ""


@functools.lru_cache(maxsize=1024)
def hashable_text(thing: Any) -> str:
    """Return text that stands for what a function or class does: its source without decorators."""
    text = source_text(thing)
    try:
        node = ast.parse(text).body[0]
    except (SyntaxError, ValueError, IndexError):
        node = None
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return "\n".join(line.rstrip() for line in text.splitlines()[node.lineno - 1 :])
    code = thing if isinstance(thing, CodeType) else getattr(inspect.unwrap(thing), "__code__", None)
    return code_text(code) if code is not None else text


def code_text(code: CodeType) -> str:
    """Return text that stands for compiled code, the same in every process of one Python version."""
    constants = [code_text(item) if isinstance(item, CodeType) else _constant_text(item) for item in code.co_consts]
    return repr((code.co_code.hex(), constants, code.co_names, code.co_varnames, code.co_freevars))


def is_own(module_name: str) -> bool:
    """Return whether a module is the user's: neither Python's, nor installed, nor ours."""
    module = sys.modules.get(module_name)
    return module is not None and is_own_module(module)


def is_own_module(module: ModuleType) -> bool:
    if module.__name__.split(".")[0] == "stepwell":
        return False
    file = getattr(module, "__file__", None)
    if not file:
        return module.__name__ == "__main__"
    return is_own_file(file)


@functools.lru_cache(maxsize=4096)
def is_own_file(file: str) -> bool:
    """Return whether a file is the user's: outside of Python's folders, installed packages and this package."""
    path = Path(file).resolve()
    if _FOREIGN_FOLDERS & set(path.parts) or path.is_relative_to(Path(__file__).resolve().parents[1]):
        return False
    return not any(path.is_relative_to(folder) for folder in _standard_folders())


def module_of(thing: Any) -> str:
    """Return the module a function, class or step's class was defined in, as every process names it."""
    return typenames.module_name(getattr(thing, "__module__", None) or "__main__")


@functools.lru_cache(maxsize=1)
def _standard_folders() -> tuple[Path, ...]:
    return tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "scripts"))


def _constant_text(value: Any) -> str:
    if isinstance(value, frozenset):
        # The order of a set of text differs from process to process.
        return f"frozenset({sorted(map(repr, value))})"
    return repr(value)


def function_of(thing: Any) -> Callable[..., Any] | None:
    """Return the plain function below wrappers and bound methods, or None."""
    inner = inspect.unwrap(thing) if callable(thing) else thing
    inner = getattr(inner, "__func__", inner)
    return inner if inspect.isfunction(inner) else None

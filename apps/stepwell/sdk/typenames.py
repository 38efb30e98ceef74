"""Names of classes and functions that hold in every process: what a script calls ``__main__`` has its file's name."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

#: modules whose classes people know under a shorter name
_SHORT = {"pandas.core.frame": "pandas", "pandas.core.series": "pandas", "builtins": ""}


def main_alias() -> str | None:
    """Return the name the running script's module has in a step host; None in a notebook or a prompt."""
    main = sys.modules.get("__main__")
    file, spec = getattr(main, "__file__", None), getattr(main, "__spec__", None)
    if spec is not None:
        # python -m package.train
        return str(spec.name)
    return os.path.splitext(os.path.basename(file))[0] if file and not file.startswith("<") else None


def module_name(name: str) -> str:
    """Return the name ``name`` has in every process."""
    return (main_alias() or name) if name == "__main__" else name


def printable(kind: Any) -> str:
    """Return the qualified name of a class or function for people: ``int``, ``pandas.DataFrame``, ``train.Config``."""
    module = getattr(kind, "__module__", None) or ""
    module = _SHORT.get(module, module_name(module))
    name = getattr(kind, "__qualname__", None) or getattr(kind, "__name__", None) or str(kind)
    return f"{module}.{name}" if module else str(name)


def reference(thing: Any) -> tuple[str, str] | None:
    """Return (module, qualified name) when these lead back to this very class or function, else None."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or "<" in name:
        return None
    if module == "__main__" and main_alias() is None:
        return None
    holder = sys.modules.get(module)
    if holder is None or _walk(holder, name) is not thing:
        return None
    return module_name(module), name


def find(module: str, name: str) -> Any:
    """Return what ``reference`` named.

    Raises:
        LookupError: This process has no such module or no such name in it.
    """
    holder: Any
    if module == "__main__" or (module == main_alias() and module not in sys.modules):
        holder = sys.modules["__main__"]
    else:
        try:
            holder = importlib.import_module(module)
        except ImportError as exc:
            raise LookupError(f"The module {module} cannot be imported: {exc}.") from exc
    found = _walk(holder, name)
    if found is None:
        raise LookupError(f"The module {module} has no {name}.")
    return found


def find_dotted(path: str) -> Any:
    """Return the class or function at ``package.module.Name``, trying the longest module name first.

    Raises:
        LookupError: Nothing is there.
    """
    parts = path.split(".")
    for size in range(len(parts) - 1, 0, -1):
        try:
            return find(".".join(parts[:size]), ".".join(parts[size:]))
        except LookupError:
            continue
    raise LookupError(f"There is no {path}.")


def _walk(holder: Any, name: str) -> Any:
    for part in name.split("."):
        holder = getattr(holder, part, None)
    return holder

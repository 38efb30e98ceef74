"""``import zenml`` for scripts written for it: resolves to this package where the real one is not installed.

Nothing does this by itself: ``stepwell run`` and the step host call ``install``.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from stepwell.core.near import close_matches
from stepwell.sdk.sourcecode import is_own_file
from stepwell.sdk.zenmlnames import MODULES

ROOT = "zenml"


def install() -> None:
    """Let ``import zenml`` in the user's own files find this package. The real one goes first wherever it is."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        # Last, so that whatever else can find the real package does.
        sys.meta_path.append(_Finder())


def is_in_use() -> bool:
    """Return whether this process has imported ``zenml`` and got this package."""
    return isinstance(sys.modules.get(ROOT), _AliasModule)


class _AliasModule(ModuleType):
    """One module of the alias; its names are looked up when they are first used."""

    def __init__(self, name: str) -> None:
        super().__init__(name, f"Stands for {name}; made by Stepwell.")
        self.__path__: list[str] = []
        #: the name that was asked for last and is not there
        self._missing = ""

    def __getattr__(self, name: str) -> Any:
        full_name = f"{self.__name__}.{name}"
        if full_name in MODULES:
            return importlib.import_module(full_name)
        target = MODULES[self.__name__].get(name)
        if target is None or not _is_there(target):
            self._missing = name
            raise AttributeError(_tell(self.__name__, name))
        found = _resolve(target)
        setattr(self, name, found)
        return found

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_names(self.__name__)})


class _Finder:
    """A meta path finder and loader for ``zenml`` and what is below it."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        if name.split(".")[0] != ROOT:
            return None
        if name == ROOT:
            return ModuleSpec(name, self, is_package=True) if _is_asked_by_user() else None  # type: ignore[arg-type]
        if not is_in_use():
            return None
        if name in MODULES:
            return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]
        parent, _, last = name.rpartition(".")
        module = sys.modules.get(parent)
        if isinstance(module, _AliasModule) and module._missing == last:
            # ``from zenml import nothing`` looks for a module once there is no such name; it must hear which are.
            module._missing = ""
            raise ImportError(_tell(parent, last), name=name)
        raise ModuleNotFoundError(_tell(parent, last), name=name)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _AliasModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def _is_asked_by_user() -> bool:
    """Return whether the import stands in a file of the user's; installed packages look for the real one."""
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith("<frozen importlib") and not file.endswith(("importlib/__init__.py",)):
            return file.startswith("<") or is_own_file(file)
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _resolve(target: str) -> Any:
    if target.startswith("="):
        return int(target[1:]) if target[1:].isdigit() else target[1:]
    module, _, attribute = target.partition(":")
    if module == "module":
        return importlib.import_module(attribute)
    return getattr(importlib.import_module(module), attribute)


def _is_there(target: str) -> bool:
    """Return whether the public face has what the table names; some of it comes with later versions."""
    module, _, attribute = target.partition(":")
    return module != "stepwell" or attribute in importlib.import_module("stepwell").__all__


def _names(module: str) -> list[str]:
    below = [name.rpartition(".")[2] for name in MODULES if name.rpartition(".")[0] == module]
    here = [name for name, target in MODULES.get(module, {}).items() if _is_there(target)]
    return sorted({*here, *below})


def _tell(module: str, name: str) -> str:
    known = [found for found in _names(module) if not found.startswith("_")]
    near = close_matches(name, known)
    elsewhere = sorted(other for other, names in MODULES.items() if _is_there(names.get(name, "stepwell:")))
    said = f"Stepwell stands in for ZenML here and has no {module}.{name}."
    if elsewhere:
        return f"{said} There is {elsewhere[0]}.{name}."
    if near:
        return f"{said} Did you mean {near[0]}?"
    if known:
        return f"{said} {module} has: {', '.join(known)}."
    return f"{said} It has the modules: {', '.join(sorted(MODULES)[:60])}."

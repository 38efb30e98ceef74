"""Where the user's code lies on disk: the file a step host imports, and the folder kept with a run."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from stepwell.sdk import sourcecode


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Absolute paths; both are empty for code that is in no file (a prompt, a notebook)."""

    entry_file: str = ""
    source_root: str = ""


def place_of(module_name: str) -> Place:
    """Return the place of a pipeline defined in a module: its script's, else its own."""
    main, module = sys.modules.get("__main__"), sys.modules.get(module_name)
    for candidate in (main, module):
        file = Path(getattr(candidate, "__file__", None) or "")
        if candidate is not None and file.suffix == ".py" and file.is_file() and sourcecode.is_own_module(candidate):
            return Place(entry_file=str(file.resolve()), source_root=str(_root(candidate, file.resolve())))
    return Place()


def _root(module: ModuleType, file: Path) -> Path:
    """Return the folder from which the module's name leads to its file."""
    spec = getattr(module, "__spec__", None)
    name = spec.name if spec is not None else file.stem
    depth = name.count(".") + (file.name == "__init__.py")
    return file.parents[depth]

"""Where a Python file stands among packages: the folder its imports begin in, and its module's name there."""

from __future__ import annotations

from pathlib import Path


def import_root(file: Path) -> Path:
    """Return the folder the file's module is imported from: its own, or the one above the packages it is in."""
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier() and folder.parent != folder:
        folder = folder.parent
    return folder


def module_name(file: Path, root: Path) -> str:
    """Return the name the file's module has, seen from ``root``."""
    return ".".join(file.relative_to(root).with_suffix("").parts)

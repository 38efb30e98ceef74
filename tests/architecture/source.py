"""What the architecture tests read: the files of the checkout, parsed once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = ROOT / "apps"
TEMPLATES = ROOT / "templates"
STATIC = ROOT / "static"


@cache
def modules() -> dict[str, Path]:
    """Return the product's modules by dotted name; migrations are written by Django and left out."""
    paths = (path for path in sorted(APPS.rglob("*.py")) if "migrations" not in path.parts)
    return {_dotted(path): path for path in paths}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def functions(path: Path) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield every function of a module with its dotted name inside it, nested ones and methods included."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{prefix}{child.name}"
                if not isinstance(child, ast.ClassDef):
                    yield name, child
                yield from walk(child, f"{name}.")
            else:
                yield from walk(child, prefix)

    yield from walk(tree(path), "")


def package(module: str) -> str:
    """Return the part of the floor plan a module belongs to: ``runs`` for ``stepwell.runs.models``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _dotted(path: Path) -> str:
    parts = path.relative_to(APPS).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

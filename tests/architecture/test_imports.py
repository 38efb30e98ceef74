"""Imports point down the floor plan, private names stay at home, no file is named like the standard library's."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.architecture import source


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=source.ROOT,
        env={**os.environ, "PYTHONPATH": "apps"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_private_names_are_used_in_their_own_package_only() -> None:
    taken = [
        f"{source.shown(path)}:{line} takes {name} of {owner}"
        for module, path in source.modules().items()
        for line, owner, name in private_imports(source.tree(path))
        if source.package(owner) != source.package(module)
    ]

    assert not taken, "\n".join(taken)


def test_a_private_import_is_seen() -> None:
    code = "from stepwell.web import access\nfrom stepwell.runs.models import _guard\naccess._find()\naccess.__doc__"

    assert list(private_imports(ast.parse(code))) == [
        (2, "stepwell.runs.models", "_guard"),
        (3, "stepwell.web.access", "_find"),
    ]


def test_no_module_is_named_like_the_standard_librarys() -> None:
    names = {path: path.parent.name if path.stem == "__init__" else path.stem for path in source.modules().values()}
    same = [source.shown(path) for path, name in names.items() if name in sys.stdlib_module_names - {"__main__"}]

    assert not same


def test_apps_is_a_source_root_and_no_package() -> None:
    assert not (source.APPS / "__init__.py").exists()


def test_nothing_inside_imports_from_the_public_face() -> None:
    """``from stepwell import step`` inside the package would load the SDK wherever it stands."""
    guilty = [
        f"{source.shown(path)}:{node.lineno}"
        for path in source.modules().values()
        for node in ast.walk(source.tree(path))
        if isinstance(node, ast.ImportFrom)
        and node.module == "stepwell"
        and any(f"stepwell.{alias.name}" not in source.modules() for alias in node.names)
    ]

    assert not guilty


def private_imports(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Yield line, module and name for each ``_name`` taken from a module of ours, by import or by attribute."""
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stepwell"):
            for alias in node.names:
                imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                if is_private(alias.name) or any(map(is_private, (node.module or "").split("."))):
                    yield node.lineno, node.module or "", alias.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and isinstance(node.value, ast.Name):
            owner = imported.get(node.value.id, "")
            # a lower-case name is a module; what a class keeps private is the linter's business
            if owner and node.value.id.islower():
                yield node.lineno, owner, node.attr


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")

"""What no module of ours does: run a shell, open what may run code, put text into pages unescaped."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture import source

#: makes text out to be markup that was looked at; what these files give out is escaped first, and their tests say so
MARKUP = {
    "runs/ansi.py",
    "web/help_pages.py",
    "web/highlight.py",
}
#: called by name or as an attribute -> why not
BANNED_CALLS = {
    "system": "runs a shell",
    "popen": "runs a shell",
    "getoutput": "runs a shell",
    "getstatusoutput": "runs a shell",
    "mktemp": "races",
    "mark_safe": "leaves text unescaped",
    "extra": "is SQL in pieces",
    "RawSQL": "is SQL in pieces",
}
BANNED_YAML = {f"yaml.{name}" for name in ("load", "load_all", "full_load", "unsafe_load", "Loader", "UnsafeLoader")}
BANNED_MODULES = {"xml", "lxml", "shelve", "marshal", "dill", "jinja2", "telnetlib", "ftplib"}
#: (file, call) looked at: neither runs nor trusts what people send
ALLOWED_CALLS = {
    ("conf/cli_run.py", "exec"),  # the file of the person who types its name
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((source.ROOT / "apps/stepwell").rglob("*.py")):
        if "migrations" not in path.parts:
            yield path.relative_to(source.ROOT / "apps/stepwell").as_posix(), ast.parse(path.read_text("utf-8"))


def offences(name: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found = call_offence(name, node)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in BANNED_YAML:
            found = f"{ast.unparse(node)} may make any object"
        else:
            found = next((f"imports {one}" for one in imported(node) if one.partition(".")[0] in BANNED_MODULES), "")
        if found:
            yield f"{name}:{node.lineno} {found}"


def call_offence(name: str, node: ast.Call) -> str:
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    words = {word.arg: ast.unparse(word.value) for word in node.keywords}
    if (name, called) in ALLOWED_CALLS:
        return ""
    wrong = {
        called in BANNED_CALLS: BANNED_CALLS.get(called, ""),
        called == "SafeString" and name not in MARKUP: "leaves text unescaped",
        called == "extractall" and words.get("filter") != "'data'": "writes where an archive says",
        called in {"eval", "exec"} and isinstance(node.func, ast.Name): "runs text",
        called == "format_html" and not isinstance(node.args[0], ast.Constant): "takes text that is not written here",
        "shell" in words: "runs a shell",
    }
    return f"{called} {wrong[True]}" if True in wrong else ""


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [one.name for one in node.names] if isinstance(node, ast.Import) else []


def test_no_module_does_what_is_dangerous() -> None:
    assert [found for name, tree in modules() for found in offences(name, tree)] == []


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.system('id')",
        "import subprocess\nsubprocess.run('id', shell=True)",
        "from xml.etree import ElementTree",
        "eval('1')",
        "archive.extractall(folder)",
        "mark_safe('<b>')",
        "SafeString(name)",
        "format_html(name)",
        "import yaml\nyaml.unsafe_load('')",
        "rows.extra(where=['1'])",
    ],
)
def test_each_offence_is_seen(text: str) -> None:
    assert list(offences("web/any.py", ast.parse(text)))


def test_no_template_leaves_text_unescaped() -> None:
    wrong = re.compile(r"\|\s*safe(seq)?\b|autoescape\s+off")
    found = [path.name for path in (source.ROOT / "templates").rglob("*.html") if wrong.search(path.read_text("utf-8"))]

    assert found == []

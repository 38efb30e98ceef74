"""What the documents say of commands, options and each other is so."""

from __future__ import annotations

import argparse
import ast
import re
from pathlib import Path

import pytest

from stepwell.conf.cli_parser import make_parser
from stepwell.core.options import PIPELINE_OPTIONS, STEP_OPTIONS
from stepwell.core.plan import StepOptions
from tests.commands import ROOT
from tests.docs import pages

LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
OPTIONS = ROOT / "docs/how-to/step-options.md"
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", re.MULTILINE)


@pytest.mark.parametrize("path", pages.DOCUMENTS, ids=pages.shown)
def test_commands_are_ones_the_program_takes(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = path.read_text(encoding="utf-8")
    refused = [words for words in pages.commands(text) if not is_taken(words)]
    unknown = [words for words in pages.mentions(text) if not is_command(words) and not is_taken(words)]

    assert not refused + unknown, capsys.readouterr().err


@pytest.mark.parametrize("path", pages.DOCUMENTS, ids=pages.shown)
def test_links_into_a_page_lead_to_a_heading(path: Path) -> None:
    broken = []
    for target, anchor in LINK.findall(path.read_text(encoding="utf-8")):
        page = (path.parent / target) if target else path
        if anchor and page.suffix == ".md" and anchor not in anchors(page):
            broken.append(f"{target}#{anchor}")

    assert not broken


def test_index_names_every_page() -> None:
    index = ROOT / "docs/README.md"
    linked = {(index.parent / target).resolve() for target, _ in LINK.findall(index.read_text(encoding="utf-8"))}

    assert {path for path in pages.DOCUMENTS if path.is_relative_to(index.parent)} - linked - {index} == set()


@pytest.mark.parametrize(("heading", "known"), [("Steps", STEP_OPTIONS), ("Pipelines", PIPELINE_OPTIONS)])
def test_table_has_every_option(heading: str, known: tuple[str, ...]) -> None:
    assert sorted(name for name, _, _ in rows(heading)) == sorted(known)


def test_table_has_the_defaults_steps_run_with() -> None:
    defaults = StepOptions().model_dump() | {"retry": None, "cache_policy": StepOptions().cache_policy["name"]}
    wrong = {
        name: default
        for name, _, default in rows("Steps")
        if name in defaults and default.startswith("`") and ast.literal_eval(default.strip("`")) != defaults[name]
    }

    assert not wrong


def is_taken(words: list[str]) -> bool:
    # Django's commands have parsers of their own.
    if words[:1] == ["manage"]:
        return True
    try:
        make_parser().parse_args(words)
    except SystemExit:
        return False
    return True


def is_command(words: list[str]) -> bool:
    """Tell whether the words are the name of a command and nothing else."""
    parser = make_parser()
    for word in words:
        below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if not below or word not in below[0].choices:
            return False
        parser = below[0].choices[word]
    return True


def rows(heading: str) -> list[tuple[str, str, str]]:
    section = OPTIONS.read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return ROW.findall(section)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", pages.FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return {
        f"{anchor}-{plain[:at].count(anchor)}" if anchor in plain[:at] else anchor for at, anchor in enumerate(plain)
    }

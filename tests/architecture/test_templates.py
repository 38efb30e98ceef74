"""Templates obey the content policy (nothing inline, nothing from elsewhere) and say what they take."""

from __future__ import annotations

import re

import pytest

from tests.architecture import source

HEADER = re.compile(r"\{#\s*([a-z_]+):\s*(.+?)#\}", re.DOTALL)
INCLUDE = re.compile(r"""\{%\s*include\s+["']ui/([a-z_]+)\.html["']\s*(?:with\s+(.*?))?\s*(?:only)?\s*%\}""")
TAG = re.compile(r"<[a-zA-Z][^<>]*(?:\{%[^%]*%\}[^<>]*)*>")
SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.DOTALL)
FORBIDDEN = {
    "a style attribute": re.compile(r"\sstyle\s*="),
    "an event attribute": re.compile(r"\s(?:on[a-z]+|hx-on[:\w-]*)\s*="),
    "a style element": re.compile(r"<style\b"),
    "a javascript: address": re.compile(r"""["']\s*javascript:"""),
    "unescaped output": re.compile(r"\|\s*safe\b|autoescape\s+off"),
    "something loaded from elsewhere": re.compile(
        r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["'](?:https?:)?//"""
    ),
}


def templates() -> dict[str, str]:
    return {source.shown(path): path.read_text(encoding="utf-8") for path in sorted(source.TEMPLATES.rglob("*.html"))}


def test_templates_hold_nothing_the_content_policy_blocks() -> None:
    found = [f"{path}: {what}" for path, text in templates().items() for what in offences(text)]

    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('<p style="color: red">', "a style attribute"),
        ('<a href="/" onclick="go()">', "an event attribute"),
        ('<a hx-on:click="go()">', "an event attribute"),
        ("<script>go()</script>", "an inline script"),
        ("<style>p {}</style>", "a style element"),
        ("{{ value|safe }}", "unescaped output"),
        ('<script src="https://cdn.example/x.js"></script>', "something loaded from elsewhere"),
    ],
)
def test_each_offence_is_seen(text: str, what: str) -> None:
    assert offences(text) == [what]


def test_files_and_data_blocks_are_allowed() -> None:
    allowed = '<script type="module" src="/a.js"></script><script type="application/json">{}</script><a data-onset="1">'

    assert offences(allowed) == []


def test_a_piece_with_a_form_is_given_the_forms_token() -> None:
    all_of_them = templates()
    with_form = {path.removeprefix("templates/") for path, text in all_of_them.items() if "{% csrf_token %}" in text}
    forgotten = [
        f"{path}: {name}"
        for path, text in all_of_them.items()
        for name, given in re.findall(r"""\{% include "([^"]+)"([^%]*) only %\}""", text)
        if name in with_form and "csrf_token=csrf_token" not in given
    ]

    assert with_form
    assert not forgotten, "\n".join(forgotten)


def test_every_component_begins_with_what_it_takes() -> None:
    silent = [
        source.shown(path)
        for path in sorted((source.TEMPLATES / "ui").rglob("*.html"))
        if not (header := HEADER.match(path.read_text(encoding="utf-8"))) or header[1] != path.stem.lstrip("_")
    ]

    assert not silent, "the first line is not {# name: inputs #}: " + ", ".join(silent)


def test_components_are_given_only_what_their_header_names() -> None:
    unknown = []
    for path, text in templates().items():
        for component, arguments in INCLUDE.findall(text):
            header = HEADER.match((source.TEMPLATES / f"ui/{component}.html").read_text(encoding="utf-8"))
            named = set(re.findall(r"\w+", header[2])) if header else set()
            unknown += [
                f"{path}: ui/{component} {name}" for name in re.findall(r"(\w+)=", arguments) if name not in named
            ]

    assert not unknown, "\n".join(unknown)


def offences(text: str) -> list[str]:
    """Return what a template holds that the browser would refuse, or that we do not write."""
    in_tags = " ".join(TAG.findall(text))
    found = [
        what for what, pattern in FORBIDDEN.items() if pattern.search(text if what == "unescaped output" else in_tags)
    ]
    inline = [
        attributes
        for attributes, body in SCRIPT.findall(text)
        if body.strip() and "application/json" not in attributes and "importmap" not in attributes
    ]
    return [*found, *(["an inline script"] if inline else [])]

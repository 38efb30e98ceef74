"""Stylesheets: colours are tokens, every file is in its layer, nothing is loaded from elsewhere."""

from __future__ import annotations

import re

import pytest

from tests.architecture import source

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
HEX = re.compile(r"#[0-9a-fA-F]{3,8}\b(?![^{};]*\{)")
LAYER = re.compile(r"@layer\s+([a-z]+)\s*\{")
#: admin.css overrides rules of the admin that are in no layer, so it cannot be in one either
LAYERLESS = {"layers.css", "tokens.css", "admin.css"}


def stylesheets() -> dict[str, str]:
    paths = sorted((source.STATIC / "css").rglob("*.css"))
    return {source.shown(path): COMMENT.sub("", path.read_text(encoding="utf-8")) for path in paths}


def test_colours_stand_in_the_tokens_only() -> None:
    raw = [
        f"{path}: {colour}"
        for path, text in stylesheets().items()
        if not path.endswith("/tokens.css")
        for colour in raw_colours(text)
    ]

    assert not raw, "\n".join(raw)


@pytest.mark.parametrize(
    "text", ["a { color: #fff; }", "a { border: 1px solid #1d2433 }", "a { background: rgb(1 2 3) }"]
)
def test_a_raw_colour_is_seen(text: str) -> None:
    assert raw_colours(text)


@pytest.mark.parametrize("text", ["#add { color: var(--ink) }", "a { fill: url(#fade) }"])
def test_an_id_is_not_a_colour(text: str) -> None:
    assert not raw_colours(text)


def test_every_stylesheet_is_in_a_layer_that_has_a_place_in_the_order() -> None:
    order = set(re.findall(r"[a-z]+", stylesheets()["static/css/layers.css"])) - {"layer"}
    outside = [
        path
        for path, text in stylesheets().items()
        if path.rsplit("/", 1)[-1] not in LAYERLESS and (not LAYER.findall(text) or set(LAYER.findall(text)) - order)
    ]

    assert not outside


def test_important_is_for_utilities() -> None:
    """Beside utilities, only [hidden] and reduced motion have to win over everything."""
    may = {"static/css/utilities.css", "static/css/reset.css", "static/css/base.css"}

    assert {path for path, text in stylesheets().items() if "!important" in text} <= may


def test_static_files_load_nothing_from_elsewhere() -> None:
    paths = [path for path in source.STATIC.rglob("*") if path.suffix in {".css", ".js"}]
    foreign = re.compile(r"""(?:url\(|@import|import|from|fetch\()\s*["']?(?:https?:)?//""")

    assert not [source.shown(path) for path in paths if foreign.search(path.read_text(encoding="utf-8"))]


def raw_colours(text: str) -> list[str]:
    without_urls = re.sub(r"url\([^)]*\)", "", text)
    return [*HEX.findall(without_urls), *re.findall(r"\b(?:rgba?|hsla?)\(", without_urls)]

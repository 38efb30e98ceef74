"""The colours of states: readable on every ground, and, in the palette for it, told apart by colour-blind eyes."""

from __future__ import annotations

import math
from itertools import combinations

import pytest

from tests.plugins.server import ROOT

TOKENS = (ROOT / "static/css/tokens.css").read_text(encoding="utf-8")
STATES = ("--ok", "--fail", "--run", "--wait", "--retry", "--cache", "--pause", "--lost")
GROUNDS = ("--stone-0", "--stone-1", "--stone-2")
#: what stands side by side in bars that have no words
AT_A_GLANCE = {"--ok", "--fail", "--run", "--wait", "--retry"}
#: what eyes without one kind of cone make of linear red, green and blue (Machado, Oliveira and Fernandes, 2009)
EYES = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no long": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "no middle": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
}
DRAWN = """(names) => {
    const canvas = document.createElement("canvas").getContext("2d");
    const probe = document.body.appendChild(document.createElement("i"));
    return Object.fromEntries(names.map((name) => {
        probe.style.color = `var(${name})`;
        canvas.fillStyle = getComputedStyle(probe).color;
        canvas.fillRect(0, 0, 1, 1);
        return [name, [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)];
    }));
}"""


@pytest.fixture(params=["light", "dark"])
def drawn(browser, request):
    """Return what a browser makes of the colours of a palette."""
    page = browser.new_page(color_scheme=request.param)
    page.set_content(f"<style>{TOKENS}</style><body></body>")

    def colours(palette):
        page.evaluate("name => { document.documentElement.dataset.palette = name }", palette)
        return {name: linear(rgb) for name, rgb in page.evaluate(DRAWN, [*STATES, *GROUNDS]).items()}

    yield colours
    page.close()


def linear(rgb):
    parts = [part / 255 for part in rgb]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def contrast(one, other):
    """Return the contrast of two colours as WCAG has it."""
    light, dark = sorted((0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def seen(colour, eyes):
    """Return a colour as these eyes have it, in Oklab: distances there are differences people see."""
    r, g, b = (min(1, max(0, sum(k * part for k, part in zip(row, colour, strict=True)))) for row in eyes)
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    middle = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


@pytest.mark.parametrize("palette", ["", "safe"])
def test_28_the_words_of_every_state_stand_out_on_every_ground(drawn, palette):
    colours = drawn(palette)
    weak = {
        (state, ground): round(found, 2)
        for state in STATES
        for ground in GROUNDS
        if (found := contrast(colours[state], colours[ground])) < 4.5
    }
    assert weak == {}


@pytest.mark.parametrize("eyes", EYES)
def test_28_colour_blind_eyes_tell_states_apart_in_their_palette(drawn, eyes):
    looks = {name: seen(colour, EYES[eyes]) for name, colour in drawn("safe").items() if name in STATES}
    alike = {}
    for one, other in combinations(STATES, 2):
        least = 0.09 if {one, other} <= AT_A_GLANCE else 0.035
        if (apart := math.dist(looks[one], looks[other])) < least:
            alike[one, other] = round(apart, 3)
    assert alike == {}

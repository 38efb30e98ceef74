"""One line of a log as safe HTML: escaped text, colours as classes, web links, and nothing else.

The only tags that come out are ``<span class="...">`` and ``<a>``; beside the nearest of sixteen colours a span names
the exact one as ``data-fore`` and ``data-back``. Classes are ``a1`` bold, ``a2`` dim, ``a3`` italic,
``a4`` underlined, ``a7`` inverse, ``a9`` struck, ``a30`` … ``a37`` and ``a90`` … ``a97`` for the text's colour,
``b40`` … ``b47`` for what lies behind it; ``static/css/components/log.css`` gives them looks.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape

from django.utils.safestring import SafeString

# Each alternative is linear: its parts are disjoint, and what is not ended is dropped up to its introducer only.
_TOKEN = re.compile(
    r"\x1b\[(?P<sgr>[0-9;:]*)m"
    r"|\x1b\]8;[^;\x07\x1b]*;(?P<link>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[PX^_][^\x1b]*\x1b\\"
    r"|\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0a-\x1f\x7f-\x9f]+"
)
_URL = re.compile(r"https?://[^\s<>\"'`\\^{}|]+")
_TRAILING = ".,;:!?)]}>*_"
# Overrides and isolates reorder what a person reads; letters of right-to-left scripts need none of them.
_BIDI = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")
_GROUP_BEGINNINGS = ("--- ", "+++ ", "~~~ ", "::group::")
_STYLES = {1, 2, 3, 4, 7, 9}
_STYLE_OFF: dict[int, set[int]] = {21: {1}, 22: {1, 2}, 23: {3}, 24: {4}, 27: {7}, 29: {9}}
_PALETTE = (
    *((0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)),
    *((127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255)),
    (255, 255, 255),
)
_Rgb = tuple[int, int, int]
_CUBE = (0, 95, 135, 175, 215, 255)


def render_line(text: str) -> SafeString:
    """Return the HTML of one line of a log; ``text`` may hold anything a program can print."""
    text = _last_segment(text)
    if text.isprintable():
        return SafeString(_linked(text) if "://" in text else escape(text))
    return SafeString(_render(text.translate(_BIDI)))


def line_html(number: int, level: str, text: str, *, at: float | None = None) -> SafeString:
    """Return the whole element of line ``number`` (from 1): its number as a link to itself, its level and its text.

    ``at`` is when it was written, in seconds since 1970.
    """
    mark = f' data-level="{escape(level)}"' if level else ""
    mark += f' data-at="{at:.3f}"' if at is not None else ""
    kind = "line"
    if text.startswith(_GROUP_BEGINNINGS):
        kind, text = "line line--group", _without_beginning(text)
    return SafeString(
        f'<div class="{kind}" id="L{number}"{mark}><a class="no" href="#L{number}">{number}</a>'
        f"<span>{render_line(text)}</span></div>"
    )


def _without_beginning(text: str) -> str:
    beginning = next(word for word in _GROUP_BEGINNINGS if text.startswith(word))
    return text.removeprefix(beginning) or text


def plain_line(text: str) -> str:
    """Return the line without colours, links and control characters, as a terminal would leave it."""
    return _TOKEN.sub("", _last_segment(text)).translate(_BIDI)


def _last_segment(text: str) -> str:
    """Return what a terminal shows after carriage returns: the last part that holds something."""
    text = text.rstrip("\r\n")
    return text[text.rfind("\r") + 1 :] if "\r" in text else text


class _Pen:
    """How the next characters look."""

    __slots__ = ("back", "exact", "fore", "styles")

    def __init__(self) -> None:
        self.styles: set[int] = set()
        self.fore = ""
        self.back = ""
        #: "fore" and "back" as #rrggbb where a program named more than the sixteen colours
        self.exact: dict[str, str] = {}

    def wrap(self, html: str) -> str:
        names = [f"a{style}" for style in sorted(self.styles)] + [name for name in (self.fore, self.back) if name]
        exact = "".join(f' data-{side}="{colour}"' for side, colour in self.exact.items())
        return f'<span class="{" ".join(names)}"{exact}>{html}</span>' if names and html else html

    def take(self, codes: str) -> None:
        """Apply the parameters of one SGR sequence."""
        numbers = _numbers(codes)
        while numbers:
            code = numbers.pop(0)
            if code in {38, 48}:
                self._colour("fore" if code == 38 else "back", _extended(numbers))
            else:
                self._simple(code)

    def _simple(self, code: int) -> None:
        if code == 0:
            self.styles.clear()
            self.fore = self.back = ""
            self.exact.clear()
        elif code in _STYLES:
            self.styles.add(code)
        elif code in _STYLE_OFF:
            self.styles -= _STYLE_OFF[code]
        elif 30 <= code <= 37 or 90 <= code <= 97:
            self._simple_colour("fore", f"a{code}")
        elif 40 <= code <= 47 or 100 <= code <= 107:
            self._simple_colour("back", f"b{40 + code % 10}")
        elif code in {39, 49}:
            self._simple_colour("fore" if code == 39 else "back", "")

    def _simple_colour(self, side: str, name: str) -> None:
        setattr(self, side, name)
        self.exact.pop(side, None)

    def _colour(self, side: str, colour: int | _Rgb | None) -> None:
        if colour is None:
            return
        index = colour if isinstance(colour, int) else _nearest(*colour)
        name = f"a{(30 if index < 8 else 82) + index}" if side == "fore" else f"b{40 + index % 8}"
        self._simple_colour(side, name)
        if not isinstance(colour, int):
            self.exact[side] = "#{:02x}{:02x}{:02x}".format(*colour)


def _numbers(codes: str) -> list[int]:
    parts = codes.replace(":", ";").split(";")[:64]
    return [int(part) if len(part) < 4 and part else 0 if not part else 999 for part in parts]


def _extended(numbers: list[int]) -> int | _Rgb | None:
    """Take the rest of a 256-colour or true-colour code off ``numbers``: a basic colour's index, or the parts."""
    kind = numbers.pop(0) if numbers else 0
    if kind == 5 and numbers:
        index = numbers.pop(0)
        return _of_256(index) if 16 <= index <= 255 else index if index < 16 else None
    if kind == 2 and len(numbers) >= 3:
        red, green, blue = numbers[:3]
        del numbers[:3]
        return (red, green, blue) if max(red, green, blue) <= 255 else None
    # Cut off in the middle: what is left are no codes of their own.
    numbers.clear()
    return None


def _of_256(index: int) -> _Rgb:
    if index >= 232:
        grey = 8 + (index - 232) * 10
        return grey, grey, grey
    index -= 16
    return _CUBE[index // 36], _CUBE[index // 6 % 6], _CUBE[index % 6]


@lru_cache(maxsize=1024)
def _nearest(red: int, green: int, blue: int) -> int:
    def distance(index: int) -> int:
        other = _PALETTE[index]
        return (other[0] - red) ** 2 + (other[1] - green) ** 2 + (other[2] - blue) ** 2

    return min(range(16), key=distance)


def _render(text: str) -> str:
    parts: list[str] = []
    pen, link, at = _Pen(), "", 0
    for token in _TOKEN.finditer(text):
        parts.append(_segment(text[at : token.start()], pen, link))
        at = token.end()
        if (codes := token["sgr"]) is not None:
            pen.take(codes)
        elif (target := token["link"]) is not None:
            link = target if target.isprintable() and target.startswith(("http://", "https://")) else ""
    parts.append(_segment(text[at:], pen, link))
    return "".join(parts)


def _segment(text: str, pen: _Pen, link: str) -> str:
    if not text:
        return ""
    if link:
        return pen.wrap(_anchor(link, text))
    return pen.wrap(_linked(text) if "://" in text else escape(text))


def _linked(text: str) -> str:
    parts: list[str] = []
    at = 0
    for match in _URL.finditer(text):
        url = match[0].rstrip(_TRAILING)
        parts += [escape(text[at : match.start()]), _anchor(url, url)]
        at = match.start() + len(url)
    parts.append(escape(text[at:]))
    return "".join(parts)


def _anchor(url: str, text: str) -> str:
    return f'<a href="{escape(url)}" rel="noopener noreferrer" target="_blank">{escape(text)}</a>'

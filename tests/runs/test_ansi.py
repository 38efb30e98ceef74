"""Whatever a program prints becomes one safe line."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell.runs.ansi import line_html, plain_line, render_line


@pytest.mark.parametrize(
    "text, html",
    [
        ("plain", "plain"),
        ("a < b & 'c' > \"d\"", "a &lt; b &amp; &#x27;c&#x27; &gt; &quot;d&quot;"),
        ("\x1b[1;31mred\x1b[0m after", '<span class="a1 a31">red</span> after'),
        ("\x1b[31mx\x1b[39my", '<span class="a31">x</span>y'),
        ("\x1b[41;97mx", '<span class="a97 b41">x</span>'),
        ("\x1b[104mx", '<span class="b44">x</span>'),
        ("\x1b[mx", "x"),
        ("\x1b[1mbold\x1b[22mnot", '<span class="a1">bold</span>not'),
        ("\x1b[38;5;9mx", '<span class="a91">x</span>'),
        ("\x1b[38;5;196mx", '<span class="a91" data-fore="#ff0000">x</span>'),
        ("\x1b[38;5;244mx", '<span class="a90" data-fore="#808080">x</span>'),
        ("\x1b[38;2;0;200;10mx", '<span class="a32" data-fore="#00c80a">x</span>'),
        ("\x1b[48:2:0:200:10mx", '<span class="b42" data-back="#00c80a">x</span>'),
        ("\x1b[38;5mx", "x"),
        ("\x1b[38;2;1;2mx", "x"),
        ("\x1b[999999999999mx", "x"),
    ],
)
def test_colours_become_classes(text, html):
    assert render_line(text) == html


@pytest.mark.parametrize(
    "text, html",
    [
        ("10%\r55%\r100%", "100%"),
        ("done\r\n", "done"),
        ("50%\r", "50%"),
        ("\x1b[2J\x1b[Htext", "text"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1bPq#0\x1b\\text", "text"),
        ("text\x1b[", "text"),
        ("text\x1b[31", "text"),
        ("text\x1b", "text"),
        ("\x1b]8;;https://a.example/", "8;;https:"),
        ("a\x00\x08\x07b\x9bc", "abc"),
        ("tab\tstays", "tab\tstays"),
        ("user\u202egnp.exe", "user\ufffdgnp.exe"),
        ("مرحبا", "مرحبا"),
    ],
)
def test_other_sequences_and_control_characters_are_dropped(text, html):
    assert re.sub("<[^>]*>", "", render_line(text)).startswith(html)


def test_links_open_the_web_and_nothing_else():
    anchor = '<a href="https://a.example/?x=1&amp;y=2" rel="noopener noreferrer" target="_blank">'
    assert render_line("see https://a.example/?x=1&y=2.") == f"see {anchor}https://a.example/?x=1&amp;y=2</a>."
    assert render_line("\x1b]8;;https://a.example/?x=1&y=2\x1b\\here\x1b]8;;\x1b\\ out") == f"{anchor}here</a> out"
    for target in ("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//evil", "HTTPS ://x"):
        assert "<a" not in render_line(f"\x1b]8;;{target}\x07here\x1b]8;;\x07")


def test_a_quote_cannot_leave_a_link():
    html = render_line('\x1b]8;;https://a/" onclick="alert(1)\x07x\x1b]8;;\x07 https://b/\'onclick=x')
    assert "onclick=&quot;" in html
    assert re.findall(r"<a ([a-z]+)=", html) == ["href", "href"]


def test_a_line_has_its_number_and_its_level():
    assert line_html(12, "error", "<b>") == (
        '<div class="line" id="L12" data-level="error"><a class="no" href="#L12">12</a><span>&lt;b&gt;</span></div>'
    )
    assert "data-level" not in line_html(1, "", "x")


def test_plain_text_has_no_sequences():
    assert plain_line("a\r\x1b[31mred\x1b[0m \x1b]8;;https://x/\x07link\x1b]8;;\x07") == "red link"


class Tags(HTMLParser):
    """Collects the tags of a line and the names of their attributes."""

    def __init__(self, html):
        super().__init__()
        self.depth = 0
        self.found = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.depth += 1
        assert tag in {"span", "a"}
        self.found |= {(tag, name) for name, _ in attrs}
        assert all(value.startswith(("http://", "https://")) for name, value in attrs if name == "href")

    def handle_endtag(self, tag):
        self.depth -= 1


PIECES = st.sampled_from(
    [
        "\x1b",
        "[",
        "]8;;",
        "\x07",
        "\\",
        "m",
        "31",
        ";",
        "38;5;",
        "<",
        ">",
        '"',
        "'",
        "&",
        "https://",
        "javascript:",
        "\r",
        "x",
    ]
)


@given(st.lists(PIECES | st.text(max_size=3), max_size=40).map("".join))
def test_only_spans_and_links_come_out_of_anything(text):
    tags = Tags(render_line(text))
    assert tags.found <= {("span", "class"), ("a", "href"), ("a", "rel"), ("a", "target")}
    assert tags.depth == 0


@pytest.mark.parametrize("piece", ["\r", "\x1b]", "\x1b[", "\x1b[1m", "\x1b]8;;", "http://", "\x1bP", "\x00", "<"])
def test_a_hostile_line_takes_linear_time(piece):
    started = time.process_time()
    render_line(piece * (100_000 // len(piece)) + "x")
    assert time.process_time() - started < 1

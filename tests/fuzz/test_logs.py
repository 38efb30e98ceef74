"""Anything a program prints: rendered as safe HTML, and masked wherever it is cut."""

from __future__ import annotations

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell.engine.masking import Masker, encodings_of
from stepwell.runs.ansi import line_html, plain_line, render_line
from tests.engine.test_masking import ENCODINGS, SECRET
from tests.fuzz.inputs import corpus, inputs, often

ALLOWED = {
    "span": {"class", "data-fore", "data-back"},
    "a": {"href", "rel", "target", "class"},
    "div": {"class", "id", "data-level", "data-at"},
}


class Page(HTMLParser):
    """Checks each tag and collects the text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED, tag
        assert {name for name, _ in attrs} <= ALLOWED[tag], attrs
        for name, value in attrs:
            if name == "href":
                assert (value or "").startswith(("http://", "https://", "#L")), value
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    handle_decl = handle_pi = unknown_decl = handle_comment


def check_line(content: bytes) -> None:
    text = content.decode("utf-8", "replace")
    begun = time.process_time()
    html = render_line(text)
    page = Page(html)
    Page(line_html(1, 'error" onload="x', text, at=1.5))

    assert time.process_time() - begun < 2
    assert not any(ord(char) < 32 and char != "\t" for char in page.text)
    assert "\x1b" not in html
    assert page.text == plain_line(text)


@pytest.mark.parametrize("content", corpus("ansi"))
def test_kept_lines_are_safe(content: bytes) -> None:
    check_line(content)


@often(400)
@given(inputs("ansi"))
def test_lines_are_safe(content: bytes) -> None:
    check_line(content)


@often(120)
@given(
    before=inputs("masker"),
    after=inputs("masker"),
    form=st.sampled_from(sorted(ENCODINGS)),
    sizes=st.lists(st.integers(0, 60), max_size=40),
)
def test_no_spelling_of_a_secret_gets_through_however_the_stream_is_cut(
    before: bytes, after: bytes, form: str, sizes: list[int]
) -> None:
    written = before + ENCODINGS[form].encode() + after
    masker, shown, at = Masker([SECRET, "other-secret"]), b"", 0
    while at < len(written):
        size = sizes.pop() if sizes else 37
        shown += masker.feed(written[at : at + size])
        at += size
    shown += masker.flush()

    for pattern in encodings_of(SECRET) | encodings_of("other-secret"):
        assert pattern not in shown.replace(b"***", b"\0")
    whole = Masker([SECRET, "other-secret"])
    assert shown == whole.feed(written) + whole.flush()


@often(120)
@given(secret=st.text(min_size=4, max_size=40), noise=st.text(max_size=40), cut=st.integers(1, 9))
def test_secrets_of_any_letters_are_masked(secret: str, noise: str, cut: int) -> None:
    written = f"{noise}{secret}{noise}".encode("utf-8", "surrogatepass")
    masker = Masker([secret])
    shown = b"".join(masker.feed(written[at : at + cut]) for at in range(0, len(written), cut)) + masker.flush()
    needle = secret.encode("utf-8", "surrogatepass")

    assert needle not in shown.replace(b"***", b"\0") or needle in b"\0"

"""Python source as lines of safe HTML with a class per kind of word; the colours are the style sheet's."""

from __future__ import annotations

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, String, _TokenType

#: longer sources are shown without colours
_MOST = 400_000
_CLASSES: tuple[tuple[_TokenType, str], ...] = (
    (Comment, "c"),
    (String, "s"),
    (Number, "m"),
    (Keyword, "k"),
    (Name.Decorator, "d"),
    (Name.Function, "f"),
    (Name.Class, "f"),
)


def python_lines(source: str) -> list[SafeString]:
    """Return one piece of HTML per line of ``source``; nothing for no source."""
    if not source:
        return []
    if len(source) > _MOST:
        return [format_html("{}", line) for line in source.splitlines()]
    lines: list[list[tuple[str, str]]] = [[]]
    for kind, text in PythonLexer(stripnl=False, ensurenl=False).get_tokens(source):
        first, *rest = text.split("\n")
        lines[-1].append((_class_of(kind), first))
        lines.extend([(_class_of(kind), piece)] for piece in rest)
    if not any(text for _, text in lines[-1]):
        lines.pop()
    return [format_html_join("", "{}", ((_piece(name, text),) for name, text in line if text)) for line in lines]


def _class_of(kind: _TokenType) -> str:
    return next((name for token, name in _CLASSES if kind in token), "")


def _piece(name: str, text: str) -> SafeString:
    return format_html('<span class="hl-{}">{}</span>', name, text) if name else format_html("{}", text)

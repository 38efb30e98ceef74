"""A page as a test looks at it: elements with attributes, and the text a person reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from django.http import HttpResponse

_VOID = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    children: list[Element | str] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        return self.attributes[name] or ""

    @property
    def text(self) -> str:
        """What a person reads here, with every run of white space as one space."""
        parts = [child if isinstance(child, str) else child.text for child in self.children]
        return " ".join(" ".join(parts).split())

    def all(self, tag: str | None = None, **attributes: str) -> list[Element]:
        """Return the elements below with this tag and these attributes (``class_`` is one class among others)."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                if child.fits(tag, attributes):
                    found.append(child)
                found += child.all(tag, **attributes)
        return found

    def one(self, tag: str | None = None, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} elements are {tag} {attributes}"
        return found[0]

    def has(self, tag: str | None = None, **attributes: str) -> bool:
        return bool(self.all(tag, **attributes))

    def fits(self, tag: str | None, attributes: dict[str, str]) -> bool:
        if tag not in {None, self.tag}:
            return False
        for name, value in attributes.items():
            if name == "class_":
                if value not in (self.attributes.get("class") or "").split():
                    return False
            elif self.attributes.get(name.replace("_", "-")) != value:
                return False
        return True


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self._open[-1].children.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in [element.tag for element in self._open]:
            while self._open.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def read(response: HttpResponse, *, status: int = 200) -> Element:
    """Return the page of a response that has this status."""
    assert response.status_code == status, response.content[:2000].decode()
    reader = _Reader()
    reader.feed(response.content.decode())
    return reader.root


def form_of(page: Element, action: str) -> dict[str, Any]:
    """Return what a browser would send of the form at ``action``: its fields as they stand."""
    form = page.one("form", action=action, method="post")
    sent: dict[str, Any] = {}
    for element in form.all():
        name = element.attributes.get("name")
        if not name or element.tag == "button" or "disabled" in element.attributes:
            continue
        kind = element.attributes.get("type") or ""
        if element.tag == "select":
            options = element.all("option")
            chosen = [option for option in options if "selected" in option.attributes] or options[:1]
            sent[name] = chosen[0].attributes.get("value") or "" if chosen else ""
        elif element.tag == "textarea":
            sent[name] = "".join(child for child in element.children if isinstance(child, str)).removeprefix("\n")
        elif kind in {"checkbox", "radio"}:
            if "checked" in element.attributes:
                sent[name] = element.attributes.get("value") or "on"
        elif element.tag == "input":
            value = element.attributes.get("value") or ""
            sent[name] = [*_listed(sent[name]), value] if name in sent else value
    return sent


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]

"""Goes to every page there is: as an admin, as nobody, as somebody who may not, and to what a broken server says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from playwright.sync_api import Page

#: sums up how much a page jumps about, in ``window.shifted``
SHIFTS = """() => { window.shifted = 0; new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true }) }"""


def every_page(
    addresses: dict[str, str], hand: Callable[..., Any], open_page: Callable[[str], Page]
) -> Iterator[tuple[str, Page]]:
    """Yield the name of each page with a tab that shows it.

    ``addresses`` are those of ``scene.make``; ``open_page`` opens a tab of an admin, a viewer or nobody (``""``).
    """
    page = open_page("admin")
    for name, address in addresses.items():
        page.goto(address)
        yield name, page
    for name, text in hand("tests.e2e.dashboard.scene:broken_pages").items():
        page.route(f"**/{name}", lambda route, _, text=text: route.fulfill(body=text, content_type="text/html"))
        page.goto(f"/{name}")
        yield name, page
    page = open_page("viewer")
    page.goto("/settings/")
    yield "refused", page
    page = open_page("")
    for name, address in hand("tests.e2e.dashboard.scene:outside").items():
        page.goto(address)
        yield name, page

"""Pictures of every page, light, dark and on a phone, into ``build/screenshots``: ``make screenshots``, then look."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.e2e.dashboard.visits import every_page
from tests.plugins.server import FLAGS, ROOT, Server

FOLDER = ROOT / "build" / "screenshots"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 860}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 860}},
    "phone": {"color_scheme": "light", "viewport": {"width": 375, "height": 740}},
}


def main() -> None:
    """Make the pictures; names given as arguments are the only pages taken."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        sys.exit("There is no Chromium here: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="stepwell-pictures-") as home:
        server = Server(Path(home), settings="tests.e2e.dashboard.settings")
        try:
            server.start()
            people = {
                role: server.hand("tests.live.seed:sign_in", name=name, role=role)
                for role, name in (("admin", "ana"), ("viewer", "charlie"))
            }
            empty = server.hand("tests.e2e.dashboard.scene:empty_pages")
            take(server, people, program, empty, only_these=True)
            take(server, people, program, server.hand("tests.e2e.dashboard.scene:make", person="ana"))
        finally:
            server.stop()
    print(f"{len(list(FOLDER.glob('*.png')))} pictures in {os.path.relpath(FOLDER)}")


def take(
    server: Server, people: dict[str, Any], program: str, addresses: dict[str, str], *, only_these: bool = False
) -> None:
    """Take every page in every look, or only these addresses."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = set(sys.argv[1:])
    if wanted & addresses.keys():
        addresses, only_these = {name: address for name, address in addresses.items() if name in wanted}, True
    elif wanted and only_these:
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        for look, options in LOOKS.items():

            def open_page(role: str, options: dict[str, Any] = options) -> Page:
                context = browser.new_context(base_url=server.url, **options)
                if role:
                    session = people[role]["session"]
                    context.add_cookies([{"name": Server.cookie, "value": session, "url": server.url}])
                return context.new_page()

            for name, page in every_page(addresses, server.hand, open_page):
                if only_these and name not in addresses:
                    break
                page.screenshot(path=FOLDER / f"{name}-{look}.png", full_page=look != "dark")
        browser.close()


if __name__ == "__main__":
    main()

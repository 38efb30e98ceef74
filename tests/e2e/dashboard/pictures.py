"""Pictures of every page, light, dark and on a phone, into ``build/screenshots``: ``make screenshots``, then look."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

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
            person = server.hand("tests.live.seed:sign_in", name="ana", role="admin")
            empty = {"empty-home": "/", "empty-runs": "/runs/", "empty-artifacts": "/artifacts/"}
            take(server, person, program, wanted(empty))
            take(server, person, program, wanted(server.hand("tests.e2e.dashboard.scene:make", person="ana")))
        finally:
            server.stop()
    print(f"{len(list(FOLDER.glob('*.png')))} pictures in {os.path.relpath(FOLDER)}")


def wanted(pages: dict[str, str]) -> dict[str, str]:
    names = set(sys.argv[1:])
    return {name: address for name, address in pages.items() if not names or name in names}


def take(server: Server, person: dict[str, str], program: str, pages: dict[str, str]) -> None:
    """Take every page in every look."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        for look, options in LOOKS.items():
            context = browser.new_context(base_url=server.url, **options)
            context.add_cookies([{"name": Server.cookie, "value": person["session"], "url": server.url}])
            page = context.new_page()
            for name, address in pages.items():
                page.goto(address)
                page.screenshot(path=FOLDER / f"{name}-{look}.png", full_page=look != "dark")
            context.close()
        browser.close()


if __name__ == "__main__":
    main()

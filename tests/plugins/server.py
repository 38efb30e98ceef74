"""Fixtures with real processes: a web server on a file database, a hand that writes to it, and a browser.

Take them with ``from tests.plugins.server import browser, server`` in a folder's conftest.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
STOP_SECONDS = 10
#: a page a test makes up itself has no address, and Chromium would keep it from sockets on this machine
FLAGS = ["--no-sandbox", "--disable-features=LocalNetworkAccessChecks"]


class Hand:
    """A process of its own that calls functions on the server's database; each call is committed when it returns."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = start("tests.plugins.hand", environment, stdin=subprocess.PIPE)
        self._lock = threading.Lock()

    def __call__(self, function: str, **arguments: Any) -> Any:
        """Call ``module:function`` with JSON-able keyword arguments and return what it returned."""
        with self._lock:
            self._process.stdin.write(json.dumps({"call": function, "with": arguments}, default=str) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the hand ended with {self._process.wait(5)} in {function}")
        reply = json.loads(line)
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply["answer"]

    def close(self) -> None:
        self._process.stdin.close()
        stop(self._process)


class Server:
    """A running web process. ``url`` has no slash at its end; ``cookie`` names the session's cookie."""

    cookie = "stepwell"

    def __init__(self, home: Path, *, settings: str = "tests.settings", **more: str) -> None:
        self.home = home
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("STEPWELL_", "DATABASE_URL"))},
            "STEPWELL_HOME": str(home),
            "PYTHONPATH": f"{ROOT / 'apps'}{os.pathsep}{ROOT}",
            "DJANGO_SETTINGS_MODULE": settings,
            "PYTHONWARNINGS": "default",
            **more,
        }
        self.hand = Hand(self.environment)
        self.process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        self.hand("django.core.management:call_command", command_name="migrate", verbosity=0, skip_checks=True)
        self.process = start("tests.plugins.serve", self.environment)
        port = self.process.stdout.readline().strip()
        if not port:
            raise RuntimeError(f"the server ended with {self.process.wait(5)} before it listened")
        self.url = f"http://127.0.0.1:{port}"
        self._wait_until_it_answers()

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process)
        self.hand.close()

    def new_hand(self) -> Hand:
        """Return one more hand, to work at the same time; the caller closes it."""
        return Hand(self.environment)

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/login/", timeout=START_SECONDS).close()
            except urllib.error.HTTPError:
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return


def start(module: str, environment: dict[str, str], **streams: Any) -> subprocess.Popen[str]:
    """Start ``python -m module`` with a text pipe from its output."""
    return subprocess.Popen(
        [sys.executable, "-m", module], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, **streams
    )


def stop(process: subprocess.Popen[str]) -> None:
    """End a process by its pid: politely, then not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
    for stream in (process.stdin, process.stdout):
        if stream and not stream.closed:
            stream.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    home = Path(tempfile.mkdtemp(prefix="stepwell-server-"))
    running = Server(home)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, headless, driven by Playwright."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    # Playwright leaves its event loop in this thread until it ends, and Django would then refuse every query.
    with pytest.MonkeyPatch.context() as patch, sync_api.sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        running = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield running
        running.close()

"""A whole instance as a user starts it: ``stepwell up`` with web and runner, reached over HTTP only."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.commands import Instance, told

START_SECONDS = 60
#: a pace at which leases lapse within seconds
QUICK = {
    "STEPWELL_HEARTBEAT_SECONDS": "0.3",
    "STEPWELL_LEASE_SECONDS": "3",
    "STEPWELL_SWEEP_SECONDS": "1",
    "STEPWELL_GRACE_SECONDS": "2",
}
TERMINAL = {"completed", "failed", "cancelled"}


def looks(seconds: float) -> Iterator[bool]:
    """Yield until the time is over, whether this is the last time; the pauses grow, as each look costs the instance."""
    deadline = time.monotonic() + seconds
    pause = 0.08
    while time.monotonic() < deadline:
        yield False
        time.sleep(pause)
        pause = min(pause * 1.3, 0.3)
    yield True


class RunningInstance:
    """``url`` has no slash at its end; ``link`` signs the first admin in, once; ``api`` is a client with a token."""

    def __init__(self, folder: Path, *arguments: str, settings: dict[str, str] | None = None) -> None:
        self.commands = Instance(folder=folder)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stepwell", "up", "--port", "0", "--label", "gpu=1", *arguments],
            cwd=folder,
            env={**self.commands.environment, **QUICK, **(settings or {})},
            stdout=subprocess.PIPE,
            stderr=(folder / "up.log").open("w"),
            text=True,
        )
        self.link = self._read_link()
        self.url = re.match(r"https?://[^/]+", self.link)[0]
        self.token = self.commands.token
        headers = {"Authorization": f"Bearer {self.token}"}
        self.api = httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=30, trust_env=False)

    def _read_link(self) -> str:
        line = self.process.stdout.readline()
        found = re.search(r"https?://\S+", line)
        assert found, f"up printed {line!r}"
        return found[0]

    def register(self, *files: Path) -> None:
        done = self.commands.stepwell("register", *files)
        assert done.returncode == 0, told(done)

    def make_secret(self, name: str, **values: str) -> None:
        answer = self.api.post("/secrets", json={"name": name, "values": values})
        assert answer.status_code == 201, answer.text

    def start(self, pipeline: str, **body: Any) -> dict[str, Any]:
        answer = self.api.post(f"/pipelines/{pipeline}/runs", json={"parameters": {}, **body})
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    def run(self, ref: Any) -> dict[str, Any]:
        answer = self.api.get(f"/runs/{ref}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def steps(self, ref: Any) -> dict[str, dict[str, Any]]:
        answer = self.api.get(f"/runs/{ref}/steps")
        assert answer.status_code == 200, answer.text
        body = answer.json()
        steps = body["items"] if isinstance(body, dict) else body
        return {step["invocation_id"]: step for step in steps if step["invocation_id"] != ":plan"}

    def wait_for(self, ref: Any, *statuses: str, seconds: float = 40) -> dict[str, Any]:
        """Return the run once it is in one of ``statuses`` (default: ended)."""
        for last in looks(seconds):
            run = self.run(ref)
            if run["status"] in (statuses or TERMINAL):
                return run
            assert not last, f"run {ref} is still {run['status']}: {self.steps(ref)}"
        raise AssertionError  # for readers of types: the last look returns or fails

    def wait_for_step(self, ref: Any, name: str, *statuses: str, seconds: float = 20) -> None:
        for last in looks(seconds):
            steps = self.steps(ref)
            if steps.get(name, {}).get("status") in statuses:
                return
            assert not last, steps

    def log(self, ref: Any, name: str, attempt: int = 1) -> str:
        answer = self.api.get(f"/runs/{ref}/steps/{name}/attempts/{attempt}/log", headers={"Accept": "text/plain"})
        assert answer.status_code == 200, answer.text
        return answer.text

    def wait_for_log(self, ref: Any, name: str, text: str, attempt: int = 1, seconds: float = 20) -> None:
        """Wait until the log has ``text``: last hooks run once the result they are told of is stored."""
        for last in looks(seconds):
            if text in (log := self.log(ref, name, attempt)):
                return
            assert not last, f"{text!r} is not in {log!r}"

    def process_of(self, command: str) -> psutil.Process:
        """Return the child of ``up`` that runs ``stepwell <command>``."""
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if command in child.cmdline())

    def signed_in(self) -> httpx.Client:
        """Return a client with the first admin's session, from a one-time link; the caller closes it."""
        printed = self.commands.stepwell("login-link")
        assert printed.returncode == 0, told(printed)
        path = re.search(r"/login/[\w-]+/", printed.stdout)[0]
        client = httpx.Client(base_url=self.url, follow_redirects=True, trust_env=False)
        form = client.get(path)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text)[1]
        answer = client.post(path, data={"csrfmiddlewaretoken": token}, headers={"Referer": self.url})
        assert answer.url.path == "/", answer.text
        return client

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.kill(self.process.pid, signal.SIGKILL)
                self.process.wait(5)
        self.process.stdout.close()
        self.api.close()

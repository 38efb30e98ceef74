"""``stepwell up`` with real processes: it serves, keeps alive, and leaves nothing behind."""

from __future__ import annotations

import http.cookiejar
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest
from websockets.sync.client import connect

from tests.commands import Instance, told

START_SECONDS = 60


class Up:
    """A running ``stepwell up`` on a free port."""

    def __init__(self, instance: Instance, *words: str, before: Sequence[str] = (), **settings: str) -> None:
        self.instance = instance
        self.process = subprocess.Popen(
            [*before, sys.executable, "-m", "stepwell", "up", "--port", "0", *words],
            cwd=instance.folder,
            env={**instance.environment, **settings},
            stdout=subprocess.PIPE,
            stderr=(instance.folder / "stderr").open("w"),
            text=True,
        )
        watchdog = threading.Timer(START_SECONDS, self.process.kill)
        watchdog.start()
        self.line = self.process.stdout.readline()
        watchdog.cancel()
        assert self.line, self.said
        self.url = re.search(r"http\S+", self.line)[0]
        self.base = self.url.partition("/login/")[0].rstrip("/")

    @property
    def said(self) -> str:
        return (self.instance.folder / "stderr").read_text()

    def below(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, name: str) -> psutil.Process:
        """Wait for the child of this name."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for process in self.below():
                # The name is there once Python was started in the new process.
                if command_of(process)[:4][-1:] == [name]:
                    return process
            time.sleep(0.05)
        raise AssertionError(f"no {name}: {self.said}")

    def end(self) -> None:
        below = self.below() if self.process.poll() is None else []
        self.process.kill()
        self.process.wait(10)
        self.process.stdout.close()
        for process in below:
            if process.is_running():
                process.kill()


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def assert_all_gone(processes: list[psutil.Process], *, within: float) -> None:
    _, alive = psutil.wait_procs(processes, timeout=within)
    assert not alive


def get(url: str) -> tuple[int, str]:
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    )
    with opener.open(url, timeout=20) as answer:
        return answer.status, answer.url


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance(folder=tmp_path)


@pytest.fixture
def up(instance: Instance) -> Iterator[Up]:
    running = Up(instance)
    yield running
    running.end()


def test_it_prints_one_line_with_a_link_and_ctrl_c_ends_everything_within_5_seconds(up):
    status, _ = get(up.url)
    below = [up.child("web"), up.child("runner"), *up.below()]
    begun = time.monotonic()
    up.process.send_signal(signal.SIGINT)

    assert status == 200
    assert "/login/" in up.url
    assert up.process.wait(6) == 0, up.said
    assert time.monotonic() - begun < 5
    assert_all_gone(below, within=0.5)
    assert up.process.stdout.read() == ""
    assert "Traceback" not in up.said
    assert "Deprecat" not in up.said


def test_killed_outright_it_leaves_nothing_behind_after_a_few_seconds(up):
    below = [up.child("web"), up.child("runner"), *up.below()]
    up.process.kill()

    assert_all_gone(below, within=8)


#: runs a program without the rights root has beyond any user's (28 with 1: the kernel gives it none for being root)
_AS_ANY_USER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(28, 1, 0, 0, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
AS_ANY_USER = (sys.executable, "-c", _AS_ANY_USER)


def look_into(pid: int) -> str:
    done = subprocess.run(
        [*AS_ANY_USER, "cat", f"/proc/{pid}/environ"], capture_output=True, text=True, timeout=30, check=False
    )
    return done.stdout or done.stderr


def test_nobody_of_the_same_user_reads_our_environment(instance):
    up = Up(instance, before=AS_ANY_USER)
    other = subprocess.Popen([*AS_ANY_USER, "sleep", "60"], env={"PATH": os.environ["PATH"], "SEEN": "yes"})
    try:
        for pid in (up.process.pid, up.child("web").pid, up.child("runner").pid):
            assert "Permission denied" in look_into(pid)
        assert "SEEN=yes" in look_into(other.pid)
    finally:
        other.kill()
        other.wait()
        up.end()


def test_no_address_and_no_cookie_is_logged_however_much_is(instance):
    up = Up(instance, "--no-runner", STEPWELL_LOG_LEVEL="DEBUG")
    link = up.url.rstrip("/").rpartition("/")[2]
    try:
        with httpx.Client(base_url=up.base, trust_env=False, follow_redirects=True) as browser:
            token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(up.url).text)[1]
            browser.post(up.url, data={"csrfmiddlewaretoken": token}, headers={"Origin": up.base})
            assert browser.get("/runs/?text=canary").status_code == 200
            session = browser.cookies["stepwell"]
        with connect(
            f"ws{up.base.removeprefix('http')}/ws/",
            origin=up.base,
            additional_headers={"Cookie": f"stepwell={session}"},
        ) as socket_:
            socket_.recv(timeout=20)
    finally:
        up.end()

    assert not [word for word in (link, session, "canary") if word in up.said]


@pytest.mark.parametrize(
    ("proxies", "address"), [("", "127.0.0.1"), ("10.0.0.1", "127.0.0.1"), ("127.0.0.1", "203.0.113.9")]
)
def test_only_a_proxy_of_the_settings_is_believed_who_calls(instance, proxies, address):
    up = Up(instance, "--no-runner", STEPWELL_PROXIES=proxies)
    try:
        with httpx.Client(base_url=up.base, trust_env=False, headers={"X-Forwarded-For": "203.0.113.9"}) as browser:
            token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get("/login/").text)[1]
            form = {"csrfmiddlewaretoken": token, "name": "admin", "password": "wrong"}
            assert browser.post("/login/", data=form, headers={"Origin": up.base}).status_code == 422
    finally:
        up.end()
    with closing(sqlite3.connect(instance.folder / "home" / "stepwell.db")) as database:
        rows = database.execute("SELECT ip FROM accounts_auditevent WHERE action = 'sign_in.failed'").fetchall()
    assert rows == [(address,)]


def test_a_child_that_dies_is_started_again_while_browsers_wait(up):
    web, runner = up.child("web"), up.child("runner")
    web.kill()
    runner.kill()
    psutil.wait_procs([web, runner], timeout=5)

    assert get(f"{up.base}/login/")[0] == 200
    assert up.child("web").pid != web.pid
    assert up.child("runner").pid != runner.pid
    assert "web was killed by signal 9; it is started again in 0.5 s." in up.said


def test_the_steps_of_a_run_end_with_it(instance):
    (instance.folder / "slow.py").write_text(
        "import time\nfrom stepwell import pipeline, step\n\n"
        "@step\ndef wait() -> int:\n    print('waiting', flush=True)\n    time.sleep(600)\n    return 1\n\n"
        "@pipeline\ndef slow():\n    wait()\n"
    )
    assert instance.stepwell("register", "slow.py").returncode == 0
    up = Up(instance)
    try:
        request = urllib.request.Request(
            f"{up.base}/api/v1/pipelines/slow/runs",
            data=b"{}",
            headers={"Authorization": f"Bearer {instance.token}", "Content-Type": "application/json"},
        )
        assert urllib.request.urlopen(request, timeout=20).status == 201
        deadline = time.monotonic() + START_SECONDS
        logs = instance.folder / "home" / "logs"
        while not any(b"waiting" in path.read_bytes() for path in logs.rglob("*") if path.is_file()):
            assert time.monotonic() < deadline, up.said
            time.sleep(0.1)
        below = up.below()
        up.process.terminate()

        assert up.process.wait(6) == 0, up.said
        assert_all_gone(below, within=1)
    finally:
        up.end()


def test_a_port_that_is_taken_is_named_with_the_way_out(instance):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = instance.stepwell("up", "--port", str(port))

    assert done.returncode == 1, told(done)
    assert done.stderr == (
        f"stepwell: Port {port} on 127.0.0.1 cannot be used: address already in use. "
        "Stop the program that has it, or choose another one with --port.\n"
    )


def test_a_wrong_setting_stops_the_start_with_its_name(instance):
    environment = {**instance.environment, "STEPWELL_LEASE_SECONDS": "soon"}
    done = subprocess.run(
        [sys.executable, "-m", "stepwell", "up", "--port", "0"],
        cwd=instance.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "STEPWELL_LEASE_SECONDS is “soon”. Use a number from 0.5 to 600." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_of_examples_that_is_not_there_is_named(instance):
    done = instance.stepwell("up", "--port", "0", "--examples", "nowhere")

    assert done.returncode == 2
    assert "nowhere is not a folder." in done.stderr


def test_once_an_admin_has_a_password_the_line_has_no_link(instance):
    code = (
        "from stepwell.conf import boot; boot.setup(); boot.migrate()\n"
        "from stepwell.accounts import actions\n"
        "actions.make_user(name='ana', role='admin', password='a long password 93')\n"
    )
    made = instance.python("-c", code)
    assert made.returncode == 0, told(made)
    up = Up(instance, "--no-runner")
    try:
        assert up.url == f"{up.base}/"
        assert "works once" not in up.line
        assert [command_of(process)[3] for process in up.below()] == ["web"]
    finally:
        up.end()

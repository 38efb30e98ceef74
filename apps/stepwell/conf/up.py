"""``stepwell up``: starts the dashboard and a runner, keeps both alive, and ends both when it ends.

The supervisor loads no Django. It holds the listening socket, so that a browser waits a moment while the web process
is started again, and one end of a pipe, the leash: children end when it closes, whatever ended the supervisor.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path
from types import FrameType

from stepwell.conf import env, paths
from stepwell.conf.children import Child, command, end_all, environment
from stepwell.conf.cli_serve import listen
from stepwell.conf.cli_setup import warn
from stepwell.engine import trees
from stepwell.errors import StepwellError, UsageError

#: seconds the web process has to answer its first request
_START_SECONDS = 180
#: seconds between two looks at the children
_LOOK = 0.2
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class CannotStart(StepwellError):
    """Stepwell could not be started."""

    code = "cannot_start"


def run_up(options: argparse.Namespace) -> int:
    """Start everything, say where it is, and stay until stopped."""
    trees.keep_to_itself()
    if options.examples and not Path(options.examples).is_dir():
        raise UsageError(f"{options.examples} is not a folder.", hint="Give the folder the examples are in.")
    stop = _stop_on_signals()
    listener = listen(options.host, options.port)
    _allow_host(options.host)
    base = base_url(listener)
    path = _prepare()
    if stop.is_set():
        return 0
    (paths.home() / "address").write_text(base, encoding="ascii")
    leash, held = os.pipe()
    children = [_web(listener, leash)]
    if not options.no_runner:
        labels = [word for label in options.labels for word in ("--label", label)]
        children.append(Child("runner", ["runner", *labels], leash=leash))
    try:
        return _stay(children, stop, options, base, path)
    finally:
        end_all(children)
        os.close(held)
        (paths.home() / "address").unlink(missing_ok=True)


def base_url(listener: socket.socket) -> str:
    """Return the address people open, without a slash at the end."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _stay(children: list[Child], stop: threading.Event, options: argparse.Namespace, base: str, path: str) -> int:
    for child in children:
        child.start()
    if not _wait_for_web(base, children, stop):
        return 0
    _announce(base, path, opens=options.open)
    examples = _register_examples(options.examples)
    while not stop.wait(_LOOK):
        for child in children:
            child.keep_alive()
        if examples is not None and examples.poll() is not None:
            examples = None
    if examples is not None:
        examples.kill()
        examples.wait()
    return 0


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ask)
    return stop


def _web(listener: socket.socket, leash: int) -> Child:
    return Child("web", ["web", "--fd", str(listener.fileno())], leash=leash, passed=(listener.fileno(),))


def _prepare() -> str:
    """Migrate, make the first admin, and return the path to open.

    All in a process of its own, which then gives its memory back.
    """
    done = subprocess.run(
        command("stepwell.conf.cli_prepare", "prepare"), env=environment(), stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        raise CannotStart("Stepwell was not started.", hint="The lines above say why.")
    return str(json.loads(done.stdout)["path"])


def _wait_for_web(base: str, children: list[Child], stop: threading.Event) -> bool:
    """Wait for the first answer; False when asked to stop meanwhile."""
    deadline = time.monotonic() + _START_SECONDS
    while not stop.is_set():
        if children[0].has_ended():
            raise CannotStart("The web process ended while starting.", hint="The lines above say why.")
        if _answers(base):
            return True
        if time.monotonic() > deadline:
            raise CannotStart(f"The web process did not answer within {_START_SECONDS} s.")
    return False


def _answers(base: str) -> bool:
    # No proxy of the environment between us and our own child.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    # The address we listen on need not be a name people use, and others are refused.
    name = env.names("STEPWELL_HOSTS", ["localhost"])[0].lstrip(".*") or "localhost"
    try:
        with opener.open(urllib.request.Request(f"{base}/healthz", headers={"Host": name}), timeout=1):  # noqa: S310
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        time.sleep(0.05)
        return False


def _announce(base: str, path: str, *, opens: bool) -> None:
    url = (env.text("STEPWELL_PUBLIC_URL").rstrip("/") or base) + path
    note = " (works once, for 15 minutes)" if path != "/" else ""
    print(f"Stepwell is at {url}{note}", flush=True)
    if opens:
        webbrowser.open(url)


def _register_examples(folder: str | None) -> subprocess.Popen[bytes] | None:
    if folder is None:
        return None
    return subprocess.Popen(command("stepwell.conf.cli_prepare", "examples", folder), env=environment())


def _allow_host(host: str) -> None:
    """Let people use the address we listen on, unless the allowed names were set."""
    if os.environ.get("STEPWELL_HOSTS") or host in _LOOPBACK:
        return
    if host in {"0.0.0.0", "::"}:  # noqa: S104
        warn("reachable from other machines only under the names listed in STEPWELL_HOSTS, which is not set.")
        return
    os.environ["STEPWELL_HOSTS"] = f"localhost,127.0.0.1,[::1],{host}"

"""The two server processes, ``web`` and ``runner``, as ``stepwell up`` or a service manager starts them."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import threading
import time
import warnings

from stepwell.conf.cli_options import split_pairs
from stepwell.conf.cli_setup import load_database, load_django
from stepwell.engine import trees
from stepwell.errors import StepwellError, Unavailable, UsageError

log = logging.getLogger("stepwell.runner")

#: the file descriptor whose end of file tells a child that its supervisor is gone
LEASH_VARIABLE = "STEPWELL_LEASH_FD"
#: seconds a child without a supervisor has to end by itself
_LEASH_GRACE = 3
#: seconds a runner waits for a database that does not answer yet
_DATABASE_SECONDS = 60
#: seconds open requests get when the server stops
_WEB_GRACE = 3
#: the server itself cuts off larger messages of a browser; the live protocol allows less
_WS_MESSAGE_BYTES = 16 * 1024


def serve_web(options: argparse.Namespace) -> int:
    """Serve pages, API and sockets until told to stop."""
    trees.keep_to_itself()
    _watch_leash()
    load_django()
    import uvicorn

    from stepwell.conf import env
    from stepwell.live.server import SocketProtocol

    # Static files are small and read at once; the warning is for every one of them.
    warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
    proxies = env.names("STEPWELL_PROXIES", [])
    config = uvicorn.Config(
        "stepwell.conf.asgi:application",
        lifespan="off",
        ws=SocketProtocol,
        ws_max_size=_WS_MESSAGE_BYTES,
        timeout_graceful_shutdown=_WEB_GRACE,
        server_header=False,
        access_log=False,
        log_config=None,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
    )
    listener = listen(options.host, options.port) if options.fd is None else _inherited(options.fd)
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def serve_runner(options: argparse.Namespace) -> int:
    """Run queued steps until told to stop."""
    # Steps are of the same user, and the environment may hold passwords.
    trees.keep_to_itself()
    _watch_leash()
    given = split_pairs(options.labels)
    # In whatever order machines and services come back, nobody has to start this one again.
    load_database(patience=_DATABASE_SECONDS)
    _warn_of_keys()
    from stepwell.execution.room import read_labels
    from stepwell.execution.runner import run_runner

    return int(run_runner(labels=read_labels(given)) or 0)


def _warn_of_keys() -> None:
    from django.db import DatabaseError

    from stepwell.vault import queries

    try:
        problem = "It lacks the keys of values that are stored" if queries.closed_keys() else ""
    except StepwellError as exc:
        problem = exc.message.rstrip(".")
    except DatabaseError:
        return
    if problem:
        log.error("The key ring does not fit. %s: steps that need them fail. See “stepwell doctor”.", problem)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on ``host`` and ``port``; port 0 takes a free one.

    Raises:
        Unavailable: The port is taken.
        UsageError: The address is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise UsageError(f"“{host[:80]}” is not an address of this machine.", hint="Use --host 127.0.0.1.") from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        # A second listener on the port shows only now where addresses may be reused.
        listener.listen(1024)
    except PermissionError:
        listener.close()
        raise UsageError(f"Port {port} may not be used without more rights.", hint="Choose one with --port.") from None
    except OSError as exc:
        listener.close()
        raise Unavailable(
            f"Port {port} on {host} cannot be used: {(exc.strerror or str(exc)).lower()}.",
            hint="Stop the program that has it, or choose another one with --port.",
        ) from None
    return listener


def _inherited(number: int) -> socket.socket:
    try:
        return socket.socket(fileno=number)
    except OSError:
        raise UsageError(f"File descriptor {number} is not a socket.") from None


def _watch_leash() -> None:
    """End this process when its supervisor is gone, even by ``kill -9``: the pipe it holds is then closed."""
    text = os.environ.pop(LEASH_VARIABLE, "")
    if text:
        threading.Thread(target=_wait_for_end, args=(int(text),), name="leash", daemon=True).start()


def _wait_for_end(leash: int) -> None:
    os.set_inheritable(leash, False)
    while os.read(leash, 1):
        pass
    for _ in range(2):
        # The second request tells a runner not to wait for its steps.
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_LEASH_GRACE / 2)
    os.kill(os.getpid(), signal.SIGKILL)

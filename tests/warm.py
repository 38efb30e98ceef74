"""Starts Python processes for tests that have the libraries loaded already: each costs half a second otherwise.

``python tests/warm.py SOCKET [MODULE...]`` listens there, with these modules loaded too, and forks for every request;
the fork runs what ``python WORDS...`` would run and ends as an interpreter does. It has nothing of Stepwell and no
settings: they are read in the fork.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any, NoReturn

#: what most of our processes load and what needs no settings to be imported
LIBRARIES = [
    "asgiref.local",
    "asgiref.sync",
    "asyncio",
    "channels.apps",
    "cloudpickle",
    "concurrent.futures.thread",
    "cronsim",
    "cryptography.hazmat.primitives.ciphers.aead",
    "csp.constants",
    "django.contrib.admin.decorators",
    "django.contrib.auth.decorators",
    "django.contrib.auth.hashers",
    "django.contrib.auth.password_validation",
    "django.contrib.auth.tokens",
    "django.contrib.auth.validators",
    "django.contrib.messages",
    "django.contrib.sites.shortcuts",
    "django.contrib.staticfiles.finders",
    "django.core.handlers.asgi",
    "django.core.management",
    "django.core.management.commands.migrate",
    "django.core.serializers.json",
    "django.core.servers.basehttp",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.autodetector",
    "django.db.migrations.executor",
    "django.db.models.functions",
    "django.db.models.sql.compiler",
    "django.forms",
    "django.http",
    "django.shortcuts",
    "django.template.defaultfilters",
    "django.template.defaulttags",
    "django.template.loader",
    "django.template.loader_tags",
    "django.templatetags.i18n",
    "django.test.html",
    "django.test.signals",
    "django.urls",
    "django.utils.autoreload",
    "django.utils.lorem_ipsum",
    "django.views.debug",
    "django.views.generic",
    "django.views.i18n",
    "django.views.static",
    "django_htmx",
    "email.mime.text",
    "http.client",
    "importlib.metadata",
    "jsonschema",
    "logging.config",
    "multiprocessing.connection",
    "packaging.version",
    "psutil",
    "pydantic",
    "pydantic.dataclasses",
    "pydantic.json_schema",
    "pydantic.networks",
    "pydantic.root_model",
    "pydantic.type_adapter",
    "sqlite3",
    "template_partials",
    "tomllib",
    "unittest.mock",
    "urllib.request",
    "uuid",
    "whitenoise.responders",
    "xml.dom.minidom",
    "xml.etree.ElementTree",
    "yaml",
    "zoneinfo",
]
_REQUEST = 1 << 20


class Forks:
    """The server's side: connections, and the processes that were forked for them."""

    def __init__(self, address: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen(64)
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)
        # closes when the tests have ended
        self._poll.register(sys.stdin, select.POLLIN)
        self._connections: dict[int, tuple[socket.socket, int, int]] = {}

    def serve(self) -> dict[str, Any] | None:
        """Answer requests; return in a fork with what it is to run, and with nothing once nobody can ask."""
        while True:
            for ready, _ in self._poll.poll():
                if ready == self._listener.fileno():
                    request = self._accept()
                    if request is not None:
                        return request
                elif ready == sys.stdin.fileno():
                    self._close()
                    return None
                else:
                    self._settle(ready)

    def _accept(self) -> dict[str, Any] | None:
        connection, _ = self._listener.accept()
        said, descriptors, _, _ = socket.recv_fds(connection, _REQUEST, 3)
        pid = os.fork()
        if pid == 0:
            for number, descriptor in enumerate(descriptors):
                os.dup2(descriptor, number)
            self._close()
            connection.close()
            for descriptor in set(descriptors) - {0, 1, 2}:
                os.close(descriptor)
            return json.loads(said)
        for descriptor in descriptors:
            os.close(descriptor)
        ended = os.pidfd_open(pid)
        self._poll.register(ended, select.POLLIN)
        # readable when whoever asked has gone
        self._poll.register(connection, select.POLLIN)
        self._connections[ended] = self._connections[connection.fileno()] = (connection, pid, ended)
        return None

    def _settle(self, ready: int) -> None:
        if ready not in self._connections:
            return
        connection, pid, ended = self._connections[ready]
        if ready != ended:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        with suppress(OSError):
            connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        for number in (ended, connection.fileno()):
            self._poll.unregister(number)
            del self._connections[number]
        os.close(ended)
        connection.close()

    def _close(self) -> None:
        for connection, _, ended in {id(one): one for one in self._connections.values()}.values():
            connection.close()
            os.close(ended)
        self._listener.close()


def _stream(number: int) -> io.TextIOWrapper:
    raw = io.FileIO(number, "rb" if number == 0 else "wb", closefd=False)
    buffer = io.BufferedReader(raw) if number == 0 else io.BufferedWriter(raw)
    return io.TextIOWrapper(buffer, encoding="utf-8", line_buffering=number == 2)


def become(request: dict[str, Any]) -> None:
    """Run what the words say, as ``python WORDS...`` does."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None
    sys.stdin, sys.stdout, sys.stderr = map(_stream, range(3))
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    main = sys.modules["__main__"] = ModuleType("__main__")
    words = request["words"]
    if words[0] == "-m":
        sys.argv = words[1:]
        sys.path[0] = os.getcwd()
        runpy._run_module_as_main(words[1])
        return
    if words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        sys.path[0] = ""
        exec(words[1], main.__dict__)
        return
    sys.argv = words
    sys.path[0] = os.path.dirname(os.path.abspath(words[0]))
    main.__file__ = words[0]
    with open(words[0], "rb") as source:
        code = compile(source.read(), words[0], "exec")
    exec(code, main.__dict__)


def end(work: Callable[[], None]) -> NoReturn:
    """Do the work, and end as an interpreter does: its exit code, threads and what is to be done at exit.

    All but taking its objects apart one by one, which would copy every page this process shares with the server.
    """
    code = 0
    try:
        work()
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
        if isinstance(exc.code, str):
            sys.stderr.write(f"{exc.code}\n")
    except BaseException as exc:
        code = -signal.SIGINT if isinstance(exc, KeyboardInterrupt) else 1
        sys.excepthook(type(exc), exc, exc.__traceback__)
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code & 0xFF)


def main() -> None:
    for name in [*LIBRARIES, *sys.argv[2:]]:
        import_module(name)
    forks = Forks(sys.argv[1])
    gc.freeze()
    print("ready", flush=True)
    request = forks.serve()
    if request is not None:
        end(lambda: become(request))


if __name__ == "__main__":
    main()

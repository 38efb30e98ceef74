"""Databases and queues of our own, in a temporary folder, that may be killed."""

from __future__ import annotations

import fcntl
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TextIO

import psycopg

_PATIENCE = 30


def postgres_programs() -> Path | None:
    """Return the folder with Postgres's programs, or None where there are none."""
    found = [Path(path).parent for path in [shutil.which("initdb")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists()), None)


#: below those that systems give to outgoing connections, so that a server that was stopped finds its port free
_PORTS = range(20_000, 32_000)
#: not in TMPDIR, which each scenario has of its own
_PORT_LOCKS = Path(f"/tmp/stepwell-ports-{os.getuid()}")
_held_ports: list[TextIO] = []


def free_port() -> int:
    """Return a port that no other scenario on this machine gets while this process lives."""
    _PORT_LOCKS.mkdir(exist_ok=True)
    while True:
        port = random.choice(_PORTS)
        lock = (_PORT_LOCKS / str(port)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            lock.close()
            continue
        _held_ports.append(lock)
        return port


class Postgres:
    """A cluster on a free port of the loopback."""

    def __init__(self, folder: Path, *, template: Path | None = None) -> None:
        programs = postgres_programs()
        assert programs is not None
        self.programs, self.data = programs, folder / "postgres"
        # Postgres refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        for parent in (folder, *folder.parents):
            if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 1:
                parent.chmod(parent.stat().st_mode | 0o011)
        if template is None:
            self.data.mkdir(mode=0o700)
            self._own()
            self._run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8")
        else:
            subprocess.run(["cp", "-a", template, self.data], check=True)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @classmethod
    def copy(cls, template: Path, folder: Path) -> Postgres:
        """Start a copy of a cluster that was stopped."""
        return cls(folder, template=template)

    def _own(self) -> None:
        if self._user:
            os.chown(self.data, pwd.getpwnam(self._user).pw_uid, -1)

    def url(self, name: str, *, port: int | None = None) -> str:
        return f"postgres://postgres@127.0.0.1:{port or self.port}/{name}"

    def start(self) -> None:
        options = ["-k", "", "-h", "127.0.0.1", "-p", str(self.port), "-c", "fsync=off", "-c", "max_connections=200"]
        self._process = subprocess.Popen(
            [self.programs / "postgres", "-D", self.data, *options, "-c", "shared_buffers=32MB"],
            user=self._user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.data.parent / "postgres.log").open("a"),
            start_new_session=True,
            cwd="/",
        )
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "Postgres does not start"
                time.sleep(0.05)

    def shut_down(self) -> None:
        """End it in order, so that its files can be copied."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(_PATIENCE)
            self._process = None

    def stop(self) -> None:
        """End it as ``pg_ctl stop -m immediate`` does: without a word to its clients."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(_PATIENCE)
            self._process = None

    def execute(self, *statements: str, name: str = "postgres") -> None:
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def shift_clock(self, name: str, file: Path) -> None:
        """Let the clock of a database be off by as many seconds as ``file`` says."""
        body = f"SELECT pg_catalog.clock_timestamp() + make_interval(secs => pg_read_file('{file}')::float8)"
        self.execute(
            "CREATE SCHEMA shifted",
            f"CREATE FUNCTION shifted.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ {body} $$",
            f"ALTER DATABASE {name} SET search_path = shifted, pg_catalog, public",
            name=name,
        )

    def _run(self, program: str, *words: object) -> None:
        command = [str(self.programs / program), *map(str, words)]
        subprocess.run(command, user=self._user, check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=_PATIENCE)


class Redis:
    """A server on a socket in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def start(self) -> None:
        command = ["redis-server", "--port", "0", "--unixsocket", str(self.path), "--save", "", "--dir", self.folder]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _PATIENCE
        while not self.path.exists():
            assert time.monotonic() < deadline, "Redis does not start"
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it; nothing of the queue is kept."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_PATIENCE)
            self._process = None
            self.path.unlink(missing_ok=True)


def has_redis() -> bool:
    return shutil.which("redis-server") is not None

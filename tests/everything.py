"""Every check and the tests but those of ``APART``, then one summary: what ``make test`` and CI run.

Some parts run side by side, the longest first. What a part printed is shown when it has ended. ``--checks`` leaves
the tests out.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import psycopg

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT / "apps"),
    "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
    # hundreds of processes are started: each would compile all it imports where that is not kept
    "PYTHONDONTWRITEBYTECODE": "",
}
WITHOUT_DJANGO = ["tests/core", "tests/engine", "tests/sdk"]
PROGRAMS = [
    "tests/architecture",
    "tests/docs",
    "tests/examples",
    "tests/reference",
    "tests/wheel",
    "tests/test_everything.py",
]
BROWSERS = ("chromium", "chromium-browser")
CHECKS = {
    "lint": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "import layers": ["lint-imports"],
    "migrations": [sys.executable, "manage.py", "manage", "makemigrations", "--check", "--dry-run"],
}
#: what differs between databases is claims, locks, constraints, statements, and which texts they take
ON_POSTGRES = [
    "tests/execution",
    "tests/accounts",
    "tests/artifacts",
    "tests/kit/test_prepared.py",
    "tests/fuzz/test_nasty.py",
    "tests/web/test_slow_queries.py",
]
POSTGRES_URL = os.environ.get("STEPWELL_TEST_POSTGRES", "postgres://postgres@127.0.0.1/postgres")
#: whole instances, started and killed
INSTANCES = ["tests/processes", "tests/faults/test_quick.py"]
#: as people and scripts use one: in a browser, over sockets, by commands
IN_USE = [
    "tests/e2e/test_first_use.py",
    "tests/e2e/test_dynamic.py",
    "tests/api/test_docs_in_browser.py",
    "tests/live",
    "tests/conf",
]
#: run by hand, as they need a quiet machine and minutes of their own: make e2e, and all but a few of make faults
APART = ["tests/e2e/dashboard", "tests/faults"]
#: the longest first, so that the lanes end together
TESTS = {
    "instances": INSTANCES,
    "browser, commands": IN_USE,
    "examples, docs, wheel": PROGRAMS,
    "all other tests": [
        f"--ignore={path}" for path in (*WITHOUT_DJANGO, *PROGRAMS, *INSTANCES, *IN_USE, *APART, "tests/conformance")
    ],
    "conformance": ["tests/conformance"],
    "tests without Django": ["-p", "no:django", *WITHOUT_DJANGO],
}
#: groups at the same time: twice the two cores a machine has at least, as instances and browsers mostly wait
LANES = 4


@dataclass(frozen=True, kw_only=True)
class Result:
    name: str
    passed: bool
    seconds: float
    note: str = ""


def main() -> int:
    started = time.monotonic()
    # A shell that starts us in the background has us ignore Ctrl-C, and so all we start, which tests press.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "--checks" in sys.argv[1:]:
        return summarise(run_checks(), missing="", seconds=time.monotonic() - started)
    with tempfile.TemporaryDirectory(prefix="stepwell-tests-") as folder, ThreadPoolExecutor(LANES) as lanes:
        missing = install_browser(Path(folder))
        groups = [lanes.submit(run_tests, *group, folder=Path(folder)) for group in TESTS.items()]
        postgres = lanes.submit(run_on_postgres, Path(folder))
        checks = lanes.submit(run_checks)
        results = [*checks.result(), *(group.result() for group in groups), postgres.result()]
        return summarise(results, missing=missing, seconds=time.monotonic() - started)


def run_on_postgres(folder: Path) -> Result:
    """Run the tests of the database layers on Postgres where one answers, and say so where none does."""
    try:
        psycopg.connect(POSTGRES_URL, connect_timeout=2).close()
    except psycopg.OperationalError:
        return Result(name="on Postgres", passed=True, seconds=0, note="skipped: none answers at 127.0.0.1")
    return run_tests("on Postgres", ON_POSTGRES, folder=folder, DATABASE_URL=POSTGRES_URL)


def run_checks() -> list[Result]:
    return [check(name, command) for name, command in CHECKS.items()]


def check(name: str, command: list[str]) -> Result:
    """Run a check; what it printed is shown when it fails."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stepwell-check-") as home:
        done = run(command, STEPWELL_HOME=home)
    if done.returncode:
        show(f"{name}: {' '.join(command)}", done.stdout)
    return Result(name=name, passed=done.returncode == 0, seconds=time.monotonic() - started)


def run_tests(name: str, arguments: list[str], *, folder: Path, **environment: str) -> Result:
    started = time.monotonic()
    record = folder / f"{name}.xml"
    done = run([sys.executable, "-m", "pytest", *arguments, "-rs", f"--junitxml={record}"], **environment)
    show(name, done.stdout)
    return Result(name=name, passed=done.returncode == 0, seconds=time.monotonic() - started, note=count(record))


def run(command: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command; its errors stand in its output. A data folder set outside is not used: tests make their own."""
    environment = {**{key: value for key, value in ENVIRONMENT.items() if key != "STEPWELL_HOME"}, **more}
    return subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


def show(title: str, text: str) -> None:
    # one write, so that two lanes do not mix their lines
    sys.stdout.write(f"--- {title}\n{text}\n")
    sys.stdout.flush()


def count(record: Path) -> str:
    """Return ``312 passed, 2 skipped`` from pytest's record of the tests."""
    if not record.is_file():
        return "no test ran"
    suite = next(ElementTree.parse(record).iter("testsuite"))
    total, failed, skipped = (
        int(suite.get("tests", 0)),
        int(suite.get("failures", 0)) + int(suite.get("errors", 0)),
        int(suite.get("skipped", 0)),
    )
    parts = {"passed": total - failed - skipped, "failed": failed, "skipped": skipped}
    return ", ".join(f"{number} {word}" for word, number in parts.items() if number)


def install_browser(folder: Path) -> str:
    """Install Debian's Chromium when there is none and we may; return why there still is none, or nothing."""
    if find_browser():
        return ""
    reason = "install the package chromium, or run this as root"
    if shutil.which("apt-get") and os.geteuid() == 0:
        show("installing Chromium for the browser tests", "")
        reason = "installing it failed"
        with (folder / "apt.log").open("wb") as log, suppress(subprocess.TimeoutExpired):
            subprocess.run(
                ["/bin/sh", "-c", "apt-get update -qq; apt-get install -y -qq --no-install-recommends chromium"],
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=240,
                check=False,
            )
    return "" if find_browser() else f"browser tests skipped: there is no Chromium ({reason})"


def find_browser() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def summarise(results: list[Result], *, missing: str, seconds: float) -> int:
    print()
    for result in results:
        word = "passed" if result.passed else "FAILED"
        print(f"{word}  {result.name:22}{result.seconds:6.1f} s  {result.note}".rstrip())
    if missing:
        print(missing)
    failed = [result.name for result in results if not result.passed]
    print(f"{'Failed: ' + ', '.join(failed) if failed else 'Everything passed'} in {seconds:.0f} s.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

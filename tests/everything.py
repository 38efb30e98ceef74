"""Every check and every test, then one summary: what ``make test`` and CI run.

``--checks`` leaves the tests out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": "apps", "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
WITHOUT_DJANGO = ["tests/core", "tests/engine", "tests/sdk"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHECKS = {
    "lint": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "import layers": ["lint-imports"],
    "migrations": [sys.executable, "manage.py", "manage", "makemigrations", "--check", "--dry-run"],
}
TESTS = {
    "tests without Django": ["-p", "no:django", *WITHOUT_DJANGO],
    "all other tests": [f"--ignore={folder}" for folder in WITHOUT_DJANGO],
}


@dataclass(frozen=True, kw_only=True)
class Result:
    name: str
    passed: bool
    seconds: float
    note: str = ""


def main() -> int:
    started = time.monotonic()
    only_checks = "--checks" in sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="stepwell-tests-") as folder:
        ENVIRONMENT["STEPWELL_HOME"] = f"{folder}/home"
        browser = None if only_checks else start_browser_install(Path(folder))
        results = [check(name, command) for name, command in CHECKS.items()]
        missing = ""
        if not only_checks:
            unit, rest = TESTS
            results.append(run_tests(unit, TESTS[unit], folder=Path(folder)))
            missing = finish_browser_install(browser)
            results.append(run_tests(rest, TESTS[rest], folder=Path(folder)))
    return summarise(results, missing=missing, seconds=time.monotonic() - started)


def check(name: str, command: list[str]) -> Result:
    """Run a check; what it printed is shown when it fails."""
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"--- {name}: {' '.join(command)}\n{done.stdout}{done.stderr}", flush=True)
    return Result(name=name, passed=done.returncode == 0, seconds=time.monotonic() - started)


def run_tests(name: str, arguments: list[str], *, folder: Path) -> Result:
    started = time.monotonic()
    record = folder / f"{len(arguments)}.xml"
    print(f"--- {name}", flush=True)
    command = [sys.executable, "-m", "pytest", *arguments, "-rs", f"--junitxml={record}"]
    # the tests choose a data folder each; one that is set would be shared by all of them
    environment = {key: value for key, value in ENVIRONMENT.items() if key != "STEPWELL_HOME"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    return Result(name=name, passed=done.returncode == 0, seconds=time.monotonic() - started, note=count(record))


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


def start_browser_install(folder: Path) -> subprocess.Popen[bytes] | None:
    """Install Debian's Chromium in the background when there is none and we may."""
    if find_browser() or not shutil.which("apt-get") or os.geteuid() != 0:
        return None
    print("Installing Chromium for the browser tests ...", flush=True)
    with (folder / "apt.log").open("wb") as log:
        return subprocess.Popen(
            ["/bin/sh", "-c", "apt-get update -qq; apt-get install -y -qq --no-install-recommends chromium"],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def finish_browser_install(install: subprocess.Popen[bytes] | None) -> str:
    """Wait for the install; return why there is no browser, or nothing."""
    if install:
        try:
            install.wait(timeout=240)
        except subprocess.TimeoutExpired:
            install.terminate()
            install.wait()
    if find_browser():
        return ""
    reason = "installing it failed" if install else "install the package chromium, or run this as root"
    return f"browser tests skipped: there is no Chromium ({reason})"


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

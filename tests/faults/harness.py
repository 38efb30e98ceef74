"""Preparing installations and playing scenarios on them, each in a process of its own with a time limit."""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.commands import prepared_home
from tests.faults.mutants import APPS, Mutant, seed
from tests.faults.scenarios import SCENARIOS, Scenario, modules
from tests.faults.stores import Postgres, has_redis, postgres_programs

ROOT = APPS.parent
#: how much slower than on a quiet machine a scenario may be before it is called hung
_SLOWEST = 4
USER_FILES = sorted((Path(__file__).parent / "user").glob("*.py"))


@dataclass(frozen=True, kw_only=True)
class Result:
    """``violations`` is empty when the contract held; ``skipped`` says why it was not played."""

    scenario: Scenario
    store: str
    times: int = 0
    seconds: float = 0
    #: what the processors worked for it
    cpu: float = 0
    violations: list[str] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)
    skipped: str = ""
    #: the scenario itself did not get to its end: that says nothing of the product
    broke: bool = False

    @property
    def caught(self) -> bool:
        """Whether it noticed that something is wrong with the product."""
        return bool(self.violations) and not self.broke


def load_scenarios() -> dict[str, Scenario]:
    """Import every scenario; Django must be set up."""
    for module in modules():
        importlib.import_module(module)
    return SCENARIOS


def why_skipped(store: str) -> str:
    if store == "sqlite":
        return ""
    if postgres_programs() is None:
        return "Postgres is not installed"
    return "" if has_redis() else "Redis is not installed"


def prepare(stores: set[str]) -> Path:
    """Return a folder with an installation per store, the faulty pipelines registered, to be copied by each scenario.

    It is kept between calls, by what migrations and pipelines say.
    """
    sources = [*sorted(APPS.rglob("migrations/*.py")), APPS / "stepwell" / "core" / "plan.py", *USER_FILES]
    said = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    kept = Path(tempfile.gettempdir()) / f"stepwell-faults-{os.getuid()}-{said}"
    kept.mkdir(exist_ok=True)
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if "sqlite" in stores and not (kept / "home-sqlite").exists():
            draft = Path(tempfile.mkdtemp(dir=kept))
            shutil.copytree(prepared_home(), draft / "home")
            _register(draft / "home")
            (draft / "home").rename(kept / "home-sqlite")
        if "postgres" in stores and not (kept / "home-postgres").exists() and not why_skipped("postgres"):
            _prepare_postgres(kept)
    return kept


def _prepare_postgres(kept: Path) -> None:
    draft = Path(tempfile.mkdtemp(dir=kept))
    server = Postgres(draft)
    try:
        server.execute("CREATE DATABASE stepwell")
        (draft / "home").mkdir(mode=0o700)
        url = server.url("stepwell")
        _command(draft / "home", "manage", "migrate", "--verbosity", "0", DATABASE_URL=url)
        _register(draft / "home", DATABASE_URL=url)
    finally:
        server.shut_down()
    server.data.rename(kept / "postgres")
    (draft / "home").rename(kept / "home-postgres")


def _register(home: Path, **more: str) -> None:
    user = home.parent / "user"
    user.mkdir(exist_ok=True)
    for file in USER_FILES:
        shutil.copy(file, user)
    for file in USER_FILES:
        _command(home, "register", str(user / file.name), **more)


def _command(home: Path, *words: str, **more: str) -> None:
    environment = {**_environment(APPS), "STEPWELL_HOME": str(home), **more}
    command = [sys.executable, "-m", "stepwell", *words]
    subprocess.run(command, env=environment, check=True, timeout=120, stdout=subprocess.DEVNULL)


def play(scenario: Scenario, store: str, *, prepared: Path, mutant: Mutant | None = None) -> Result:
    """Play a scenario and return what the oracle found."""
    if reason := why_skipped(store):
        return Result(scenario=scenario, store=store, skipped=reason)
    folder = Path(tempfile.mkdtemp(prefix="stepwell-fault-"))
    try:
        apps = seed(mutant, folder) if mutant else APPS
        return _play(scenario, store, prepared=prepared, folder=folder, apps=apps, is_mutant=mutant is not None)
    finally:
        if not os.environ.get("FAULTS_KEEP"):
            shutil.rmtree(folder, ignore_errors=True)


def _play(scenario: Scenario, store: str, *, prepared: Path, folder: Path, apps: Path, is_mutant: bool) -> Result:
    command = [sys.executable, "-m", "tests.faults.play", scenario.name, store, str(folder), str(prepared)]
    # One violation is enough to have caught a mistake.
    hurry = {"FAULTS_HURRY": "1"} if is_mutant else {}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**_environment(apps), **hurry},
        stdout=subprocess.PIPE,
        stderr=(folder / "play.log").open("w"),
        text=True,
        start_new_session=True,
    )
    limit = scenario.limit * _SLOWEST
    try:
        printed, _ = process.communicate(timeout=limit)
        told = json.loads(printed.splitlines()[-1])
    except subprocess.TimeoutExpired:
        _end(process)
        return Result(
            scenario=scenario,
            store=store,
            violations=[f"-- not done after {limit:g} s"],
            seconds=limit,
            broke=True,
        )
    except (ValueError, IndexError):
        said = (folder / "play.log").read_text()[-1500:]
        return Result(scenario=scenario, store=store, violations=[f"-- the scenario broke: {said}"], broke=True)
    return Result(scenario=scenario, store=store, **told)


def _end(process: subprocess.Popen[str]) -> None:
    """End a scenario with all it started: it adopts what its processes leave behind."""
    import psutil

    below = psutil.Process(process.pid).children(recursive=True)
    for one in (*below, psutil.Process(process.pid)):
        if one.is_running():
            one.send_signal(signal.SIGKILL)
    process.communicate()


def _environment(apps: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME", "FAULTS_PATIENCE") if name in os.environ}
    return {**kept, "PYTHONPATH": f"{apps}{os.pathsep}{ROOT}"}

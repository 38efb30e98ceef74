"""Steps that run in an interpreter of their own, and steps with a tracker, on a real instance."""

from __future__ import annotations

import contextlib
import os
import sys
import time

import psutil
import pytest

from tests.commands import told
from tests.mlflow_store import copy_store, read_run

SECRET = "0perat0r-secret/value"
PIPELINES = """
import os
import signal
import subprocess
import sys
import time

from stepwell import log_metadata, pipeline, step


def told(exception: BaseException) -> None:
    print("hook in", sys.prefix, "after", exception)


@step(step_operator=True, environment={"COLOR": "red"}, enable_cache=False)
def look(n: int) -> dict[str, str | None]:
    log_metadata({"seen": n})
    names = ("COLOR", "SHAPE", "TOKEN", "STEPWELL_LEASE_SECONDS", "VIRTUAL_ENV")
    print("token is", os.environ.get("TOKEN"))
    found = {name: os.environ.get(name) for name in names if name != "TOKEN"}
    return {**found, "prefix": sys.prefix, "own": str(os.getpgid(os.getppid()) == os.getppid())}


@step(enable_cache=False)
def compare(there: dict) -> None:
    print("there:", sorted(there.items()))
    print("here:", sys.prefix)


@pipeline
def looks(n: int = 1):
    compare(look(n))


@step(step_operator=True, on_failure=told, enable_cache=False)
def hang(how: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print("pids", os.getpid(), os.getppid(), child.pid, flush=True)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "kill host":
        os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)


@pipeline
def hangs(how: str = "sleep"):
    hang(how)


@step(step_operator="bare", enable_cache=False)
def never() -> None:
    pass


@pipeline
def bare():
    never()


@step(experiment_tracker=True, enable_cache=False)
def learn(rate: float) -> None:
    import mlflow

    mlflow.log_metric("own", rate * 2)
    log_metadata({"loss": 0.25})
    print("password is", os.environ["MLFLOW_TRACKING_PASSWORD"])
    if rate > 1:
        raise ValueError("diverged with " + os.environ["MLFLOW_TRACKING_PASSWORD"])


@pipeline
def learns(rate: float = 0.5):
    learn(rate)


@step(step_operator="imaginary")
def nowhere() -> None:
    pass


@pipeline
def lost():
    nowhere()
"""


@pytest.fixture(scope="module", autouse=True)
def other(instance):
    """The other interpreter; components for it and for a tracker are in the stack."""
    folder = instance.commands.folder
    (folder / "operated.py").write_text(PIPELINES)
    other = make_interpreter(folder / "other", is_complete=True)
    bare = make_interpreter(folder / "bare", is_complete=False)
    instance.make_secret("pass", TOKEN=SECRET)
    add(instance, "step_operator", "subprocess", "other", python=str(other), environment=VARIABLES)
    add(instance, "step_operator", "subprocess", "bare", python=str(bare))
    add(instance, "experiment_tracker", "mlflow", "local", tracking_uri=copy_store(folder / "ml.db"), **LOGIN)
    instance.register(folder / "operated.py")
    return other


LOGIN = {
    "tracking_username": "ana",
    "tracking_password": "{{pass.TOKEN}}",
    "dashboard_url": "https://ml.example.org",
}
VARIABLES = {"SHAPE": "round", "COLOR": "blue", "TOKEN": "{{pass.TOKEN}}"}


def add(instance, kind, flavor, name, **config):
    body = {"kind": kind, "flavor": flavor, "name": name, "config": config}
    answer = instance.api.post("/components", json=body)
    assert answer.status_code == 201, answer.text


def make_interpreter(folder, *, is_complete):
    """Make a virtual environment without pip; a complete one sees the packages of this one."""
    import venv

    venv.create(folder, with_pip=False, symlinks=True)
    if is_complete:
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        here = [path for path in sys.path if path.endswith("site-packages")]
        (folder / "lib" / version / "site-packages" / "here.pth").write_text("\n".join(here))
    return folder / "bin" / "python"


def pids_of(instance, run):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(AssertionError):
            for line in instance.log(run["id"], "hang").splitlines():
                if line.startswith("pids"):
                    return [int(word) for word in line.split()[1:]]
        time.sleep(0.1)
    raise AssertionError(instance.steps(run["id"]))


def assert_gone(pids):
    deadline = time.monotonic() + 10
    while left := [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_a_step_runs_in_the_other_interpreter_with_a_fresh_environment(instance, other):
    run = instance.start("looks", parameters={"n": 4})
    assert instance.wait_for(run["id"])["status"] == "completed", instance.steps(run["id"])

    log = instance.log(run["id"], "compare")
    there = dict(eval(log.splitlines()[0].removeprefix("there: ")))
    assert there == {
        "COLOR": "red",
        "SHAPE": "round",
        "STEPWELL_LEASE_SECONDS": None,
        "VIRTUAL_ENV": None,
        "prefix": os.path.dirname(os.path.dirname(other)),
        "own": "True",
    }
    assert f"here: {sys.prefix}" in log
    assert instance.steps(run["id"])["look"]["metadata"] == {"seen": 4}
    assert instance.log(run["id"], "look") == "token is ***\n"


def test_a_script_uses_the_operator_too(instance, other):
    script = instance.commands.folder / "asks.py"
    script.write_text("from operated import looks\n\nif __name__ == '__main__':\n    looks(2)\n")
    done = instance.commands.python(script)
    assert done.returncode == 0, told(done)
    assert f"'prefix', '{os.path.dirname(os.path.dirname(other))}'" in done.stdout
    assert "token is ***" in done.stdout
    assert SECRET not in told(done)


def test_a_script_that_names_an_unknown_component_stores_no_run(instance):
    before = instance.api.get("/runs").json()["items"]
    script = instance.commands.folder / "gets_lost.py"
    script.write_text("from operated import lost\n\nif __name__ == '__main__':\n    lost()\n")
    done = instance.commands.python(script)
    assert done.returncode == 1
    assert "Step nowhere: step_operator is 'imaginary'" in done.stderr
    assert instance.api.get("/runs").json()["items"] == before


def test_a_rerun_can_switch_the_operator_off(instance):
    run = instance.start("looks", steps={"look": {"step_operator": False}})
    assert instance.wait_for(run["id"])["status"] == "completed", instance.steps(run["id"])
    assert "'prefix', '" + sys.prefix in instance.log(run["id"], "compare")


def test_cancelling_ends_the_interpreter_and_all_it_started(instance):
    run = instance.start("hangs")
    pids = pids_of(instance, run)
    assert instance.api.post(f"/runs/{run['id']}/cancellation").status_code == 202
    assert instance.wait_for(run["id"])["status"] == "cancelled"
    assert_gone(pids)


def test_a_time_limit_ends_the_interpreter_and_the_hook_runs_in_a_new_one(instance, other):
    run = instance.start("hangs", steps={"hang": {"timeout": 2}})
    pids = pids_of(instance, run)
    assert instance.wait_for(run["id"], seconds=40)["status"] == "failed"
    assert instance.steps(run["id"])["hang"]["attempts"][-1]["status"] == "timed_out"
    assert_gone(pids)
    deadline = time.monotonic() + 15
    wanted = f"hook in {os.path.dirname(os.path.dirname(other))} after"
    while wanted not in (log := instance.log(run["id"], "hang")):
        assert time.monotonic() < deadline, log
        time.sleep(0.1)


@pytest.mark.parametrize("how", ["kill", "kill host"])
def test_a_killed_process_is_a_crash_that_leaves_nothing_behind(instance, how):
    run = instance.start("hangs", parameters={"how": how})
    first = pids_of(instance, run)
    done = instance.wait_for(run["id"], seconds=60)
    attempts = instance.steps(run["id"])["hang"]["attempts"]
    assert done["status"] == "failed"
    assert len(attempts) > 1
    assert {attempt["status"] for attempt in attempts} == {"crashed"}
    assert_gone(first)


def test_an_interpreter_without_stepwells_packages_is_named_with_what_to_do(instance):
    run = instance.start("bare")
    assert instance.wait_for(run["id"])["status"] == "failed"
    attempt = instance.steps(run["id"])["never"]["attempts"][-1]
    assert "The step operator bare cannot use" in attempt["error_message"]
    assert "No module named" in attempt["error_message"]
    assert "-m pip install stepwell" in attempt["error_message"]


@pytest.mark.parametrize(("rate", "status"), [(0.5, "FINISHED"), (2.0, "FAILED")])
def test_a_step_is_tracked_and_says_where(instance, rate, status):
    run = instance.start("learns", parameters={"rate": rate})
    instance.wait_for(run["id"])
    step = instance.steps(run["id"])["learn"]
    tracked = step["tracked_run"]

    kept = read_run(instance.commands.folder / "ml.db", tracked["run_id"])
    assert kept["status"] == status
    assert kept["params"] == {"rate": str(rate)}
    assert kept["metrics"] == {"own": rate * 2, "loss": 0.25}
    assert kept["tags"]["stepwell.run_number"] == str(run["number"])
    assert (tracked["tracker"], tracked["experiment"]) == ("local", "learns")
    assert tracked["url"].endswith(f"/runs/{tracked['run_id']}")
    assert "password is ***" in instance.log(run["id"], "learn")
    assert SECRET not in str(step)


def test_an_unknown_operator_is_refused_before_a_run_exists(instance):
    before = instance.api.get("/runs").json()["items"]
    answer = instance.api.post("/pipelines/lost/runs", json={})
    assert answer.status_code == 404
    assert "Step nowhere: step_operator is 'imaginary'" in answer.json()["message"]
    assert "There are: bare, other." in answer.json()["hint"]
    assert instance.api.get("/runs").json()["items"] == before


def test_nobody_keeps_an_operators_processes(instance, other):
    runner = instance.process_of("runner")
    deadline = time.monotonic() + 10
    while left := [one for one in runner.children(recursive=True) if str(other) in " ".join(one.cmdline())]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)

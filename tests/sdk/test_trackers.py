"""Experiment trackers in a step process, against MLflow's own folder and database, read back with its client."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stepwell import log_metadata, step
from tests.commands import ROOT
from tests.mlflow_store import copy_store, read_run, run_ids
from tests.sdk.childkit import make_payload, parameters, run_step

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
mlflow = pytest.importorskip("mlflow")


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Leave the environment and MLflow's module as they were."""
    before = dict(os.environ)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    yield
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)
    os.environ.clear()
    os.environ.update(before)


def tracker(folder: Path, **config: Any) -> dict[str, Any]:
    return {"name": "local", "flavor": "mlflow", "config": {"tracking_uri": str(folder), **config}}


def runs_in(uri: str | Path, experiment: str = "etl") -> list[Any]:
    client = mlflow.MlflowClient(Path(uri).as_uri() if isinstance(uri, Path) else uri)
    found = client.get_experiment_by_name(experiment)
    return client.search_runs([found.experiment_id]) if found else []


def only_run(uri: str | Path, experiment: str = "etl") -> Any:
    (found,) = runs_in(uri, experiment)
    return found


@step
def train(lr: float, epochs: int = 3) -> float:
    for epoch in range(epochs):
        mlflow.log_metric("own", epoch * lr, step=epoch)
        log_metadata({"loss": 1 / (epoch + 1), "kind": "tree", "scores": {"f1": 0.5, "good": True}})
    return 0.9


def test_a_run_holds_parameters_metadata_and_what_the_step_logs_itself(tmp_path):
    store = tmp_path / "mlruns"
    frames = run_step(train, tmp_path, inputs=parameters(lr=0.5, epochs=3), tracker=tracker(store))

    run = only_run(store)
    assert frames.result["status"] == "completed"
    assert (run.info.run_name, run.info.status) == ("train", "FINISHED")
    assert run.data.params == {"lr": "0.5", "epochs": "3", "kind": "tree", "scores.good": "True"}
    assert run.data.metrics == {"own": 1.0, "loss": pytest.approx(1 / 3), "scores.f1": 0.5}
    history = mlflow.MlflowClient(store.as_uri()).get_metric_history(run.info.run_id, "loss")
    assert [(one.step, one.value) for one in history] == [(0, 1.0), (1, 0.5), (2, pytest.approx(1 / 3))]
    assert run.data.tags["stepwell.run"] == "first"
    assert run.data.tags["stepwell.attempt"] == "1"


def test_the_step_tells_where_its_run_is_before_the_body_runs(tmp_path):
    store = tmp_path / "mlruns"
    frames = run_step(train, tmp_path, inputs=parameters(lr=0.5), tracker=tracker(store, dashboard_url="https://ml"))

    run = only_run(store)
    told = frames.of("metadata")[0]["metadata"]["experiment_tracker"]
    assert told == {
        "tracker": "local",
        "flavor": "mlflow",
        "experiment": "etl",
        "run_id": run.info.run_id,
        "place": store.as_uri(),
        "url": f"https://ml/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}",
    }


def test_a_configured_experiment_replaces_the_pipelines_name(tmp_path):
    store = tmp_path / "mlruns"
    run_step(train, tmp_path, inputs=parameters(lr=0.5), tracker=tracker(store, experiment_name="shared"))
    assert runs_in(store) == []
    assert only_run(store, "shared").info.status == "FINISHED"


@pytest.mark.parametrize("failure", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_failing_step_ends_its_run_as_failed(tmp_path, failure):
    @step
    def break_down() -> None:
        raise failure("no")

    frames = run_step(break_down, tmp_path, tracker=tracker(tmp_path / "mlruns"))
    assert frames.result["status"] == "failed"
    assert only_run(tmp_path / "mlruns").info.status == "FAILED"


def test_a_run_the_step_ended_itself_still_gets_its_status_and_metadata(tmp_path):
    @step
    def impatient() -> None:
        mlflow.end_run()
        log_metadata({"late": 2})
        raise ValueError("after all")

    run_step(impatient, tmp_path, tracker=tracker(tmp_path / "mlruns"))
    run = only_run(tmp_path / "mlruns")
    assert (run.info.status, run.data.metrics) == ("FAILED", {"late": 2.0})


def test_a_text_that_changes_becomes_a_tag_instead_of_an_error(tmp_path):
    @step
    def phases() -> None:
        log_metadata({"phase": "one"})
        log_metadata({"phase": "two"})

    frames = run_step(phases, tmp_path, tracker=tracker(tmp_path / "mlruns"))
    run = only_run(tmp_path / "mlruns")
    assert (run.data.params["phase"], run.data.tags["phase"]) == ("one", "two")
    assert frames.of("warning") == []


def test_a_tracker_that_breaks_while_the_step_works_is_a_warning(tmp_path):
    store = tmp_path / "mlruns"

    @step
    def saw_off() -> int:
        for run in runs_in(store):
            folder = store / run.info.experiment_id / run.info.run_id
            folder.rename(tmp_path / "gone")
        log_metadata({"loss": 1})
        return 5

    frames = run_step(saw_off, tmp_path, tracker=tracker(store))
    assert frames.result["status"] == "completed"
    assert "did not take what the step logged" in frames.of("warning")[0]["message"]


def test_the_run_that_a_killed_attempt_left_open_is_ended_by_the_next(tmp_path):
    store = tmp_path / "mlruns"
    client = mlflow.MlflowClient(store.as_uri())
    experiment = client.create_experiment("etl")
    left = client.create_run(experiment, tags={"stepwell.step_run_id": "s1"})
    other = client.create_run(experiment, tags={"stepwell.step_run_id": "s2"})
    run_step(train, tmp_path, inputs=parameters(lr=0.5), tracker=tracker(store))
    assert client.get_run(left.info.run_id).info.status == "KILLED"
    assert client.get_run(other.info.run_id).info.status == "RUNNING"


def test_without_the_package_the_step_fails_and_names_the_extra(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "mlflow" else find(name, *rest)
    )
    frames = run_step(train, tmp_path, inputs=parameters(lr=0.5), tracker=tracker(tmp_path / "mlruns"))
    assert "ConfigError" in frames.error["type"]
    assert "needs the package mlflow" in frames.error["message"]
    assert "stepwell[mlflow]" in frames.error["message"]


def test_a_tracker_out_of_reach_fails_the_step_and_keeps_the_login_out_of_the_link(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    wanted = tracker(tmp_path, tracking_uri="http://127.0.0.1:1")
    frames = run_step(train, tmp_path, inputs=parameters(lr=0.5), tracker=wanted)
    assert "The experiment tracker local could not open a run" in frames.error["message"]
    assert frames.of("metadata") == []


def test_without_a_tracker_mlflow_is_not_imported(tmp_path):
    code = (
        "import sys; from pathlib import Path; from stepwell import step\n"
        "from tests.sdk.childkit import run_step\n"
        "@step\ndef f() -> int:\n    return 1\n"
        f"assert run_step(f, Path({str(tmp_path)!r})).result['status'] == 'completed'\n"
        "assert 'mlflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], env=_environment(tmp_path), check=True, timeout=60)


_SCRIPT = """
import json, os, sys, time
from pathlib import Path
from stepwell import step
from tests.sdk.childkit import run_step
@step
def wait(seconds: float = 60) -> None:
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), 15)
        time.sleep(60)
    os.waitpid(pid, 0)
    print("waiting", flush=True)
    time.sleep(seconds)
"""


def test_a_step_that_is_asked_to_end_marks_its_run_as_killed_in_a_database(tmp_path):
    uri = copy_store(tmp_path / "ml.db")
    payload = make_payload(train, tmp_path, tracker=tracker(tmp_path, tracking_uri=uri))["tracker"]
    code = _SCRIPT + f"run_step(wait, Path({str(tmp_path)!r}), tracker={payload!r})\n"
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=_environment(tmp_path), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == -signal.SIGTERM
    finally:
        process.kill()
        process.stdout.close()
    [run_id] = run_ids(tmp_path / "ml.db")
    run = read_run(tmp_path / "ml.db", run_id)
    assert (run["status"], run["artifacts"]) == ("KILLED", (tmp_path / "mlartifacts" / "etl").as_uri())


def _environment(folder: Path) -> dict[str, str]:
    search = os.pathsep.join([str(ROOT / "apps"), str(ROOT)])
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": search, "MLFLOW_DISABLE_TELEMETRY": "true"}

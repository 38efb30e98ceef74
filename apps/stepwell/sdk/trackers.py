"""Experiment trackers in the step process: an MLflow run is open while the body runs."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import importlib.util
import math
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from stepwell.errors import ConfigError, Unavailable
from stepwell.sdk.context import StepContext

Ending = Literal["FINISHED", "FAILED", "KILLED"]

#: the step metadata that says which run of the tracker belongs to the step
METADATA_KEY = "experiment_tracker"
_LONGEST_VALUE = 6000
_LONGEST_NAME = 250
_BATCH = 100
_EXTRA = 'pip install "stepwell[mlflow]"'
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///(/[^?]*)")
#: MLflow reads these; what the step's environment says counts more
_DEFAULTS = {
    # It would tell its makers about every import.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}


@contextlib.contextmanager
def tracking(wanted: Mapping[str, Any] | None, context: StepContext) -> Iterator[None]:
    """Keep a tracker's run open inside the block, when one is ``wanted``: {"name", "flavor", "config"}.

    The run ends FINISHED, or FAILED when the block raises. That it cannot be ended is a warning and not an error.

    Raises:
        ConfigError: A package is missing.
        Unavailable: The tracker could not open a run.
    """
    if not wanted:
        yield
        return
    tracker = MlflowRun(wanted, context)
    context.tracker = tracker
    try:
        with tracker.ended_when_killed():
            yield
    except BaseException:
        tracker.end("FAILED")
        raise
    else:
        tracker.end("FINISHED")
    finally:
        context.tracker = None


class MlflowRun:
    """One open MLflow run; the step's own ``mlflow.log_metric`` and the like go to it."""

    def __init__(self, wanted: Mapping[str, Any], context: StepContext) -> None:
        self._name = str(wanted["name"])
        self._context = context
        self._n_logged: dict[str, int] = {}
        self._lock = threading.Lock()
        self._has_ended = False
        config: dict[str, Any] = dict(wanted["config"])
        uri = _tracking_uri(config)
        self._mlflow = _import_mlflow(self._name, uri, config)
        try:
            with _sole_access(uri):
                self._open(uri, config)
        except Exception as exc:  # MLflow's own errors, and those of whatever it talks to
            raise Unavailable(
                f"The experiment tracker {self._name} could not open a run: {type(exc).__name__}: {exc}",
                hint="Check its tracking URI and that it is reachable from where steps run.",
            ) from exc
        self._tell_link(uri, config)

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Log a step's parameters."""
        self._log([(name, value) for name, value in parameters.items()], as_parameters=True)

    def log_metadata(self, metadata: Mapping[str, Any], *, prefix: str = "") -> None:
        """Log metadata: numbers as metrics, text and booleans as parameters, what is nested by dotted names."""
        flat = list(_flatten(metadata, prefix))
        self._log([(name, value) for name, value in flat if _is_metric(value)], as_parameters=False)
        self._log([(name, value) for name, value in flat if isinstance(value, str | bool)], as_parameters=True)

    def end(self, status: Ending) -> None:
        """End the run, once."""
        if self._has_ended:
            return
        self._has_ended = True
        with self._warned("could not be ended"):
            active = self._mlflow.active_run()
            if active is not None and active.info.run_id == self._run_id:
                self._mlflow.end_run(status)
            else:
                self._client.set_terminated(self._run_id, status)

    @contextlib.contextmanager
    def ended_when_killed(self) -> Iterator[None]:
        """End the run as KILLED when the process is asked to end (cancelled, timed out) inside the block."""
        pid, is_main = os.getpid(), threading.current_thread() is threading.main_thread()
        if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            yield
            return

        def leave(number: int, _frame: FrameType | None) -> None:
            # A process the step forked has this handler too, and is not the step.
            if os.getpid() == pid:
                self.end("KILLED")
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

        signal.signal(signal.SIGTERM, leave)
        try:
            yield
        finally:
            if signal.getsignal(signal.SIGTERM) is leave:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _open(self, uri: str, config: Mapping[str, Any]) -> None:
        mlflow, context = self._mlflow, self._context
        mlflow.set_tracking_uri(uri)
        self._client = mlflow.MlflowClient(uri)
        self._experiment = str(config.get("experiment_name") or context.pipeline.name or "stepwell")
        experiment_id = self._find_experiment(uri, config)
        mlflow.set_experiment(experiment_id=experiment_id)
        self._end_abandoned(experiment_id)
        run = mlflow.start_run(experiment_id=experiment_id, run_name=context.step_name, tags=_tags(context))
        self._run_id, self._experiment_id = str(run.info.run_id), str(experiment_id)

    def _find_experiment(self, uri: str, config: Mapping[str, Any]) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        if found is None:
            try:
                return str(
                    self._client.create_experiment(self._experiment, _artifact_location(uri, config, self._experiment))
                )
            except self._mlflow.MlflowException:
                # Another step made it meanwhile.
                found = self._client.get_experiment_by_name(self._experiment)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _end_abandoned(self, experiment_id: str) -> None:
        """End what an earlier attempt at this step left open because its process was killed."""
        asked = f"tags.`stepwell.step_run_id` = '{self._context.step_run.id}' and attributes.status = 'RUNNING'"
        with self._warned("could not end the run of an earlier attempt"):
            for run in self._client.search_runs([experiment_id], asked, max_results=20):
                self._client.set_terminated(run.info.run_id, "KILLED")

    def _tell_link(self, uri: str, config: Mapping[str, Any]) -> None:
        place = _without_login(uri)
        web = str(config.get("dashboard_url") or (place if place.startswith(("http://", "https://")) else "")).rstrip(
            "/"
        )
        link = {
            "tracker": self._name,
            "flavor": "mlflow",
            "experiment": self._experiment,
            "run_id": self._run_id,
            "place": place,
            "url": f"{web}/#/experiments/{self._experiment_id}/runs/{self._run_id}" if web else "",
        }
        self._context.send(
            {"t": "metadata", "metadata": {METADATA_KEY: link}, "infer_artifact": False, "artifact_name": None}
        )

    def _log(self, entries: list[tuple[str, Any]], *, as_parameters: bool) -> None:
        entities = self._mlflow.entities
        with self._lock, self._warned("did not take what the step logged"):
            for start in range(0, len(entries), _BATCH):
                chunk = [(name[:_LONGEST_NAME], value) for name, value in entries[start : start + _BATCH]]
                if as_parameters:
                    # The same name with another value is refused by MLflow; a tag can change.
                    params = [entities.Param(name, _text(value)) for name, value in chunk if self._count(name) == 0]
                    tags = [entities.RunTag(name, _text(value)) for name, value in chunk if self._n_logged[name] > 1]
                    self._client.log_batch(self._run_id, params=params, tags=tags)
                else:
                    now = int(time.time() * 1000)
                    metrics = [entities.Metric(name, float(value), now, self._count(name)) for name, value in chunk]
                    self._client.log_batch(self._run_id, metrics=metrics)

    def _count(self, name: str) -> int:
        """Return how often the name was logged before."""
        before = self._n_logged.get(name, 0)
        self._n_logged[name] = before + 1
        return before

    @contextlib.contextmanager
    def _warned(self, what: str) -> Iterator[None]:
        """Make an error of the tracker a warning: the step's own work does not depend on it."""
        try:
            yield
        except Exception as exc:  # MLflow's own errors, and those of whatever it talks to
            message = f"The experiment tracker {self._name} {what}: {type(exc).__name__}: {exc}"
            with contextlib.suppress(Exception):  # user code may have closed it
                sys.stderr.write(f"{message}\n")
            self._context.send({"t": "warning", "message": message})


def _import_mlflow(name: str, uri: str, config: Mapping[str, Any]) -> Any:
    for variable, value in _DEFAULTS.items():
        os.environ.setdefault(variable, value)
    for setting in ("tracking_username", "tracking_password", "tracking_token"):
        if config.get(setting):
            os.environ[f"MLFLOW_{setting.upper()}"] = str(config[setting])
    if uri.startswith("file:"):
        # MLflow 3 asks for this word before it uses a folder; whoever configured one wants it.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    needed = ["mlflow", *(["sqlalchemy", "alembic"] if uri.startswith(_DATABASES) else [])]
    for package in needed:
        if importlib.util.find_spec(package) is None:
            raise ConfigError(
                f"The experiment tracker {name} needs the package {package}, which is not installed here.",
                hint=f"Install Stepwell's extra “mlflow”: {_EXTRA}",
            )
    return importlib.import_module("mlflow")


def _tracking_uri(config: Mapping[str, Any]) -> str:
    uri = str(config["tracking_uri"])
    return Path(uri).as_uri() if uri.startswith("/") else uri


def _artifact_location(uri: str, config: Mapping[str, Any], experiment: str) -> str | None:
    if config.get("artifact_location"):
        return str(config["artifact_location"])
    found = _SQLITE.match(uri)
    # Its own default is a folder beside whatever the process works in, which here nobody would find again.
    folder = re.sub(r"[^\w.-]+", "_", experiment)
    return (Path(found[1]).parent / "mlartifacts" / folder).as_uri() if found else None


@contextlib.contextmanager
def _sole_access(uri: str) -> Iterator[None]:
    """Let one step at a time open a local store: two that make its tables at once break each other."""
    if found := _SQLITE.match(uri):
        lock = Path(f"{found[1]}.lock")
    elif uri.startswith("file:///"):
        lock = Path(uri.removeprefix("file://")) / ".stepwell.lock"
    else:
        yield
        return
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _tags(context: StepContext) -> dict[str, str]:
    found = {
        "stepwell.pipeline": context.pipeline.name,
        "stepwell.run": context.pipeline_run.name,
        "stepwell.run_id": context.pipeline_run.id,
        "stepwell.run_number": context.pipeline_run.number,
        "stepwell.step": context.step_name,
        "stepwell.step_run_id": context.step_run.id,
        "stepwell.attempt": context.step_run.attempt,
    }
    return {name: str(value) for name, value in found.items() if value not in (None, "")}


def _flatten(metadata: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in metadata.items():
        dotted = f"{prefix}.{name}" if prefix else str(name)
        if isinstance(value, Mapping):
            yield from _flatten(value, dotted)
        else:
            yield dotted, value


def _is_metric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _text(value: Any) -> str:
    return str(value)[:_LONGEST_VALUE]


def _without_login(uri: str) -> str:
    return re.sub(r"(?<=://)[^/@]*@", "", uri)

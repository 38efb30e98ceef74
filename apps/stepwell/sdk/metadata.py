"""``log_metadata`` and ``log_progress``: what a step's code tells while it runs."""

from __future__ import annotations

import importlib
import threading
import time
from typing import Any

from stepwell.sdk import context, jsonable

#: seconds between two progress frames; the newest one waits for the next call or the end of the body
PROGRESS_PAUSE = 0.2


def log_metadata(
    metadata: dict[str, Any],
    infer_artifact: bool = False,
    artifact_name: str | None = None,
    **ids: Any,
) -> None:
    """Record facts on the running step, on one of its outputs, or on what is named.

    Args:
        metadata: names and JSON values.
        infer_artifact: put them on the step's output (name it with ``artifact_name`` when there are several).
        artifact_name: an output of the running step, or any stored artifact: its newest version unless
            ``artifact_version`` names one.
        ids: ``run_id_name_or_prefix``, with ``step_name`` for one of its steps; ``step_id``;
            ``artifact_version_id``; ``artifact_version``; ``model_name`` with ``model_version``, or
            ``infer_model=True`` for the model version the running step works on.

    Raises:
        TypeError: ``metadata`` is no dict, a value has no JSON form, or there is no such argument.
        ValueError: Nothing is named and no step is running, or the metadata is too large, or there is no such output.
        NotFound: What is named does not exist.
    """
    cleaned = jsonable.clean_metadata(metadata)
    step = context.current()
    named = {name: value for name, value in ids.items() if value is not None and value is not False}
    if step is not None and not named:
        outputs = {name for name in (*step.output_names, *step.output_names.values()) if name is not None}
        if infer_artifact or artifact_name in outputs:
            step.add_output_metadata(cleaned, artifact_name)
            _track(step, cleaned, prefix=artifact_name or "")
            return
        if artifact_name is None:
            step.send({"t": "metadata", "metadata": cleaned, "infer_artifact": False, "artifact_name": None})
            _track(step, cleaned)
            return
    # Not before: most steps never ask, and need nothing of the client.
    importlib.import_module("stepwell.sdk.metadatacalls").log_on(cleaned, {**named, "artifact_name": artifact_name})


def log_progress(done: float, total: float | None = None, message: str = "") -> None:
    """Show how far the running step is, as a bar when ``total`` is given. May be called as often as you like.

    Raises:
        TypeError: ``done`` or ``total`` is no number.
        RuntimeError: No step is running.
    """
    step = context.get_step_context()
    for value in (done,) if total is None else (done, total):
        if isinstance(value, bool) or not hasattr(value, "__float__"):
            raise TypeError(f"Progress is told in numbers, not {type(value).__name__}.")
    progress = {
        "done": jsonable.clean(done),
        "total": jsonable.clean(total),
        "message": jsonable.clean_text(str(message), limit=500),
    }
    _progress.tell(step, progress, is_last=total is not None and done >= total)


def _track(step: context.StepContext, metadata: dict[str, Any], *, prefix: str = "") -> None:
    if step.tracker is not None:
        step.tracker.log_metadata(metadata, prefix=prefix)


def flush_progress() -> None:
    """Send the newest progress that was held back."""
    step = context.current()
    if step is not None:
        _progress.flush(step)


class _Progress:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent_at = 0.0
        self._waiting: dict[str, Any] | None = None

    def tell(self, step: context.StepContext, progress: dict[str, Any], *, is_last: bool) -> None:
        with self._lock:
            self._waiting = progress
            if not is_last and time.monotonic() - self._sent_at < PROGRESS_PAUSE:
                return
            self._send(step)

    def flush(self, step: context.StepContext) -> None:
        with self._lock:
            if self._waiting is not None:
                self._send(step)

    def _send(self, step: context.StepContext) -> None:
        frame = {"t": "beat", "progress": self._waiting}
        self._waiting = None
        self._sent_at = time.monotonic()
        step.send(frame)


_progress = _Progress()

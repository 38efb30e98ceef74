"""One attempt of a step in its own process: inputs, body, outputs, result, hooks."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from stepwell import errors
from stepwell.core import failpoints
from stepwell.core.ids import event_id
from stepwell.errors import StepExecutionException
from stepwell.sdk import calls, errorinfo, hookcalls, hooks, loading, metadata, outputcheck, publishing, trackers
from stepwell.sdk import context as contexts
from stepwell.sdk.artifactstore import ArtifactStore
from stepwell.sdk.context import Channel, PipelineRef, RunRef, StepContext, StepRunRef
from stepwell.sdk.materializers import storing
from stepwell.sdk.models import resolved_model
from stepwell.sdk.steps import BaseStep

#: holds the event id while a hook runs
EVENT_VARIABLE = "STEPWELL_EVENT_ID"
#: values of exactly these classes need no pydantic to fit their annotation
_SIMPLE = (str, int, float, bool)


@dataclass(kw_only=True)
class StepRun:
    """Runs ``step`` as ``payload`` says and tells ``channel`` what happened."""

    payload: dict[str, Any]
    channel: Channel
    step: BaseStep
    #: the pipeline's on_init
    init: Callable[[], Any] | None = None
    context: StepContext = field(init=False)

    def __post_init__(self) -> None:
        self.context = make_context(self.payload, self.channel)

    @property
    def options(self) -> dict[str, Any]:
        """The options this attempt runs with: what was planned, and what the run changed."""
        found: dict[str, Any] = self.payload["step"].get("options", {})
        return found

    def run(self) -> None:
        """Run the attempt; whatever user code does, a result frame is sent and the hooks run."""
        contexts.enter(self.context)
        store = ArtifactStore(self.payload["artifact_root"])
        failure: BaseException | None = None
        try:
            if self.init is not None:
                self.context.pipeline_state = hookcalls.finish(self.init())
            self._call_hook("on_start")
            with trackers.tracking(self.payload.get("tracker"), self.context):
                outputs = self._make_outputs(store)
        except BaseException as exc:  # user code: whatever it raises, the supervisor must hear of it
            failure = exc
            result = self._failed(exc)
        else:
            result = {"t": "result", "status": "completed", "outputs": outputs}
        self.channel.send(result)
        self._call_last_hooks(result, failure)

    def run_late_hook(self) -> None:
        """Run one hook for an attempt whose process is gone; without an ``error`` the attempt completed."""
        contexts.enter(self.context)
        exc: BaseException | None = None
        if (told := self.payload.get("error")) is not None:
            message = told.get("message") or f"The step {self.context.step_name} did not complete."
            exc = (
                errorinfo.unpickled(told.get("pickled"))
                or errorinfo.own_error(told.get("type", ""), message)
                or StepExecutionException(message, step=self.context.step_name)
            )
        report_hook(self.channel, self._call_hook(self.payload.get("hook", "on_failure"), exc), is_told=True)

    def _make_outputs(self, store: ArtifactStore) -> list[dict[str, Any]]:
        draft = store.begin()
        self.context.draft = draft.path
        folder = self.payload["output_folder"]
        try:
            outputs = self._compute(store)
            return publishing.publish(outputs, store=store, draft=draft, folder=folder, context=self.context)
        finally:
            draft.discard()

    def _compute(self, store: ArtifactStore) -> list[publishing.Output]:
        inputs: dict[str, Any] = self.payload.get("inputs", {})
        values = loading.load_inputs(inputs, store=store, step_name=self.context.step_name)
        for name, resolved in inputs.items():
            if resolved["kind"] == "value":
                values[name] = self._coerce(name, values[name])
        if self.context.tracker is not None:
            taken = [name for name, resolved in inputs.items() if resolved["kind"] == "value"]
            self.context.tracker.log_parameters({name: values[name] for name in taken})
        returned = self.step.run_entrypoint(values)
        failpoints.hit("mid_step")
        metadata.flush_progress()
        return self._outputs(returned)

    def _coerce(self, name: str, value: Any) -> Any:
        signature = self.step.signature
        if name in signature.inputs and type(value) in _SIMPLE and signature.inputs[name].annotation is type(value):
            return value
        return signature.coerce_input(name, value) if name in signature.inputs else value

    def _outputs(self, returned: Any) -> list[publishing.Output]:
        declared = self.step.signature.outputs
        planned = {one["name"]: one for one in self.payload["step"].get("outputs", ())}
        step_name = self.context.step_name
        values = outputcheck.name_outputs(returned, [one.name for one in declared], step_name=step_name)
        for one in declared:
            outputcheck.check_type(values[one.name], one.annotation, step_name=step_name, output=one.name)
        return [self._output(name, value, planned.get(name, {})) for name, value in values.items()]

    def _output(self, name: str, value: Any, planned: dict[str, Any]) -> publishing.Output:
        wishes = storing.Wishes(
            materializers=storing.iter_materializers(self.step.configuration.output_materializers.get(name, ())),
            with_metadata=self.options.get("enable_artifact_metadata", True),
            with_visualizations=self.options.get("enable_artifact_visualization", True),
        )
        return publishing.Output(
            name=name,
            value=value,
            wishes=wishes,
            artifact_name=planned.get("artifact_name"),
            version=planned.get("version"),
            tags=list(planned.get("tags", ())),
            metadata=dict(planned.get("metadata", {})),
            kind=planned.get("kind", ""),
        )

    def _failed(self, exc: BaseException) -> dict[str, Any]:
        error = errorinfo.describe(exc)
        with contextlib.suppress(Exception):  # user code may have closed it; the result must still be told
            metadata.flush_progress()
            sys.stderr.write(error["traceback"])
        if self.payload.get("return_exception"):
            error["pickled"] = errorinfo.pickled(exc)
        return {"t": "result", "status": "failed", "error": error}

    def _call_last_hooks(self, result: dict[str, Any], failure: BaseException | None) -> None:
        if not self._has_last_hooks():
            return
        stored = calls.wait_published(result)
        if stored is None:
            return
        is_refused = failure is None and stored["status"] != "completed"
        if is_refused:
            failure = _refusal(stored)
        self._call_hook("on_end", failure)
        if failure is None:
            self._call_hook("on_success")
        elif is_refused or self.payload.get("last_attempt", True) or not errorinfo.is_retryable(failure):
            self._call_hook("on_failure", failure)

    def _has_last_hooks(self) -> bool:
        configured = self.step.configuration
        return any(getattr(configured, name) is not None for name in ("on_end", "on_success", "on_failure"))

    def _call_hook(self, name: str, exc: BaseException | None = None) -> dict[str, Any] | None:
        hook = getattr(self.step.configuration, name)
        if hook is None or not self.options.get("hooks_enabled", True):
            return None

        def work() -> Any:
            found = hooks.load_hook(name, hook, owner=f"Step {self.context.step_name}")
            return hooks.call_hook(name, found, exc)

        with self._event(name):
            self.channel.send({"t": "hook_begins", "hook": name})
            frame = hookcalls.call_hook(name, work, limit=self.payload.get("hook_seconds"))
        self.channel.send(frame)
        return frame

    @contextlib.contextmanager
    def _event(self, name: str) -> Iterator[None]:
        """Let the hook know which event it is called for: on a repeated call it is the same."""
        ref = self.context.step_run
        # Once per step, or once per attempt.
        owner = ref.id if name in ("on_success", "on_failure") else ref.attempt_id
        self.context.event_id = os.environ[EVENT_VARIABLE] = str(event_id(owner, name))
        try:
            yield
        finally:
            self.context.event_id = None
            os.environ.pop(EVENT_VARIABLE, None)


def _refusal(stored: dict[str, Any]) -> errors.StepwellError:
    """Return why outputs were not taken, as an exception for the hooks."""
    told = stored.get("error") or {}
    message = str(told.get("message", ""))
    return errorinfo.own_error(str(told.get("type")), message) or errors.StepwellError(message)


def report_hook(channel: Channel, frame: dict[str, Any] | None, *, is_told: bool = False) -> None:
    """Send how a hook that has a process to itself ended, as the result of that process."""
    if frame is not None and not is_told:
        channel.send(frame)
    if frame is None or frame["ok"]:
        channel.send({"t": "result", "status": "completed", "outputs": []})
        return
    error = {"type": "HookFailed", "message": frame["error"], "traceback": "", "where": "", "retryable": False}
    channel.send({"t": "result", "status": "failed", "error": error})


def make_context(payload: dict[str, Any], channel: Channel) -> StepContext:
    """Return the context a step with this payload runs in."""
    about, step = payload.get("context", {}), payload["step"]
    invocation_id = step["invocation_id"]
    inputs: dict[str, Any] = {}
    for name, resolved in payload.get("inputs", {}).items():
        found = loading.list_stored(resolved)
        if found:
            inputs[name] = found[0] if resolved["kind"] == "stored" else found
    return StepContext(
        pipeline=PipelineRef(name=about.get("pipeline", "")),
        pipeline_run=RunRef(
            id=str(about.get("run_id", "")), name=about.get("run_name", ""), number=about.get("run_number")
        ),
        step_run=StepRunRef(
            id=str(about.get("step_run_id", "")),
            name=invocation_id,
            attempt_id=str(about.get("attempt_id", "")),
            attempt=payload.get("attempt", 1),
            max_attempts=payload.get("max_attempts", 1),
        ),
        step_name=invocation_id,
        inputs=inputs,
        output_names={one["name"]: one.get("artifact_name") for one in step.get("outputs", ())},
        channel=channel,
        model=resolved_model(step.get("options", {}).get("model"), about.get("model")),
    )

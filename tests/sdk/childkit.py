"""What the tests of step processes share: a channel that keeps frames, and payloads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from stepwell.core import values
from stepwell.sdk import child, context
from stepwell.sdk.steps import BaseStep


class Frames(list[dict[str, Any]]):
    """A channel that keeps what is sent."""

    def send(self, frame: dict[str, Any], /) -> None:
        self.append(frame)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self if frame["t"] == kind]

    @property
    def result(self) -> dict[str, Any]:
        (found,) = self.of("result")
        return found

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.result["error"]
        return found


def parameters(**given: Any) -> dict[str, Any]:
    return {name: {"kind": "value", "value": values.encode(value)} for name, value in given.items()}


def stored(output: dict[str, Any]) -> dict[str, Any]:
    """Return an output of one step as the input of another."""
    return {
        "kind": "stored",
        "id": "1",
        **{key: output[key] for key in ("name", "uri", "size", "sha256", "materializer", "type")},
    }


def make_payload(step: BaseStep, root: Path, *, inputs: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    options = changes.pop("options", {})
    return {
        "kind": "step",
        "parameters": {},
        "step": {
            "invocation_id": step.name,
            "outputs": [{"name": output.name} for output in step.signature.outputs],
            "options": options,
        },
        "inputs": inputs or {},
        "artifact_root": str(root),
        "output_folder": f"run/{step.name}/1",
        "last_attempt": True,
        "attempt": 1,
        "max_attempts": 1,
        "context": {
            "run_id": "r1",
            "run_name": "first",
            "run_number": 7,
            "pipeline": "etl",
            "step_run_id": "s1",
            "attempt_id": "a1",
        },
        "return_exception": False,
        **changes,
    }


def run_step(step: BaseStep, root: Path, *, inputs: dict[str, Any] | None = None, **changes: Any) -> Frames:
    """Run a step as a step process does, in this process, and return what it sent."""
    payload = make_payload(step, root, inputs=inputs, **changes)
    frames = Frames()
    invocations: Any = {step.name: SimpleNamespace(step=step)}
    try:
        child.child_main(payload, frames, invocations=invocations, is_own_process=False)
    finally:
        context.enter(None)
    return frames


@contextmanager
def inside_step(**fields: Any) -> Iterator[Frames]:
    """Be inside a running step whose frames are kept."""
    frames = Frames()
    context.enter(
        context.StepContext(
            pipeline=context.PipelineRef(name="etl"),
            pipeline_run=context.RunRef(id="r1", name="first", number=7),
            step_run=context.StepRunRef(id="s1", name="train"),
            step_name="train",
            channel=frames,
            **fields,
        )
    )
    try:
        yield frames
    finally:
        context.enter(None)

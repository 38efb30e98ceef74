"""What a step's call returns in a static pipeline's body: stand-ins for outputs that do not exist yet."""

from __future__ import annotations

import opcode
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

from stepwell.errors import StepInterfaceError, UsageError
from stepwell.sdk.outputcheck import words

_UNPACK = opcode.opmap["UNPACK_SEQUENCE"]


class StepOutput:
    """One output of an invocation. Pass it to other steps; its value exists only once the step has run."""

    __slots__ = ("name", "step_id", "trace")

    def __init__(self, step_id: str, name: str, *, trace: object) -> None:
        self.step_id = step_id
        self.name = name
        self.trace = trace

    def __repr__(self) -> str:
        return f"<output {self.name} of step {self.step_id}>"

    def __iter__(self) -> Iterator[Any]:
        self._refuse("unpacked or iterated over")

    def __getitem__(self, key: object) -> Any:
        self._refuse("indexed")

    def __len__(self) -> int:  # noqa: PLE0303 - it refuses
        self._refuse("counted")

    def __bool__(self) -> bool:  # noqa: PLE0304 - it refuses
        self._refuse("tested")

    def load(self) -> Any:
        raise UsageError(
            f"{self._words()} is loaded in the body of a static pipeline.",
            hint="Write @pipeline(dynamic=True), or read the value in a step that takes it.",
        )

    def _words(self) -> str:
        return f"The {words(self.name)} of step {self.step_id}"

    def _refuse(self, what: str) -> NoReturn:
        raise StepInterfaceError(
            f"{self._words()} is one value and cannot be {what} in the pipeline's body.",
            hint="It is known only once the step has run. Do this in a step, or annotate the step with Tuple[...] to "
            "give it several outputs.",
        )


class LinkedArtifact:
    """What is linked to a model version when the step that takes it starts."""

    __slots__ = ("artifact_version", "model", "name", "version")

    def __init__(self, *, model: str, version: str, name: str, artifact_version: str = "") -> None:
        self.model = model
        self.version = version
        self.name = name
        self.artifact_version = artifact_version

    def __repr__(self) -> str:
        return f"<artifact {self.name} of model {self.model}>"

    def load(self) -> LinkedArtifact:
        """Return what stands for the value: it is loaded for the step that takes it."""
        return self


class StepOutputs(tuple[StepOutput, ...]):
    """The outputs of an invocation that has several, in order; ``outputs["name"]`` works too."""

    step_id: str

    @classmethod
    def of(cls, step_id: str, outputs: list[StepOutput]) -> StepOutputs:
        made = cls(outputs)
        made.step_id = step_id
        return made

    def __iter__(self) -> Iterator[StepOutput]:
        wanted = _unpacked_into(sys._getframe(1))
        if wanted is not None and wanted != len(self):
            names = ", ".join(output.name for output in super().__iter__())
            said = "1 is" if wanted == 1 else f"{wanted} are"
            raise StepInterfaceError(
                f"Step {self.step_id} has {len(self)} outputs ({names}), but {said} unpacked.",
                hint=f"Unpack {len(self)}, or change the step's return annotation.",
            )
        return super().__iter__()

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            for output in super().__iter__():
                if output.name == key:
                    return output
            names = ", ".join(output.name for output in super().__iter__())
            raise StepInterfaceError(f"Step {self.step_id} has no output {key}.", hint=f"It has: {names}.")
        return super().__getitem__(key)


class NoOutputs:
    """What an invocation without outputs gives: good for ``after=`` and nothing else."""

    __slots__ = ("step_id", "trace")

    def __init__(self, step_id: str, *, trace: object) -> None:
        self.step_id = step_id
        self.trace = trace

    def __repr__(self) -> str:
        return f"<step {self.step_id}, which has no outputs>"

    def __bool__(self) -> bool:
        return False

    def __iter__(self) -> Iterator[Any]:
        raise StepInterfaceError(
            f"Step {self.step_id} has no outputs to unpack.", hint="Give its function a return annotation, not None."
        )


def is_placeholder(value: object) -> bool:
    return isinstance(value, StepOutput | StepOutputs | NoOutputs | LinkedArtifact)


def holds_placeholder(value: Any) -> bool:
    """Return whether a value is a placeholder or a list, tuple or dict with one in it at any depth."""
    if is_placeholder(value):
        return True
    if isinstance(value, dict):
        return any(holds_placeholder(item) for item in value.values())
    return type(value) in (list, tuple) and any(holds_placeholder(item) for item in value)


def _unpacked_into(frame: FrameType) -> int | None:
    """Return into how many names the calling line unpacks (``a, b = ...``), or None when it does something else."""
    code, place = frame.f_code.co_code, frame.f_lasti
    return code[place + 1] if 0 <= place < len(code) - 1 and code[place] == _UNPACK else None

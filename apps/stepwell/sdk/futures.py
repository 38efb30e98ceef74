"""What calls in the body of a dynamic pipeline return: artifacts of steps that ended, futures of those that run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, overload
from uuid import UUID

from stepwell.errors import StepInterfaceError
from stepwell.sdk.placeholders import NoOutputs, StepOutput, StepOutputs

if TYPE_CHECKING:
    from stepwell.sdk.awaiting import Awaiting


class Artifact(StepOutput):
    """One output of a step that a dynamic pipeline called. Pass it to other steps, or ``load()`` its value."""

    __slots__ = ("_future",)

    def __init__(self, future: StepFuture, name: str) -> None:
        super().__init__(future.invocation_id, name, trace=future._driver)
        self._future = future

    def load(self) -> Any:
        """Return the value, a new copy each time; waits for the step.

        Raises:
            Exception: What the step raised.
            ArtifactError: The data is missing or damaged.
        """
        self._future._await()
        return self._future._driver.load_output(self._future, self.name)

    @property
    def id(self) -> UUID:
        """The id of the stored version."""
        return UUID(self._stored["id"])

    @property
    def version(self) -> str:
        return str(self._stored["version"])

    @property
    def uri(self) -> str:
        """The folder below the artifact store's root."""
        return str(self._stored["uri"])

    @property
    def type(self) -> str:
        """Printable type of the value."""
        return str(self._stored["type"])

    @property
    def run_metadata(self) -> dict[str, Any]:
        return dict(self._stored["metadata"])

    @property
    def tags(self) -> list[str]:
        return list(self._stored["tags"])

    @property
    def _stored(self) -> dict[str, Any]:
        self._future._await()
        found: dict[str, Any] = self._future._driver.stored_outputs(self._future)[self.name]
        return found

    def __repr__(self) -> str:
        return f"<artifact {self.name} of step {self.step_id}>"


class ReturnedArtifact:
    """A stored artifact that a child run returned."""

    is_stored_reference: ClassVar[bool] = True

    def __init__(self, stored: dict[str, Any], driver: Awaiting) -> None:
        self._stored = stored
        self._driver = driver

    @property
    def version_id(self) -> UUID:
        return UUID(self._stored["id"])

    id = version_id

    @property
    def name(self) -> str:
        return str(self._stored["name"])

    def load(self) -> Any:
        """Return the value, a new copy each time."""
        return self._driver.load_stored(self._stored)

    def __repr__(self) -> str:
        return f"<artifact {self.name}>"


class StepFuture:
    """A step that was submitted. Passed to other steps it is awaited there, not in the body."""

    def __init__(self, driver: Awaiting, *, invocation_id: str, step_id: str, outputs: Sequence[str]) -> None:
        self.invocation_id = invocation_id
        self.id = step_id
        #: somebody was told of its failure
        self.is_failure_known = False
        self._driver = driver
        self._outputs = tuple(outputs)
        self._failure: BaseException | None = None

    def running(self) -> bool:
        """Return whether it has not ended yet."""
        return not self._driver.is_settled(self.id)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended, for ``timeout`` seconds at most; return whether it has. Raises nothing."""
        return self._driver.wait_for([self], timeout=timeout)

    def result(self) -> Any:
        """Wait, and return its artifact, a tuple of its artifacts, or nothing that is true when it has none.

        Raises:
            Exception: What the step raised.
            StepExecutionException: It was skipped or cancelled, or what it raised cannot be brought here.
        """
        self._await()
        return self._placeholder()

    artifacts = result

    def load(self) -> Any:
        """Wait, and return its value, or a tuple of its values."""
        self._await()
        values = [artifact.load() for artifact in self._artifacts()]
        return values[0] if len(values) == 1 else tuple(values) or None

    def get_artifact(self, name: str) -> Artifact:
        """Return the output of that name, without waiting.

        Raises:
            StepInterfaceError: The step has no such output.
        """
        if name not in self._outputs:
            known = ", ".join(self._outputs) or "none"
            raise StepInterfaceError(f"Step {self.invocation_id} has no output {name}.", hint=f"It has: {known}.")
        return Artifact(self, name)

    @overload
    def __getitem__(self, key: int | str) -> Artifact: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Artifact, ...]: ...
    def __getitem__(self, key: int | str | slice) -> Any:
        return self.get_artifact(key) if isinstance(key, str) else tuple(self._artifacts())[key]

    def __iter__(self) -> Iterator[Artifact]:
        return iter(self._artifacts())

    def __len__(self) -> int:
        return len(self._outputs)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<future of step {self.invocation_id}>"

    def _artifacts(self) -> list[Artifact]:
        return [Artifact(self, name) for name in self._outputs]

    def _placeholder(self) -> Any:
        """Return what stands for it as an input of another step."""
        made = self._artifacts()
        if not made:
            return NoOutputs(self.invocation_id, trace=self._driver)
        return made[0] if len(made) == 1 else StepOutputs.of(self.invocation_id, list(made))

    def _await(self) -> None:
        self.wait()
        if not self._driver.is_done(self.id):
            self.is_failure_known = True
            if self._failure is None:
                self._failure = self._driver.failure_of(self)
            raise self._failure


class MapResultsFuture:
    """The steps of one ``map`` or ``product``, in the order of the items."""

    def __init__(self, futures: Sequence[StepFuture], *, driver: Awaiting, invocation_id: str) -> None:
        self.invocation_id = invocation_id
        self._futures = list(futures)
        self._driver = driver

    @property
    def futures(self) -> list[StepFuture]:
        """The futures of the steps, in the order of the items they were made for."""
        return list(self._futures)

    def running(self) -> bool:
        """Return whether one of them has not ended yet."""
        return any(future.running() for future in self._futures)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all have ended, for ``timeout`` seconds at most; return whether they have. Raises nothing."""
        return self._driver.wait_for(self._futures, timeout=timeout)

    def result(self) -> list[Any]:
        """Wait for all, and return what ``result`` gives for each.

        Raises:
            Exception: What the first failing step in the order of the items raised.
        """
        self._await()
        return [future.result() for future in self._futures]

    artifacts = result

    def load(self) -> list[Any]:
        """Wait for all, and return their values.

        Raises:
            Exception: What the first failing step in the order of the items raised.
        """
        self._await()
        return self._driver.load_all(self)

    def unpack(self) -> tuple[list[Artifact], ...]:
        """Return one list per output of the step, each with that output of every item; without waiting."""
        return tuple(map(list, zip(*(future._artifacts() for future in self._futures), strict=True)))

    @overload
    def __getitem__(self, key: int) -> StepFuture: ...
    @overload
    def __getitem__(self, key: slice) -> list[StepFuture]: ...
    def __getitem__(self, key: int | slice) -> Any:
        return self._futures[key]

    def __iter__(self) -> Iterator[StepFuture]:
        return iter(self._futures)

    def __len__(self) -> int:
        return len(self._futures)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<futures of {len(self._futures)} steps {self.invocation_id}>"

    def _await(self) -> None:
        self.wait()
        failed = [future for future in self._futures if not self._driver.is_done(future.id)]
        for future in failed:
            future.is_failure_known = True
        if failed:
            failed[0]._await()


class PipelineFuture:
    """A run of another pipeline that was submitted."""

    def __init__(self, driver: Awaiting, *, run_id: str, number: int, name: str) -> None:
        self.id = run_id
        self.number = number
        self.name = name
        self.is_failure_known = False
        self._driver = driver
        self._told: dict[str, Any] | None = None

    @property
    def invocation_id(self) -> str:
        """The number of the child's run, such as ``#12``."""
        return f"#{self.number}"

    def running(self) -> bool:
        """Return whether the run has not ended yet."""
        return not self._driver.is_settled(self.id)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run has ended, for ``timeout`` seconds at most; return whether it has. Raises nothing."""
        return self._driver.wait_for([self], timeout=timeout)

    def result(self) -> Any:
        """Wait, and return what the pipeline's body returned: artifacts, plain values, a tuple of them, or None.

        Raises:
            Exception: What made the run fail.
            RunFailed: The run was cancelled, or what it raised cannot be brought here.
        """
        self.wait()
        if self._told is None:
            self._told = self._driver.run_result(self)
        return self._driver.returned_by(self, self._told)

    artifacts = result

    def load(self) -> Any:
        """Wait, and return the values of what the pipeline's body returned."""
        found = self.result()
        return tuple(map(_loaded, found)) if isinstance(found, tuple) else _loaded(found)

    def __repr__(self) -> str:
        return f"<future of run #{self.number} of {self.name}>"


class Unmapped:
    """A value that every step of a ``map`` gets whole."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"unmapped({self.value!r})"


def unmapped(value: Any) -> Any:
    """Return what gives ``value`` whole to every step of a ``map`` or ``product``, also when it is a list.

    Example:
        score.map(model=models, data=unmapped(rows))
    """
    return Unmapped(value)


def _loaded(value: Any) -> Any:
    return value.load() if isinstance(value, Artifact | ReturnedArtifact) else value


def unwrap(value: Any) -> Any:
    """Return a value with every future in it, at any depth of lists, tuples and dicts, replaced by its outputs."""
    if isinstance(value, StepFuture):
        return value._placeholder()
    if isinstance(value, MapResultsFuture):
        return [future._placeholder() for future in value]
    if isinstance(value, PipelineFuture):
        return value.result()
    if isinstance(value, Unmapped):
        return unwrap(value.value)
    if type(value) in (list, tuple):
        return type(value)(unwrap(item) for item in value)
    if type(value) is dict:
        return {key: unwrap(item) for key, item in value.items()}
    return value


def is_pending(value: Any) -> bool:
    """Return whether a value is a future or an artifact, or a list, tuple or dict with one in it at any depth."""
    if isinstance(value, StepFuture | MapResultsFuture | PipelineFuture | Artifact | ReturnedArtifact | NoOutputs):
        return True
    if isinstance(value, dict):
        return any(is_pending(item) for item in value.values())
    return isinstance(value, list | tuple) and any(is_pending(item) for item in tuple.__iter__(tuple(value)))


def ids_in(given: Any, *, owner: str, what: str) -> list[str]:
    """Return the invocation ids that ``after=`` or ``start_after=`` of ``submit``, ``map`` or ``product`` names.

    Raises:
        TypeError: It holds something that is no future and no result of a step.
    """
    if given is None:
        return []
    if isinstance(given, StepFuture):
        return [given.invocation_id]
    if isinstance(given, StepOutput | NoOutputs):
        return [given.step_id]
    if isinstance(given, PipelineFuture):
        given.result()
        return []
    if isinstance(given, MapResultsFuture | list | tuple | set):
        return list(dict.fromkeys(name for item in given for name in ids_in(item, owner=owner, what=what)))
    raise TypeError(f"{owner}: {what} holds {given!r}. Give futures, results of steps, or a sequence of them.")

"""The public error tree.

    StepwellError
    ├─ UsageError (ValueError)      422  the caller's mistake
    │  ├─ StepInterfaceError             a step was called or annotated in a way it cannot run
    │  ├─ GraphError                     a cycle, or an upstream step that does not exist
    │  └─ ConfigError                    an option or setting that does not fit
    ├─ NotFound (KeyError)          404  no such object
    ├─ Denied                       403  the role does not allow it
    ├─ Conflict                     409  the object is in another state than the act needs
    │  ├─ NonDeterministic               a dynamic pipeline's body took another path when it was run again
    │  └─ Stopping                       the run is being stopped and starts nothing any more
    ├─ WaitTimedOut (TimeoutError)       nobody answered in time
    ├─ WaitCancelled                     the question was withdrawn
    ├─ RunFailed                         a run that was waited for did not complete
    │  └─ StepExecutionException         user code raised; the original is the cause
    ├─ ArtifactError                     stored data is missing or is not what was recorded
    └─ Unavailable                  503  a store, queue or network is out of reach; try again

Every error carries ``message`` (what happened, to which thing) and ``hint`` (what to do).
"""

from __future__ import annotations

from typing import Any, ClassVar


class StepwellError(Exception):
    """Something went wrong in Stepwell."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str = "", *, hint: str = "", **details: Any) -> None:
        self.message = message or (self.__class__.__doc__ or "").strip().splitlines()[0]
        self.hint = hint
        self.details = details
        super().__init__(f"{self.message} {hint}".strip())


class UsageError(StepwellError, ValueError):
    """The call does not fit what was asked."""

    code = "usage"
    status = 422


class StepInterfaceError(UsageError):
    """A step cannot be called or defined this way."""

    code = "step_interface"


class GraphError(UsageError):
    """The steps do not form a graph that can run."""

    code = "graph"


class ConfigError(UsageError):
    """An option has a value that does not fit."""

    code = "config"


class NotFound(StepwellError, KeyError):
    """There is no such object."""

    code = "not_found"
    status = 404

    # A KeyError shows its message in quotes.
    __str__ = Exception.__str__


class Denied(StepwellError):
    """Your role does not allow this."""

    code = "denied"
    status = 403


class Conflict(StepwellError):
    """The object is not in a state that allows this."""

    code = "conflict"
    status = 409


class NonDeterministic(Conflict):
    """The body of a dynamic pipeline took another path than the first time."""

    code = "nondeterministic"


class Stopping(Conflict):
    """The run is being stopped, so nothing is started in it any more."""

    code = "stopping"


class WaitTimedOut(StepwellError, TimeoutError):
    """Nobody answered in time."""

    code = "wait_timed_out"


class WaitCancelled(StepwellError):
    """The question was withdrawn."""

    code = "wait_cancelled"


class RunFailed(StepwellError):
    """The run did not complete."""

    code = "run_failed"

    def __init__(self, message: str = "", *, hint: str = "", run: Any = None, step: str = "", **details: Any) -> None:
        self.run = run
        self.step = step
        super().__init__(message, hint=hint, **details)

    def __reduce__(self) -> Any:
        # What a pickle leaves out by itself: the hint, and what the step raised.
        return _made_again, (type(self), self.message, self.hint, self.step, self.__cause__)


class StepExecutionException(RunFailed):
    """A step raised an exception."""

    code = "step_failed"


class ArtifactError(StepwellError):
    """Stored data is missing or damaged."""

    code = "artifact"


class Unavailable(StepwellError):
    """A part Stepwell needs is out of reach. Try again."""

    code = "unavailable"
    status = 503


def _made_again(kind: type[RunFailed], message: str, hint: str, step: str, cause: BaseException | None) -> RunFailed:
    made = kind(message, hint=hint, step=step)
    made.__cause__ = cause
    return made

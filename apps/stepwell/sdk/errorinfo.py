"""An exception as data: its type, message, the user's line, and a traceback without our own frames."""

from __future__ import annotations

import base64
import os
import site
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import Any

from stepwell import errors
from stepwell.errors import StepwellError
from stepwell.sdk import jsonable, typenames

#: as its files are, and as Python names them, which may be by a link
_OURS = (str(Path(__file__).resolve().parent.parent) + os.sep, str(Path(__file__).parent.parent) + os.sep)
_MESSAGE = 16_384
_TRACEBACK = 262_144
_PICKLED = 1_048_576


def describe(exc: BaseException, *, can_retry: bool = True) -> dict[str, Any]:
    """Return what the ``error`` of a result frame holds, without the values of variables."""
    trace = _clean(exc)
    text = "".join(_bounded_lines(trace))
    return {
        "type": typenames.printable(type(exc)),
        "message": jsonable.clean_text(_message(exc), limit=_MESSAGE),
        "traceback": jsonable.clean_text(text, limit=_TRACEBACK),
        "where": _where(trace.stack),
        "retryable": can_retry and is_retryable(exc),
    }


def is_retryable(exc: BaseException) -> bool:
    """Tell whether another attempt can help; not when the process was told to stop."""
    return not isinstance(exc, (KeyboardInterrupt, SystemExit, GeneratorExit))


def pickled(exc: BaseException) -> str | None:
    """Return the exception for the script that waits for it, base64 of a pickle; None when it cannot be pickled."""
    for form in (exc, _Parts(exc)):
        content = _dumps(form)
        if content is not None:
            return base64.b64encode(content).decode() if len(content) <= _PICKLED else None
    return None


def unpickled(text: str | None) -> BaseException | None:
    """Return the exception ``pickled`` gave; None where there is none or it cannot be made again.

    For processes that run the user's code only: making it again does what its class says.
    """
    if not text:
        return None
    from stepwell.sdk.materializers import pickled as pickles

    try:
        found = pickles.loads(base64.b64decode(text))
    except Exception:  # whatever the user's exception class does when it is made again
        return None
    return found if isinstance(found, BaseException) else None


def own_error(kind: str, message: str) -> StepwellError | None:
    """Return the error of ours that was told by name, which no user code raised; None where it is none of ours."""
    found = getattr(errors, kind, None)
    return found(message) if isinstance(found, type) and issubclass(found, StepwellError) else None


class _Parts:
    """An exception that pickles as its class and what it holds, without a call of its ``__init__``.

    One whose ``__init__`` wants other arguments than it hands on pickles, but never loads; what it holds (a response,
    a lock) may not pickle at all, and is left out.
    """

    def __init__(self, exc: BaseException) -> None:
        self._exc = exc

    def __reduce__(self) -> Any:
        args = tuple(one if _dumps(one) is not None else str(one) for one in self._exc.args)
        state = {name: value for name, value in vars(self._exc).items() if _dumps(value) is not None}
        return _rebuild, (type(self._exc), args, state)


def _rebuild(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    exc = kind.__new__(kind, *args)
    exc.args = args
    exc.__dict__.update(state)
    return exc


def _dumps(thing: Any) -> bytes | None:
    from stepwell.sdk.materializers import pickled as pickles

    try:
        content = pickles.dumps(thing)
        pickles.loads(content)
    except Exception:  # whatever the user's classes do while they are pickled
        return None
    return content


def format_clean(exc: BaseException) -> str:
    """Return the traceback as Python prints it, from the user's first frame on."""
    return "".join(_bounded_lines(_clean(exc)))


def _bounded_lines(trace: traceback.TracebackException) -> list[str]:
    try:
        return list(trace.format())
    except RecursionError:
        return [f"{trace.exc_type.__name__ if trace.exc_type else 'Exception'}: (a chain too long to print)\n"]


def _message(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception:  # the user's __str__
        return f"<{type(exc).__name__}, whose text cannot be made>"


def _clean(exc: BaseException) -> traceback.TracebackException:
    trace = traceback.TracebackException.from_exception(exc, compact=True)
    waiting: list[traceback.TracebackException | None] = [trace]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        _cut_ours(one.stack)
        waiting += [one.__cause__, one.__context__, *(one.exceptions or ())]
    return trace


def _cut_ours(stack: traceback.StackSummary) -> None:
    while stack and _is_ours(stack[0].filename):
        del stack[0]


def _is_ours(filename: str) -> bool:
    return filename.startswith((*_OURS, "<frozen "))


def _where(stack: traceback.StackSummary) -> str:
    if not stack:
        return ""
    frame = next((one for one in reversed(stack) if _is_users(one.filename)), stack[-1])
    return f"{_short(frame.filename)}:{frame.lineno}, {frame.name}()"


def _is_users(filename: str) -> bool:
    return not _is_ours(filename) and not filename.startswith(_library_folders())


def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    # every virtual environment keeps its packages in a folder of this name
    folders = [paths["stdlib"], paths["platstdlib"], paths["purelib"], paths["platlib"], *site.getsitepackages()]
    return tuple(folder + os.sep for folder in folders)


def _short(filename: str) -> str:
    for folder in (sys.path[0], os.getcwd()):
        root = os.path.join(folder or os.getcwd(), "")
        if filename.startswith(root):
            return filename[len(root) :]
    return os.path.basename(filename)

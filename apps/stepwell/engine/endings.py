"""How an attempt ended: from a result frame, from what the system says of a process, in words."""

from __future__ import annotations

import base64
import signal
from dataclasses import replace
from typing import Any

from stepwell.core.durations import format_duration
from stepwell.core.status import AttemptStatus
from stepwell.engine.masking import Masker
from stepwell.engine.ports import ErrorInfo, Outcome

#: the result of a driver that has nothing to do until somebody answers: it is run again then
PARKED = "parked"
#: why the attempt of such a driver ended
PARKED_REASON = "It waits for an answer."
#: fields that only machines read: a digest that happens to hold a short secret must stay whole
_EXACT = frozenset({"t", "status", "uri", "sha256", "pickled", "cache_parts"})
#: fields that hold what user code chose: nothing inside is exempt
_FREE = frozenset({"metadata", "progress"})
#: frames that say how something ended, and what people read of an error beside the log
_ENDS = frozenset({"result", "hook"})
_SAID = frozenset({"message", "traceback"})


def mask_frame(masker: Masker, frame: dict[str, Any]) -> dict[str, Any]:
    """Return a frame with secrets replaced in everything a person may read."""
    masked: dict[str, Any] = {}
    for key, value in frame.items():
        if key in _EXACT:
            masked[key] = value
            if key == "pickled" and value and _holds_secret(masker, value):
                masked["pickled_holds_secret"] = True
        elif key == "error" and frame.get("t") in _ENDS:
            masked[key] = _said(masker, _mask(masker, value))
        elif key in _FREE:
            masked[key] = masker.value(value)
        else:
            masked[key] = _mask(masker, value)
    return masked


def _holds_secret(masker: Masker, pickled: str) -> bool:
    text = base64.b64decode(pickled).decode("utf-8", "replace")
    return masker.said(text) != text


def _said(masker: Masker, error: Any) -> Any:
    if isinstance(error, dict):
        return {name: _said(masker, value) if name in _SAID else value for name, value in error.items()}
    return masker.said(error) if isinstance(error, str) else error


def _mask(masker: Masker, value: Any) -> Any:
    if isinstance(value, dict):
        return mask_frame(masker, value)
    if isinstance(value, list):
        return [_mask(masker, item) for item in value]
    return masker.value(value)


def outcome_of_result(frame: dict[str, Any]) -> Outcome:
    """Return the outcome a result frame states; a frame without a known status is a crash."""
    usage: dict[str, Any] = {name: frame.get(name) for name in ("cpu_seconds", "peak_memory_bytes")}
    if frame.get("status") == AttemptStatus.COMPLETED:
        return Outcome(status=AttemptStatus.COMPLETED, result=frame, **usage)
    if frame.get("status") == PARKED:
        return Outcome(status=AttemptStatus.INTERRUPTED, reason=PARKED_REASON, result=frame, **usage)
    if frame.get("status") != AttemptStatus.FAILED:
        return crashed("the process reported a result that is neither completed nor failed")
    error = frame.get("error") or {}
    return Outcome(
        status=AttemptStatus.FAILED,
        reason=_headline(error),
        error=ErrorInfo(
            type=str(error.get("type", "")),
            message=str(error.get("message", "")),
            traceback=str(error.get("traceback") or ""),
            where=str(error.get("where") or ""),
            retryable=bool(error.get("retryable", True)),
        ),
        result=frame,
        **usage,
    )


def published_frame(outcome: Outcome) -> dict[str, Any]:
    """Return what a step process is told once its result is stored: its last hooks go by this, not by the result."""
    error = {"type": outcome.error.type, "message": outcome.error.message} if outcome.error else None
    return {"t": "published", "status": str(outcome.status), "error": error}


def outcome_of_exit(ending: dict[str, Any]) -> Outcome:
    """Return the outcome of a process that ended without a result, from the host's ``exited`` frame."""
    if count := ending.get("crowd"):
        return crowded(count)
    if number := ending.get("signal"):
        return crashed(f"killed by signal {describe_signal(number)}")
    return crashed(f"the process ended with exit code {ending.get('exit_code')} before it reported a result")


def add_usage(outcome: Outcome, ending: dict[str, Any]) -> Outcome:
    """Return the outcome with what the system counted for the process, and how it ended if that decided."""
    decided = outcome.status not in (AttemptStatus.COMPLETED, AttemptStatus.FAILED)
    return replace(
        outcome,
        exit_code=ending.get("exit_code") if decided else None,
        signal=ending.get("signal") if decided else None,
        cpu_seconds=ending.get("cpu_seconds", outcome.cpu_seconds),
        peak_memory_bytes=ending.get("peak_memory_bytes", outcome.peak_memory_bytes),
    )


def crowded(count: int) -> Outcome:
    """Return the outcome of a step that was ended because it had started too many processes."""
    message = f"the step had more than {count} processes at once, the limit here (STEPWELL_STEP_PROCESSES)"
    error = ErrorInfo(type="TooManyProcesses", message=message)
    return Outcome(status=AttemptStatus.FAILED, reason=f"TooManyProcesses: {message}", error=error)


def crashed(reason: str) -> Outcome:
    return Outcome(status=AttemptStatus.CRASHED, reason=reason)


def interrupted(reason: str) -> Outcome:
    return Outcome(status=AttemptStatus.INTERRUPTED, reason=reason)


def cancelled() -> Outcome:
    return Outcome(status=AttemptStatus.CANCELLED, reason="cancelled")


def timed_out(seconds: float) -> Outcome:
    return Outcome(status=AttemptStatus.TIMED_OUT, reason=f"stopped after {format_duration(seconds)}, its time-out")


def describe_signal(number: int) -> str:
    """Return ``9 (SIGKILL), possibly out of memory`` and the like."""
    try:
        name = f"{number} ({signal.Signals(number).name})"
    except ValueError:
        name = str(number)
    return f"{name}, possibly out of memory" if number == signal.SIGKILL else name


def _headline(error: dict[str, Any]) -> str:
    message = str(error.get("message", "")).strip().splitlines()
    return ": ".join(part for part in (str(error.get("type", "")), message[0] if message else "") if part)[:500]

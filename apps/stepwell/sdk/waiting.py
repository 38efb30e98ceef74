"""``wait(...)``: a dynamic pipeline pauses until a person answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from stepwell.core.durations import parse_duration
from stepwell.errors import UsageError, WaitCancelled, WaitTimedOut
from stepwell.sdk import driving, tracing
from stepwell.sdk.coercion import adapter
from stepwell.sdk.driver import Driver

#: how long the process stays when nobody answers; it is run again for the answer then
_STAY_SECONDS = 2.0


def wait(schema: Any = None, timeout: float | str | None = None, question: str = "", *, name: str | None = None) -> Any:
    """Pause the run until somebody answers in the browser or over the API, and return the answer.

    Nothing is held meanwhile: no step slot, and after a moment no process. The body is run again when the answer is
    there, and gets from the journal what it had.

    Args:
        schema: what an answer must be: a type, a pydantic model, or a JSON schema as a dict. None takes any JSON.
        timeout: seconds, or text such as "2h". None waits for ever.
        question: what people are asked.
        name: how the wait is named; ``wait``, ``wait_2``, ... unless given.

    Raises:
        WaitTimedOut: Nobody answered in time; a ``TimeoutError``.
        UsageError: It is called outside of a dynamic pipeline's body, or the schema cannot be used.

    Example:
        if wait(schema=bool, question="Deploy the model?"):
            deploy(model)
    """
    driver = tracing.active_trace()
    if not isinstance(driver, Driver):
        raise UsageError("wait() works in the body of a dynamic pipeline only.", hint="Call it there, not in a step.")
    seconds = None if timeout is None else parse_duration(timeout)
    described, checker = _describe(schema)
    told = driver.ask_people(name=driver.wait_name(name), question=question, schema=described, timeout=seconds)
    return _answer(_until_closed(driver, told, seconds), checker)


def _until_closed(driver: Driver, told: dict[str, Any], seconds: float | None) -> dict[str, Any]:
    started = time.monotonic()
    while told["status"] == "open":
        stay = _STAY_SECONDS if seconds is None else min(_STAY_SECONDS, seconds)
        if not driver.line.wait_until(partial(_is_answered, driver, told["id"]), timeout=stay):
            told = driver.ask_again()
            if told["status"] == "open" and (seconds is None or time.monotonic() - started < seconds):
                driving.park(driver)
                continue
        told = driver.ask_again()
    return told


def _is_answered(driver: Driver, wait_id: str) -> bool:
    return wait_id in driver.line.answered


def _answer(told: dict[str, Any], checker: Any) -> Any:
    if told["status"] == "timed_out":
        raise WaitTimedOut("Nobody answered in time.")
    if told["status"] != "answered":
        raise WaitCancelled("The question was withdrawn: the run is being stopped.")
    return told["answer"] if checker is None else checker.validate_python(told["answer"])


def _describe(schema: Any) -> tuple[dict[str, Any], Any]:
    """Return the JSON schema of an answer, and what makes the answer a value of the type asked for."""
    if schema is None:
        return {}, None
    if isinstance(schema, Mapping):
        return _check(dict(schema)), None
    from pydantic.errors import PydanticUserError

    checker = adapter(schema)
    if checker is None:
        raise UsageError(f"wait: schema is {schema!r}.", hint="Give a type, a pydantic model or a JSON schema.")
    try:
        return checker.json_schema(mode="validation"), checker
    except PydanticUserError as exc:
        raise UsageError(f"wait: {schema!r} has no JSON schema.", hint="Give a type whose values are JSON.") from exc


def _check(schema: dict[str, Any]) -> dict[str, Any]:
    import json

    try:
        json.dumps(schema)
    except (TypeError, ValueError) as exc:
        raise UsageError(f"wait: the schema is no JSON: {exc}.", hint='Write schema={"type": "boolean"}.') from exc
    return schema

"""``NAME=VALUE`` words of the command line as parameters and step options, with errors that name the word."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from stepwell.core.durations import parse_duration
from stepwell.core.plan import Overrides, StepOptions, StepOverride
from stepwell.errors import UsageError

_YES, _NO = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def split_pairs(words: Iterable[str]) -> dict[str, str]:
    """Return ``NAME=VALUE`` words as a dict; of a name given twice the last value counts.

    Raises:
        UsageError: A word has no ``=`` or no name.
    """
    pairs: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name.strip():
            raise UsageError(f"“{word[:80]}” is not NAME=VALUE.", hint="Write for example: --param test_size=0.3.")
        pairs[name.strip()] = value
    return pairs


def near(word: str, known: Iterable[str]) -> str:
    """Return a hint that names what looks like ``word``, or everything there is."""
    names = list(known)
    found = get_close_matches(word, names, n=3, cutoff=0.5)
    if found:
        return f"Did you mean {' or '.join(found)}?"
    return f"There are: {', '.join(names[:30])}." if names else "There are none."


def read_parameters(schema: dict[str, Any], words: Iterable[str]) -> dict[str, Any]:
    """Return the parameters that were given, as the schema's types.

    Raises:
        UsageError: A parameter does not exist or its value does not fit.
    """
    # Loads jsonschema; commands without parameters do without.
    from stepwell.execution.parameters import field_types, parse_form

    given = split_pairs(words)
    properties: dict[str, Any] = schema.get("properties", {})
    for name, text in given.items():
        if name not in properties:
            raise UsageError(f"The pipeline has no parameter “{name[:80]}”.", hint=near(name, properties))
        if field_types(properties[name], schema) == ["boolean"]:
            read_flag(name, text)
    part = {**schema, "properties": {name: properties[name] for name in given}, "required": []}
    return parse_form(part, given) if given else {}


def read_flag(name: str, text: str) -> bool:
    """Return what ``true`` or ``off`` mean.

    Raises:
        UsageError: It is neither.
    """
    word = text.strip().lower()
    if word not in _YES | _NO:
        raise UsageError(f"{name}: “{text[:80]}” is not true or false.", hint="Write true or false.")
    return word in _YES


def read_overrides(words: Iterable[str], planned: dict[str, StepOptions]) -> Overrides:
    """Return the step options ``STEP.OPTION=VALUE`` words set. ``planned``: the options each step has now.

    Raises:
        UsageError: There is no such step or option, or the value does not fit.
    """
    steps: dict[str, dict[str, Any]] = {}
    for address, text in split_pairs(words).items():
        step, path = _split_address(address, planned)
        _set_option(steps.setdefault(step, {}), path, text, now=planned[step])
    return Overrides(steps={step: _checked(step, options) for step, options in steps.items()})


def _checked(step: str, options: dict[str, Any]) -> StepOverride:
    try:
        return StepOverride.model_validate(options)
    except ValidationError as exc:
        error = exc.errors()[0]
        where = ".".join(str(part) for part in (step, *error["loc"]))
        raise UsageError(f"{where}: {error['msg']}.", hint="See “stepwell runs rerun --help”.") from None


def _split_address(address: str, planned: dict[str, StepOptions]) -> tuple[str, list[str]]:
    # The longest step name that fits: a name may itself contain dots.
    for step in sorted(planned, key=len, reverse=True):
        if address.startswith(f"{step}."):
            path = address.removeprefix(f"{step}.").split(".", 1)
            if path[0] not in StepOverride.model_fields:
                raise UsageError(
                    f"“{path[0][:80]}” is not an option that a rerun may change.",
                    hint=near(path[0], StepOverride.model_fields),
                )
            return step, path
    step = address.rpartition(".")[0] or address
    raise UsageError(f"The run has no step “{step[:80]}”.", hint=near(step, planned))


def _set_option(options: dict[str, Any], path: list[str], text: str, *, now: StepOptions) -> None:
    name = path[0]
    if len(path) == 2:
        # One value inside: the others stay as they are.
        inner = options.setdefault(name, _inner_of(name, now))
        inner[path[1]] = text if name == "environment" else _number_or_text(text)
    elif name == "retry":
        options["retry"] = {**now.retry.model_dump(), "max_retries": _number_or_text(text)}
    elif name == "timeout":
        options["timeout"] = 0 if text.strip().lower() in _NO | {"none"} else parse_duration(text)
    elif name in {"enable_cache", "hooks_enabled"}:
        options[name] = read_flag(name, text)
    elif name in {"experiment_tracker", "step_operator"}:
        options[name] = False if text.strip().lower() in _NO else text
    else:
        options[name] = _json_object(name, text)


def _inner_of(name: str, now: StepOptions) -> dict[str, Any]:
    if name == "retry":
        return now.retry.model_dump()
    if name in {"environment", "settings"}:
        return dict(getattr(now, name))
    raise UsageError(f"{name} has nothing inside it.", hint=f"Write {name}=VALUE.")


def _number_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _json_object(name: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UsageError(f"{name}: “{text[:80]}” is not a JSON object.", hint=f"Write {name}.NAME=VALUE.")
    return value

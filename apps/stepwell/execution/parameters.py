"""Parameters of a run, checked against the schema the pipeline's type hints gave."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import UUID

from stepwell.errors import UsageError

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

_WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a JSON list",
    "object": "a JSON object",
    "null": "nothing",
}


class ParameterErrors(UsageError):
    """Some parameters do not fit."""

    code = "parameters"

    def __init__(self, fields: dict[str, str]) -> None:
        self.fields = fields
        super().__init__(" ".join(f"{name}: {message}" for name, message in fields.items()), fields=fields)


def check_parameters(schema: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return ``values`` completed with the schema's defaults.

    Where a parameter takes no text, the id of a stored artifact version stands for its value.

    Raises:
        ParameterErrors: A parameter is unknown, missing or does not fit its type; names every one.
    """
    properties = schema.get("properties", {})
    complete = {
        **{name: field["default"] for name, field in properties.items() if "default" in field},
        **values,
    }
    problems = {name: _unknown(name, properties) for name in values if name not in properties}
    for name in schema.get("required", []):
        if name not in complete:
            problems[name] = "This parameter is required."
    validator = _validator(schema)
    known = {name: value for name, value in complete.items() if name in properties}
    for error in validator.iter_errors(known):
        if error.path and not _is_stored(known[str(error.path[0])]):
            problems.setdefault(str(error.path[0]), _explain(error))
    for name, value in known.items():
        if is_endless(value):
            problems.setdefault(name, "A number in it is too large.")
        elif _has_refused_text(value):
            problems.setdefault(name, "Text with NUL characters or half characters cannot be stored.")
    if problems:
        raise ParameterErrors(problems)
    return complete


def check_value(schema: dict[str, Any], value: Any, *, name: str) -> None:
    """Refuse a single JSON value that does not fit a schema.

    Raises:
        ParameterErrors: It does not; ``name`` stands for it.
    """
    problem = next(iter(_validator(schema).iter_errors(value)), None)
    if problem is not None:
        place = ".".join([name, *(str(part) for part in problem.path)])
        raise ParameterErrors({place: _explain(problem)})
    if is_endless(value) or _has_refused_text(value):
        raise ParameterErrors({name: "It holds a number or a character that cannot be stored."})


def _is_stored(value: Any) -> bool:
    # By name, and only where Django runs: ``stepwell run`` reads parameters before it loads it.
    apps = getattr(sys.modules.get("django.apps"), "apps", None)
    if not isinstance(value, str) or apps is None or not apps.ready:
        return False
    try:
        number = UUID(value)
    except ValueError:
        return False
    return bool(apps.get_model("artifacts", "ArtifactVersion").objects.filter(id=number).exists())


def parse_form(schema: dict[str, Any], strings: dict[str, str]) -> dict[str, Any]:
    """Return the parameters a form's strings spell. An empty field takes the default; an absent checkbox is false.

    Raises:
        ParameterErrors: A field does not fit its type.
    """
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, field in schema.get("properties", {}).items():
        text = strings.get(name)
        kinds = field_types(field, schema)
        if kinds == ["boolean"]:
            values[name] = (text or "").lower() in {"on", "true", "1", "yes"}
            continue
        if text is None or (text == "" and "string" not in kinds):
            if "default" not in field and "null" in kinds and text is not None:
                values[name] = None
            continue
        try:
            values[name] = _parse_one(text, kinds)
        except ValueError:
            problems[name] = f"“{text[:60]}” is not {_words(kinds)}."
    try:
        complete = check_parameters(schema, values)
    except ParameterErrors as exc:
        raise ParameterErrors({**exc.fields, **problems}) from None
    if problems:
        raise ParameterErrors(problems)
    return complete


def field_types(field: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Return the JSON types a field takes, ``$ref`` and ``anyOf`` followed; empty when it takes any."""
    if ref := field.get("$ref"):
        return field_types(schema.get("$defs", {}).get(ref.rsplit("/", 1)[-1], {}), schema)
    if options := field.get("anyOf"):
        return [kind for option in options for kind in field_types(option, schema)]
    kind = field.get("type")
    if kind is None:
        return ["string"] if all(isinstance(value, str) for value in field.get("enum", [0])) else []
    return [kind] if isinstance(kind, str) else list(kind)


def is_endless(value: Any) -> bool:
    """Return whether a value holds a number such as 1e999, which JSON reads as infinity and no database stores."""
    return _any_inside(value, lambda inner: isinstance(inner, float) and not math.isfinite(inner))


def _has_refused_text(value: Any) -> bool:
    return _any_inside(value, lambda inner: isinstance(inner, str) and any(map(_is_refused, inner)))


def _is_refused(char: str) -> bool:
    # Postgres refuses NUL and lone surrogates in JSON; so do we, everywhere.
    return char == "\0" or "\ud800" <= char <= "\udfff"


def _any_inside(value: Any, check: Callable[[Any], bool]) -> bool:
    if isinstance(value, dict):
        return any(check(key) or _any_inside(inner, check) for key, inner in value.items())
    if isinstance(value, list):
        return any(_any_inside(inner, check) for inner in value)
    return check(value)


def _parse_one(text: str, kinds: list[str]) -> Any:
    if kinds in (["string"], ["string", "null"]):
        return text
    if "string" in kinds:
        try:
            return _parse_json(text)
        except ValueError:
            return text
    if set(kinds) <= {"integer", "number", "null"}:
        text = text.replace("_", "")
    return _parse_json(text)


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as exc:
        raise ValueError("nested too deep") from exc


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _words(kinds: list[str]) -> str:
    return " or ".join(_WORDS[kind] for kind in kinds if kind != "null") or "JSON"


def _unknown(name: str, properties: dict[str, Any]) -> str:
    known = ", ".join(properties) or "none"
    return f"The pipeline has no such parameter. It has: {known}."


def _validator(schema: dict[str, Any]) -> Draft202012Validator:
    # Loading the library takes a tenth of a script's start, and few processes check anything.
    return import_module("jsonschema").Draft202012Validator(schema)


def _explain(error: ValidationError) -> str:
    value = json.dumps(error.instance)[:60]
    if error.validator == "type":
        kinds = [error.validator_value] if isinstance(error.validator_value, str) else list(error.validator_value)
        return f"{value} is not {_words(kinds)}."
    if error.validator == "enum":
        return f"{value} is not one of {', '.join(json.dumps(option) for option in error.validator_value)}."
    if error.validator == "anyOf":
        return f"{value} does not fit the parameter's type."
    return f"{error.message[:200]}."

"""Form fields made from a pipeline's parameters: what a field shows, and what its text spells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stepwell.execution.parameters import check_parameters, field_types, parse_form

#: before the name of a parameter in the form, so that none can stand for another field
PREFIX = "p:"
_TYPE_WORDS = {
    "integer": "int",
    "number": "float",
    "string": "str",
    "boolean": "bool",
    "array": "list",
    "object": "dict",
    "null": "None",
}
_INPUT_MODES = {"integer": "numeric", "number": "decimal"}
_LONG_TEXT = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field as the template prints it. ``kind``: text, area, checkbox or select."""

    key: str
    id: str
    label: str
    kind: str
    type_word: str = ""
    value: str = ""
    is_on: bool = False
    options: tuple[str, ...] = ()
    input_mode: str = ""
    help: str = ""
    error: str = ""
    #: what it was, when the person changed it
    was: str = ""
    is_changed: bool = False
    is_required: bool = False


def parameter_fields(
    schema: dict[str, Any],
    values: Mapping[str, Any],
    *,
    posted: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    show_was: bool = False,
) -> list[Field]:
    """Return a field per parameter, holding ``values``, or what was ``posted`` when that is given.

    ``show_was`` marks the fields whose text is not what ``values`` say.
    """
    required = set(schema.get("required", []))
    fields = []
    for index, (name, about) in enumerate(schema.get("properties", {}).items()):
        kinds = field_types(about, schema)
        options = _options(about, schema, kinds)
        before = _text(values[name], kinds) if name in values else ""
        text = before if posted is None else posted.get(f"{PREFIX}{name}", "")
        kind = _kind(kinds, options, before)
        is_on = text.lower() in {"on", "true", "1"}
        is_changed = show_was and ((is_on != (before == "true")) if kind == "checkbox" else text.strip() != before)
        fields.append(
            Field(
                key=f"{PREFIX}{name}",
                id=f"p{index}",
                label=name,
                kind=kind,
                type_word=_type_word(kinds, options),
                value=text,
                is_on=is_on,
                options=options,
                input_mode=_INPUT_MODES.get(kinds[0], "") if len(kinds) == 1 else "",
                help=str(about.get("description") or ""),
                error=(errors or {}).get(name, ""),
                was=f"was {before or 'empty'}" if is_changed else "",
                is_changed=is_changed,
                is_required=name in required and name not in values,
            )
        )
    return fields


def read_parameters(schema: dict[str, Any], posted: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters a form's text spells, completed with defaults.

    An empty field of a parameter that may be None is None.

    Raises:
        ParameterErrors: A field does not fit.
    """
    properties = schema.get("properties", {})
    texts = {
        name: posted[f"{PREFIX}{name}"].replace("\r\n", "\n") for name in properties if f"{PREFIX}{name}" in posted
    }
    nothing = {
        name for name, text in texts.items() if not text.strip() and "null" in field_types(properties[name], schema)
    }
    rest = {
        **schema,
        "properties": {name: about for name, about in properties.items() if name not in nothing},
        "required": [name for name in schema.get("required", []) if name not in nothing],
    }
    # A type that the text cannot spell is told per field by parse_form, a wrong value by the schema as a whole.
    parsed = parse_form(rest, texts)
    return check_parameters(schema, {**parsed, **dict.fromkeys(nothing)})


def defaults(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters that have a default, with it."""
    return {name: about["default"] for name, about in schema.get("properties", {}).items() if "default" in about}


def _kind(kinds: list[str], options: tuple[str, ...], before: str) -> str:
    if kinds == ["boolean"]:
        return "checkbox"
    if options:
        return "select"
    is_long = "\n" in before or len(before) > _LONG_TEXT
    return "area" if is_long or not kinds or {"array", "object"} & set(kinds) else "text"


def _options(about: dict[str, Any], schema: dict[str, Any], kinds: list[str]) -> tuple[str, ...]:
    if set(kinds) == {"boolean", "null"}:
        return ("", "true", "false")
    choices = _enum(about, schema)
    return tuple("" if choice is None else _text(choice, kinds) for choice in choices)


def _enum(about: dict[str, Any], schema: dict[str, Any]) -> list[Any]:
    if ref := about.get("$ref"):
        return _enum(schema.get("$defs", {}).get(ref.rsplit("/", 1)[-1], {}), schema)
    if "const" in about:
        return [about["const"]]
    if branches := about.get("anyOf"):
        found = [_enum(branch, schema) or ([None] if branch.get("type") == "null" else []) for branch in branches]
        return [choice for choices in found for choice in choices] if all(found) else []
    return list(about.get("enum", []))


def _text(value: Any, kinds: list[str]) -> str:
    if value is None:
        return "" if "null" in kinds else "null"
    if isinstance(value, str) and "string" in kinds:
        return value
    return json.dumps(value, ensure_ascii=False)


def _type_word(kinds: list[str], options: tuple[str, ...]) -> str:
    if options and set(kinds) <= {"string", "null"}:
        return ""
    return " or ".join(_TYPE_WORDS.get(kind, kind) for kind in kinds) or "JSON"

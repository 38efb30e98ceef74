"""The form that answers a wait: its fields from the question's JSON schema, and what they spell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stepwell.execution.parameters import field_types
from stepwell.web import forms
from stepwell.web.forms import Field

#: what a schema that is not an object with known keys is called in the form
ANSWER = "answer"


def answer_fields(
    schema: dict[str, Any], *, posted: Mapping[str, str] | None, errors: Mapping[str, str] | None
) -> list[Field]:
    """Return a field per key of an object, else one field for the whole answer."""
    shaped = _as_object(schema)
    return forms.parameter_fields(shaped, forms.defaults(shaped), posted=posted, errors=errors)


def read_answer(schema: dict[str, Any], posted: Mapping[str, str]) -> Any:
    """Return the JSON value a form's text spells.

    Raises:
        ParameterErrors: A field does not fit.
    """
    values = forms.read_parameters(_as_object(schema), posted)
    return values if _has_keys(schema) else values.get(ANSWER)


def is_yes_or_no(schema: dict[str, Any]) -> bool:
    """Return whether the answer is true or false, for which two buttons serve better than a form."""
    return field_types(schema, schema) == ["boolean"]


def _has_keys(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "object" and bool(schema.get("properties"))


def _as_object(schema: dict[str, Any]) -> dict[str, Any]:
    if _has_keys(schema):
        return schema
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    return {
        "type": "object",
        "properties": {ANSWER: inner},
        "required": [ANSWER],
        "$defs": schema.get("$defs", {}),
    }

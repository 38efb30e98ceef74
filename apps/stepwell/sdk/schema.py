"""The JSON schema of a pipeline's parameters, from its type hints: forms and the API are made from it."""

from __future__ import annotations

from typing import Any

from stepwell.sdk.annotations import EMPTY
from stepwell.sdk.coercion import adapter, type_text
from stepwell.sdk.signature import Input, Signature


def parameters_schema(signature: Signature) -> dict[str, Any]:
    """Return a schema of an object with one property per parameter (draft 2020-12)."""
    definitions: dict[str, Any] = {}
    properties = {name: _property(item, definitions) for name, item in signature.inputs.items()}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": [name for name, item in signature.inputs.items() if item.is_required],
        "additionalProperties": False,
    }
    return {**schema, "$defs": definitions} if definitions else schema


def with_defaults(schema: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return a schema in which plain ``values`` are the defaults of their parameters."""
    known = {name: value for name, value in values.items() if name in schema["properties"]}
    properties = {
        name: {**field, "default": known[name]} if name in known else field
        for name, field in schema["properties"].items()
    }
    required = [name for name in schema["required"] if name not in known]
    return {**schema, "properties": properties, "required": required}


def plain(item: Input, value: Any) -> Any:
    """Return a parameter's value as plain JSON, from which its annotation makes the value again."""
    from pydantic import ValidationError
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    checker = adapter(item.annotation)
    if checker is not None:
        try:
            return checker.dump_python(checker.validate_python(value), mode="json", by_alias=True, warnings=False)
        except (ValidationError, PydanticSerializationError, ValueError):
            pass
    try:
        return to_jsonable_python(value)
    except (PydanticSerializationError, ValueError):
        return repr(value)


def _property(item: Input, definitions: dict[str, Any]) -> dict[str, Any]:
    found = _of_annotation(item.annotation, definitions)
    if item.default is not EMPTY:
        found["default"] = plain(item, item.default)
        if item.default is None and not _takes_none(found):
            found = {"anyOf": [{**found, "default": None}, {"type": "null"}], "default": None}
            del found["anyOf"][0]["default"]
    return found


def _of_annotation(annotation: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError

    checker = adapter(annotation)
    if checker is None:
        return {}
    try:
        found = checker.json_schema(mode="validation")
    except (PydanticInvalidForJsonSchema, PydanticUserError):
        return {"description": f"{type_text(annotation)}: can be given by a script only."}
    definitions.update(found.pop("$defs", {}))
    return dict(found)


def _takes_none(schema: dict[str, Any]) -> bool:
    options = schema.get("anyOf", [schema])
    return not schema.keys() - {"default"} or any(option.get("type") == "null" for option in options)

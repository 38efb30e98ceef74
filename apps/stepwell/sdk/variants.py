"""Variants: what ``with_options`` and configuration files change about a pipeline, as data that brings it back."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from stepwell.sdk import typenames
from stepwell.sdk.configfile import FileValues, is_same

if TYPE_CHECKING:
    from stepwell.sdk.pipelines import Pipeline

_MISSING = object()


def describe_variant(pipeline: Pipeline) -> dict[str, Any]:
    """Return what of a pipeline's options differs from the object that its module holds; {} where nothing does.

    What has no name another process could find it by (a local function as a hook) is left out.
    """
    origin = pipeline.importable
    if pipeline is origin or not hasattr(origin, "step_options"):
        return {}
    options = _plain_options(
        {
            name: value
            for name, value in pipeline.options.items()
            if not is_same(origin.options.get(name, _MISSING), value)
        }
    )
    steps = {name: _plain_options(given) for name, given in pipeline.step_options.items()}
    of_steps = {name: sorted(names) for name, names in pipeline.file.steps.items() if names}
    from_file = {"options": sorted(pipeline.file.options), "steps": of_steps}
    found = {
        "options": options,
        "steps": steps,
        "from_file": {name: value for name, value in from_file.items() if value},
        "warnings": list(pipeline.file.warnings),
    }
    return {name: value for name, value in found.items() if value}


def for_run(pipeline: Pipeline, variant: Mapping[str, Any]) -> Pipeline:
    """Return a pipeline as a stored run has it: with the variant's options, and the run's parameters as they are."""
    steps: dict[str, Any] = {name: _readable(given) for name, given in variant.get("steps", {}).items()}
    from_file = variant.get("from_file", {})
    made = pipeline.with_options(merge=False, steps=steps, **_readable(variant.get("options", {})))
    # The parameters a file sets are in the run's own, which a person may have changed since.
    made.file = FileValues(
        name=pipeline.file.name or "The configuration file",
        options=made.file.options.union(from_file.get("options", ())),
        steps={
            name: made.file.of_step(name).union(from_file.get("steps", {}).get(name, ()))
            for name in [*made.file.steps, *steps]
        },
        warnings=(*pipeline.file.warnings, *variant.get("warnings", ())),
    )
    return made


def _readable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored options as ``with_options`` takes them."""
    found = dict(options)
    if "name" in (policy := found.get("cache_policy") or {}):
        found["cache_policy"] = policy["name"]
    return found


def _plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: _plain(value) for name, value in options.items()}
    return {name: value for name, value in plain.items() if value is not _MISSING}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return _plain_options({str(key): item for key, item in value.items()})
    if isinstance(value, list | tuple):
        found = [_plain(item) for item in value]
        return [item for item in found if item is not _MISSING]
    if hasattr(value, "given") and callable(value.given):
        return _plain(value.given())
    if hasattr(value, "__dataclass_fields__"):
        return _plain({name: getattr(value, name) for name in value.__dataclass_fields__})
    if named := typenames.reference(value):
        return ".".join(named)
    return _plain_other(value)


def _plain_other(value: Any) -> Any:
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    try:
        return to_jsonable_python(value)
    except (PydanticSerializationError, ValueError):
        return _MISSING

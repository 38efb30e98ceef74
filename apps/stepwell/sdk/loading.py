"""A step's inputs: parameters decoded, stored values loaded after their bytes were checked."""

from __future__ import annotations

from typing import Any

from stepwell.core import values
from stepwell.errors import ArtifactError
from stepwell.sdk.artifactstore import ArtifactCorrupt, ArtifactStore
from stepwell.sdk.context import InputRef
from stepwell.sdk.materializers import plain, storing


def load_inputs(inputs: dict[str, Any], *, store: ArtifactStore, step_name: str) -> dict[str, Any]:
    """Return the value of every input of a step.

    Raises:
        ArtifactCorrupt: Stored data is missing or is not what was recorded; nothing of it was loaded.
        ArtifactError: A value's class or materializer is not part of this code.
    """
    return {name: _load(one, store=store, where=(step_name, name)) for name, one in inputs.items()}


def load_stored(stored: dict[str, Any], *, store: ArtifactStore) -> Any:
    """Return the value of one stored artifact version.

    Raises:
        ArtifactCorrupt: The data is missing or is not what was recorded; nothing of it was loaded.
        ArtifactError: The value's class or materializer is not part of this code.
    """
    folder = store.verify(stored["uri"], size=stored["size"], sha256=stored["sha256"])
    return storing.load(folder, materializer=stored["materializer"], type_name=stored.get("type", ""))


def list_stored(resolved: dict[str, Any]) -> list[InputRef]:
    """Return the stored values a resolved input consists of."""
    if resolved["kind"] == "stored":
        return [InputRef(**{name: str(resolved.get(name, "")) for name in ("id", "name", "uri", "type")})]
    children = [*resolved.get("items", ()), *resolved.get("entries", {}).values()]
    children += [resolved["of"]] if "of" in resolved else []
    return [found for child in children for found in list_stored(child)]


def _load(resolved: dict[str, Any], *, store: ArtifactStore, where: tuple[str, str]) -> Any:
    kind = resolved["kind"]
    if kind == "value":
        return _decode(resolved["value"])
    if kind == "item":
        return _load_one(resolved["of"], store=store, where=where)[resolved["index"]]
    if kind == "stored":
        return _load_one(resolved, store=store, where=where)
    if kind in ("list", "tuple"):
        items = [_load(item, store=store, where=where) for item in resolved["items"]]
        return items if kind == "list" else tuple(items)
    if kind == "dict":
        return {name: _load(entry, store=store, where=where) for name, entry in resolved["entries"].items()}
    raise ArtifactError(f"The input {where[1]} of the step {where[0]} has the unknown kind {kind!r}.")


def _decode(encoded: Any) -> Any:
    try:
        return plain.decode_here(encoded)
    except ArtifactError:
        # the class moved since the run was planned: the annotation may still make one of the plain content
        return values.decode(encoded)


def _load_one(stored: dict[str, Any], *, store: ArtifactStore, where: tuple[str, str]) -> Any:
    step_name, input_name = where
    thing = f"The step {step_name} cannot load its input {input_name}, {stored.get('name') or 'a stored value'}"
    try:
        return load_stored(stored, store=store)
    except ArtifactCorrupt as exc:
        raise ArtifactCorrupt(
            f"{thing} (artifact_corrupt). {exc.message}", hint="Run the step that made it again.", step=step_name
        ) from exc
    except ArtifactError as exc:
        raise ArtifactError(f"{thing}: {exc.message}", hint=exc.hint, step=step_name) from exc

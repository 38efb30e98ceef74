"""Storing one value in a folder and loading it again: picks the materializer, reports what people see of the value."""

from __future__ import annotations

import os
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from stepwell.errors import ArtifactError
from stepwell.sdk import jsonable, typenames
from stepwell.sdk.artifactstore import StorageFull
from stepwell.sdk.kinds import kind_of
from stepwell.sdk.materializers import arrays, images, tables, texts
from stepwell.sdk.materializers.base import BaseMaterializer, VisualizationType, choose, find_for
from stepwell.sdk.materializers.pickled import PickleMaterializer
from stepwell.sdk.materializers.plain import PlainMaterializer, encode_faithfully

#: modules that register their materializers when they are imported
BUILT_IN = (arrays, images, tables, texts)
#: larger visualizations stay in the artifact, but no page shows them
MAX_VISUALIZATION_BYTES = 20 * 1024 * 1024
_QUIET = (Enum, OrderedDict, defaultdict, Counter, type)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """How a value was stored; ``warning`` is for the person who wrote the step, empty when all is well."""

    type: str
    materializer: str
    metadata: dict[str, Any]
    visualizations: list[dict[str, Any]]
    warning: str = ""
    #: what the materializer says its values are: ``model``, ``data``, ...
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was asked for one output: ``materializers`` to choose from, and what to leave out."""

    materializers: tuple[type[BaseMaterializer], ...] = ()
    with_metadata: bool = True
    with_visualizations: bool = True


def save(value: Any, folder: Path, *, wishes: Wishes | None = None) -> Saved:
    """Write ``value`` into ``folder``.

    Raises:
        ArtifactError: The value cannot be stored; the message names its type.
    """
    wishes = wishes or Wishes()
    materializer, warning = _save_with(value, folder, wishes.materializers)
    notes = [warning] if warning else []
    metadata: dict[str, Any] = {}
    shown: list[dict[str, Any]] = []
    if wishes.with_metadata:
        metadata = _tolerate(lambda: jsonable.clean_metadata(materializer.extract_metadata(value)), {}, notes)
    if wishes.with_visualizations:
        shown = _tolerate(lambda: _visualize(materializer, value, folder), [], notes)
    return Saved(
        type=typenames.printable(type(value)),
        materializer=typenames.printable(type(materializer)),
        metadata=metadata,
        visualizations=shown,
        warning=" ".join(notes),
        kind=kind_of(materializer.ASSOCIATED_ARTIFACT_TYPE),
    )


def load(folder: Path, *, materializer: str, type_name: str) -> Any:
    """Return the value in ``folder``. Only for processes that run the user's code anyway.

    Raises:
        ArtifactError: The materializer or the value's class is not part of this code.
    """
    try:
        maker = typenames.find_dotted(materializer)
    except LookupError as exc:
        raise ArtifactError(f"The materializer {materializer} is not part of this code.") from exc
    if not (isinstance(maker, type) and issubclass(maker, BaseMaterializer)):
        raise ArtifactError(f"{materializer} is no materializer.")
    return maker(folder).load(_class_named(type_name))


def _save_with(value: Any, folder: Path, wanted: tuple[type[BaseMaterializer], ...]) -> tuple[BaseMaterializer, str]:
    maker = choose(wanted, type(value)) or find_for(value)
    if maker is None:
        text = encode_faithfully(value)
        if text is not None:
            plain = PlainMaterializer(folder)
            plain.write(text)
            return plain, ""
        maker = PickleMaterializer
    materializer = maker(folder)
    if maker is not PickleMaterializer:
        materializer.save(value)
        return materializer, ""
    _pickle(materializer, value)
    return materializer, _pickle_warning(value)


def _pickle(materializer: BaseMaterializer, value: Any) -> None:
    try:
        materializer.save(value)
    except (OSError, MemoryError):
        raise
    except Exception as exc:  # whatever the classes of the user's value do while they are pickled
        raise ArtifactError(
            f"A value of type {typenames.printable(type(value))} cannot be stored: {exc}.",
            hint="Return plain data instead, or give the output a materializer.",
        ) from exc


def _pickle_warning(value: Any) -> str:
    is_namedtuple = isinstance(value, tuple) and hasattr(value, "_fields")
    if is_namedtuple or isinstance(value, _QUIET):
        return ""
    return (
        f"A value of type {typenames.printable(type(value))} is stored with cloudpickle: "
        "it may not load with other versions of Python or its library. A materializer avoids that."
    )


def _tolerate(work: Any, otherwise: Any, notes: list[str]) -> Any:
    try:
        return work()
    except StorageFull:
        raise
    except Exception as exc:  # facts and pictures are extras: a value without them is still stored
        notes.append(f"Showing the value failed: {type(exc).__name__}: {exc}"[:500])
        return otherwise


def _visualize(materializer: BaseMaterializer, value: Any, folder: Path) -> list[dict[str, Any]]:
    shown = []
    for path, kind in (materializer.save_visualizations(value) or {}).items():
        file = _inside(folder, path)
        size = (folder / file).stat().st_size
        if size <= MAX_VISUALIZATION_BYTES:
            shown.append({"kind": str(VisualizationType(kind)), "file": file, "size": size})
    return shown


def _inside(folder: Path, path: str | os.PathLike[str]) -> str:
    name = os.path.relpath(os.path.realpath(folder / path), os.path.realpath(folder))
    if name.startswith(".."):
        raise ArtifactError(f"The visualization {os.fspath(path)!r} is outside the value's folder.")
    return name


def _class_named(name: str) -> type[Any]:
    for path in (name, f"builtins.{name}"):
        try:
            found = typenames.find_dotted(path)
        except LookupError:
            continue
        if isinstance(found, type):
            return found
    return object


def iter_materializers(asked: Iterable[Any]) -> tuple[type[BaseMaterializer], ...]:
    """Return classes for ``asked``, which holds materializer classes or their dotted names.

    Raises:
        ArtifactError: Something in it is no materializer.
    """
    found = []
    for one in asked:
        try:
            maker = typenames.find_dotted(one) if isinstance(one, str) else one
        except LookupError as exc:
            raise ArtifactError(f"The materializer {one} is not part of this code.") from exc
        if not (isinstance(maker, type) and issubclass(maker, BaseMaterializer)):
            raise ArtifactError(f"{one!r} is no materializer.", hint="Subclass BaseMaterializer.")
        found.append(maker)
    return tuple(found)

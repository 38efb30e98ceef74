"""The base class of materializers, and which one stores a value."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, ClassVar


class VisualizationType(StrEnum):
    """How a picture of a value is shown on its page."""

    HTML = "html"
    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"
    IMAGE = "image"


class Files:
    """The files of one value, as a materializer's ``artifact_store``; paths are those below its ``uri``."""

    def open(self, path: str | os.PathLike[str], mode: str = "r") -> IO[Any]:
        """Open a file; text is UTF-8."""
        return open(path, mode, encoding=None if "b" in mode else "utf-8")

    def exists(self, path: str | os.PathLike[str]) -> bool:
        return os.path.exists(path)

    def makedirs(self, path: str | os.PathLike[str]) -> None:
        os.makedirs(path, exist_ok=True)

    def listdir(self, path: str | os.PathLike[str]) -> list[str]:
        return sorted(os.listdir(path))

    def copyfile(self, source: str | os.PathLike[str], target: str | os.PathLike[str], overwrite: bool = False) -> None:
        if not overwrite and os.path.exists(target):
            raise FileExistsError(f"{os.fspath(target)} is there already.")
        shutil.copyfile(source, target)


class BaseMaterializer:
    """Stores values of ``ASSOCIATED_TYPES`` as files in the folder ``self.uri`` and loads them back.

    Defining a subclass registers it for its types and their subclasses.

    Example:
        class ModelMaterializer(BaseMaterializer):
            ASSOCIATED_TYPES = (Model,)

            def save(self, data):
                data.write(os.path.join(self.uri, "model.bin"))

            def load(self, data_type):
                return Model.read(os.path.join(self.uri, "model.bin"))
    """

    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = ()
    #: ``module.Class`` of types whose package is not imported for their sake
    ASSOCIATED_NAMES: ClassVar[tuple[str, ...]] = ()
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[Any] = None
    SKIP_REGISTRATION: ClassVar[bool] = False

    def __init__(self, uri: str | os.PathLike[str], artifact_store: Any = None) -> None:
        self.uri = os.fspath(uri)
        self.artifact_store = artifact_store or Files()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not cls.__dict__.get("SKIP_REGISTRATION", False):
            _register(cls)

    @classmethod
    def can_store(cls, data: Any) -> bool:
        """Tell whether ``data`` comes back equal and with the same type; False passes it on to the next one."""
        return True

    def load(self, data_type: type[Any]) -> Any:
        """Return the value stored in ``self.uri``; ``data_type`` is the class it had."""
        raise NotImplementedError(f"{type(self).__name__} has no load.")

    def save(self, data: Any) -> None:
        """Write ``data`` to files in ``self.uri``."""
        raise NotImplementedError(f"{type(self).__name__} has no save.")

    def save_visualizations(self, data: Any) -> dict[str, VisualizationType]:
        """Write files that show ``data`` and return their paths with their kinds."""
        return {}

    def extract_metadata(self, data: Any) -> dict[str, Any]:
        """Return facts about ``data`` that are shown and searched; each has a JSON form."""
        return {}

    def file(self, name: str) -> Path:
        """Return the path of the file ``name`` in this value's folder."""
        return Path(self.uri) / name


_by_type: dict[type, type[BaseMaterializer]] = {}
_by_name: dict[str, type[BaseMaterializer]] = {}


def find_for(value: Any) -> type[BaseMaterializer] | None:
    """Return the materializer registered for the nearest base of the value's class that can store it, or None."""
    for base in type(value).__mro__[:-1]:
        found = _by_type.get(base) or _by_name.get(f"{base.__module__}.{base.__qualname__}")
        if found is not None and found.can_store(value):
            return found
    return None


def choose(wanted: Iterable[type[BaseMaterializer]], kind: type) -> type[BaseMaterializer] | None:
    """Return the one of ``wanted`` whose types fit ``kind`` best; the first when none of them does."""
    candidates = list(wanted)
    for base in kind.__mro__:
        for candidate in candidates:
            if base in candidate.ASSOCIATED_TYPES:
                return candidate
    return candidates[0] if candidates else None


def _register(cls: type[BaseMaterializer]) -> None:
    for kind in cls.__dict__.get("ASSOCIATED_TYPES", ()):
        if not isinstance(kind, type):
            raise TypeError(f"{cls.__name__}.ASSOCIATED_TYPES holds {kind!r}, which is no class.")
        if kind is not object:
            _by_type[kind] = cls
    for name in cls.__dict__.get("ASSOCIATED_NAMES", ()):
        _by_name[name] = cls

"""Numbers, text, containers, dates, dataclasses and models, as JSON that keeps every type."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from stepwell.core import values
from stepwell.errors import ArtifactError, UsageError
from stepwell.sdk import typenames
from stepwell.sdk.materializers.base import BaseMaterializer, VisualizationType

FILE = "value.json"
#: larger JSON is stored, but not shown
SHOWN_BYTES = 200_000
_TEXT_SHOWN = 1000
#: values of classes that are found by name; those of the user's making can do as they like when they are made again
_NAMED = ("enum", "namedtuple", "dataclass", "model")
_CHECKED = (*_NAMED, "numpy", "path")


class PlainMaterializer(BaseMaterializer):
    """Whatever ``core.values`` encodes: builtins, dates, Decimal, UUID, Path, dataclasses and nestings of them."""

    def save(self, data: Any) -> None:
        text = encode_faithfully(data)
        if text is None:
            raise UsageError(f"A value of type {typenames.printable(type(data))} has no faithful JSON form.")
        self.write(text)

    def write(self, text: str) -> None:
        """Write a value that was encoded already."""
        self.file(FILE).write_text(text, encoding="utf-8")

    def load(self, data_type: type[Any]) -> Any:
        return decode_here(json.loads(self.file(FILE).read_text(encoding="utf-8")))

    def save_visualizations(self, data: Any) -> dict[str, VisualizationType]:
        if isinstance(data, (dict, list)) and self.file(FILE).stat().st_size <= SHOWN_BYTES:
            return {FILE: VisualizationType.JSON}
        return {}

    def extract_metadata(self, data: Any) -> dict[str, Any]:
        if isinstance(data, float) or (isinstance(data, int) and abs(data) < 1 << 63):
            return {"value": data}
        if isinstance(data, str):
            return {"length": len(data), "value": data} if len(data) <= _TEXT_SHOWN else {"length": len(data)}
        if isinstance(data, (dict, list, tuple, set, frozenset)):
            return {"length": len(data)}
        return {}


class BytesMaterializer(BaseMaterializer):
    """Bytes as they are."""

    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (bytes,)

    @classmethod
    def can_store(cls, data: Any) -> bool:
        return type(data) is bytes

    def save(self, data: bytes) -> None:
        self.file("value.bin").write_bytes(data)

    def load(self, data_type: type[Any]) -> bytes:
        return self.file("value.bin").read_bytes()

    def extract_metadata(self, data: bytes) -> dict[str, Any]:
        return {"length": len(data)}


def encode_faithfully(data: Any) -> str | None:
    """Return ``data`` as JSON text that gives back an equal value of equal type; None when there is no such text."""
    try:
        text = _dump(data)
    except UsageError:
        return None
    if any(f'{{"$":"{tag}"' in text for tag in _CHECKED) and not _comes_back(data, text):
        return None
    return text


def _dump(data: Any) -> str:
    return json.dumps(values.encode(data), separators=(",", ":"))


def _comes_back(data: Any, text: str) -> bool:
    extra = set(getattr(data, "__dict__", ())) - set(getattr(type(data), "__dataclass_fields__", ()))
    if hasattr(type(data), "__dataclass_fields__") and extra:
        return False
    try:
        again = values.decode(json.loads(text))
        return type(again) is type(data) and _dump(again) == text and bool(again == data)
    except Exception:  # the user's constructors, validators and __eq__; pickle is tried next
        return False


def decode_here(encoded: Any) -> Any:
    """Return what ``core.values`` encoded, with the modules of its classes imported first.

    Raises:
        ArtifactError: A class in it is not part of this code.
    """
    _load_classes(encoded)
    return values.decode(encoded)


def _load_classes(encoded: Any) -> None:
    # `decode` finds classes in loaded modules only and falls back to plain content, which is not the stored value
    if isinstance(encoded, list):
        for item in encoded:
            _load_classes(item)
    elif isinstance(encoded, dict):
        if encoded.get("$") in _NAMED:
            module, _, name = encoded["type"].partition(":")
            try:
                typenames.find(module, name)
            except LookupError as exc:
                raise ArtifactError(f"The stored value's class {module}.{name} is not part of this code.") from exc
        for item in encoded.values():
            _load_classes(item)

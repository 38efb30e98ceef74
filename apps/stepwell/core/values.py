"""Values of parameters as JSON that keeps their types, and as bytes to hash.

``None``, booleans, numbers, text, lists and dicts with text keys stand for themselves; anything else is
``{"$": tag, "v": ...}``. Decoding imports nothing: an enum member or a dataclass comes back as such only where its
class is loaded already, and as its plain content elsewhere (in the web process, which never loads user code).
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import json
import math
import sys
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from importlib import import_module
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID

from stepwell.errors import UsageError

_TAG = "$"
_SET = "set"
_PLAIN = (bool, int, str, type(None))

Encoder = Callable[[Any], Any]


def encode(value: Any) -> Any:
    """Return ``value`` as data that ``json`` can write and ``decode`` reads back as an equal value of equal type.

    Raises:
        UsageError: Something in it cannot be stored; names its type.
    """
    try:
        return _encode(value)
    except RecursionError:
        raise UsageError("A value that contains itself cannot be stored as a parameter.") from None


def decode(encoded: Any) -> Any:
    """Return the value ``encode`` was given.

    Raises:
        UsageError: This is not what ``encode`` makes.
    """
    if isinstance(encoded, list):
        return [decode(item) for item in encoded]
    if not isinstance(encoded, dict):
        return encoded
    if _TAG not in encoded:
        return {key: decode(item) for key, item in encoded.items()}
    decoder = _DECODERS.get(encoded[_TAG])
    if decoder is None:
        raise UsageError(f"A stored value has the unknown tag {encoded[_TAG]!r}.")
    try:
        return decoder(encoded)
    except (KeyError, TypeError, ValueError, ArithmeticError) as exc:
        raise UsageError(f"A stored {encoded[_TAG]} cannot be read: {exc}.") from exc


def canonical(value: Any) -> bytes:
    """Return bytes that are equal exactly for equal values of equal type; the order of keys does not matter.

    Raises:
        UsageError: Something in it cannot be stored; names its type.
    """
    return _dump(encode(value))


def is_reference(value: object) -> bool:
    """Return whether a value stands for a stored artifact version, whose id is its ``version_id``."""
    return getattr(type(value), "is_stored_reference", False) is True


def _dump(encoded: Any) -> bytes:
    return json.dumps(_sorted_pairs(encoded), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _sorted_pairs(encoded: Any) -> Any:
    if isinstance(encoded, list):
        return [_sorted_pairs(item) for item in encoded]
    if not isinstance(encoded, dict):
        return encoded
    plain = {key: _sorted_pairs(item) for key, item in encoded.items()}
    if encoded.get(_TAG) in {"dict", "counter"}:
        plain["v"] = sorted(plain["v"], key=_dump)
    if encoded.get(_TAG) == "model":
        # Models are equal whether a field was given or has its default.
        plain.pop(_SET, None)
    return plain


def _encode(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is float:
        return value if math.isfinite(value) else _tagged("float", repr(value))
    if kind is list:
        return [_encode(item) for item in value]
    if kind is dict:
        return _encode_dict(value)
    if encoder := _ENCODERS.get(kind):
        tag, write = encoder
        return _tagged(tag, write(value))
    return _encode_object(value, kind)


def _encode_dict(value: dict[Any, Any]) -> Any:
    if _TAG not in value and all(type(key) is str for key in value):
        return {key: _encode(item) for key, item in value.items()}
    return _tagged("dict", _pairs(value))


def _encode_object(value: Any, kind: type) -> Any:
    if is_reference(value):
        return _tagged("uuid", str(value.version_id))
    if kind is deque:
        return {**_tagged("deque", _items(value)), **({} if value.maxlen is None else {"maxlen": value.maxlen})}
    if isinstance(value, Enum):
        return _named("enum", kind, {"name": value.name, "v": _encode(value.value)})
    if isinstance(value, PurePath):
        # A path of another system, or one that no file is asked for, stays one.
        pure = {} if isinstance(value, Path) else {"type": kind.__name__}
        return {**_tagged("path", str(value)), **pure}
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return _named("namedtuple", kind, {"v": [_encode(item) for item in value]})
    if dataclasses.is_dataclass(value):
        fields = {field.name: _encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return _named("dataclass", kind, {"v": fields})
    if _is_model(kind):
        return _named("model", kind, _model_content(value))
    if kind.__module__ == "numpy" and getattr(value, "shape", None) == () and hasattr(value, "item"):
        return {_TAG: "numpy", "type": kind.__name__, "v": _encode(value.item())}
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    raise UsageError(
        f"A value of type {name} cannot be stored as a parameter.",
        hint="Make it in a step and pass that step's output.",
    )


def _tagged(tag: str, content: Any) -> dict[str, Any]:
    return {_TAG: tag, "v": content}


def _named(tag: str, kind: type, content: dict[str, Any]) -> dict[str, Any]:
    return {_TAG: tag, "type": f"{_module_name(kind.__module__)}:{kind.__qualname__}", **content}


def _model_content(value: Any) -> dict[str, Any]:
    """Return what a pydantic model holds: its fields, extra and private ones if any, and which were set if not all."""
    fields = type(value).model_fields
    content: dict[str, Any] = {"v": {name: _encode(getattr(value, name)) for name in fields}}
    for part, held in (("extra", value.__pydantic_extra__), ("private", value.__pydantic_private__)):
        if held:
            content[part] = {name: _encode(item) for name, item in held.items()}
    if value.model_fields_set != set(fields):
        content[_SET] = sorted(value.model_fields_set)
    return content


def _is_model(kind: type) -> bool:
    # pydantic is asked for only where it is loaded: a value of one of its classes cannot exist before that.
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(kind, pydantic.BaseModel)


def _main_name() -> str:
    main = sys.modules.get("__main__")
    if (spec := getattr(main, "__spec__", None)) is not None:
        # python -m package.train
        return str(spec.name)
    file = getattr(main, "__file__", None) or "__main__"
    return file.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _module_name(name: str) -> str:
    return _main_name() if name == "__main__" else name


def _pairs(value: dict[Any, Any]) -> list[list[Any]]:
    return [[_encode(key), _encode(item)] for key, item in value.items()]


def _items(value: Iterable[Any]) -> list[Any]:
    return [_encode(item) for item in value]


def _sorted_items(value: Iterable[Any]) -> list[Any]:
    # Sets have no order of their own; it differs between processes.
    return sorted(_items(value), key=_dump)


def _base64(value: bytes | bytearray) -> str:
    return base64.b64encode(value).decode()


def _read_items(encoded: dict[str, Any]) -> list[Any]:
    return [decode(item) for item in encoded["v"]]


def _read_pairs(encoded: dict[str, Any]) -> list[tuple[Any, Any]]:
    return [(decode(key), decode(item)) for key, item in encoded["v"]]


def _loaded(encoded: dict[str, Any]) -> Any:
    module, _, qualname = encoded["type"].partition(":")
    found: Any = sys.modules.get(module)
    if found is None and module == _main_name():
        found = sys.modules.get("__main__")
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None


def _read_enum(encoded: dict[str, Any]) -> Any:
    kind = _loaded(encoded)
    if kind is not None and issubclass(kind, Enum):
        return kind[encoded["name"]]
    return decode(encoded["v"])


def _read_namedtuple(encoded: dict[str, Any]) -> Any:
    kind, items = _loaded(encoded), _read_items(encoded)
    if kind is not None and issubclass(kind, tuple) and hasattr(kind, "_make"):
        return kind._make(items)
    return tuple(items)


def _read_dataclass(encoded: dict[str, Any]) -> Any:
    kind: Any = _loaded(encoded)
    fields = {name: decode(item) for name, item in encoded["v"].items()}
    if kind is None or not hasattr(kind, "__dataclass_fields__"):
        return fields
    made = object.__new__(kind)
    for name, item in fields.items():
        object.__setattr__(made, name, item)
    return made


def _read_model(encoded: dict[str, Any]) -> Any:
    kind = _loaded(encoded)
    fields = {name: decode(item) for name, item in encoded["v"].items()}
    if kind is None or not _is_model(kind):
        return fields
    held = {part: {name: decode(item) for name, item in encoded.get(part, {}).items()} for part in ("extra", "private")}
    made: Any = kind.__new__(kind)
    # As a pickle does it: validators may want other values than they give.
    made.__setstate__(
        {
            "__dict__": fields,
            "__pydantic_extra__": held["extra"] if encoded.get("extra") or _allows_extra(kind) else None,
            "__pydantic_private__": held["private"] or None,
            "__pydantic_fields_set__": set(encoded.get(_SET, fields)),
        }
    )
    return made


def _allows_extra(kind: Any) -> bool:
    return bool(kind.model_config.get("extra") == "allow")


def _moment(value: datetime.datetime | datetime.time) -> list[Any]:
    # A value of one of its classes cannot exist before the module is loaded, as with pydantic.
    zoneinfo = sys.modules.get("zoneinfo")
    zone = value.tzinfo.key if zoneinfo is not None and isinstance(value.tzinfo, zoneinfo.ZoneInfo) else None
    return [value.isoformat(), value.fold, *([zone] if zone else [])]


def _read_moment(encoded: dict[str, Any], kind: Any) -> Any:
    text, fold, *zone = [encoded["v"], 0] if isinstance(encoded["v"], str) else encoded["v"]
    found = kind.fromisoformat(text).replace(fold=fold)
    if zone:
        # Only here: what has no time zone does not need it.
        zoneinfo = import_module("zoneinfo")
        with suppress(zoneinfo.ZoneInfoNotFoundError):  # this machine has other time zones: the offset stays
            return found.replace(tzinfo=zoneinfo.ZoneInfo(zone[0]))
    return found


def _read_path(encoded: dict[str, Any]) -> Any:
    kind = {one.__name__: one for one in (PurePosixPath, PureWindowsPath)}.get(encoded.get("type", ""), Path)
    return kind(encoded["v"])


def _read_deque(encoded: dict[str, Any]) -> Any:
    return deque(_read_items(encoded), maxlen=encoded.get("maxlen"))


def _read_numpy(encoded: dict[str, Any]) -> Any:
    numpy, plain = sys.modules.get("numpy"), decode(encoded["v"])
    kind = getattr(numpy, encoded["type"], None)
    return kind(plain) if numpy is not None and isinstance(kind, type) and issubclass(kind, numpy.generic) else plain


def _seconds(value: datetime.timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


_ENCODERS: dict[type, tuple[str, Encoder]] = {
    tuple: ("tuple", _items),
    set: ("set", _sorted_items),
    frozenset: ("frozenset", _sorted_items),
    OrderedDict: ("ordered", _pairs),
    Counter: ("counter", _pairs),
    bytes: ("bytes", _base64),
    bytearray: ("bytearray", _base64),
    complex: ("complex", lambda value: [repr(value.real), repr(value.imag)]),
    datetime.datetime: ("datetime", _moment),
    datetime.date: ("date", datetime.date.isoformat),
    datetime.time: ("time", lambda value: _moment(value) if value.tzinfo or value.fold else value.isoformat()),
    datetime.timedelta: ("timedelta", _seconds),
    Decimal: ("decimal", str),
    Fraction: ("fraction", str),
    UUID: ("uuid", str),
    range: ("range", lambda value: [value.start, value.stop, value.step]),
}

_DECODERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "float": lambda encoded: float(encoded["v"]),
    "dict": lambda encoded: dict(_read_pairs(encoded)),
    "tuple": lambda encoded: tuple(_read_items(encoded)),
    "set": lambda encoded: set(_read_items(encoded)),
    "frozenset": lambda encoded: frozenset(_read_items(encoded)),
    "deque": _read_deque,
    "ordered": lambda encoded: OrderedDict(_read_pairs(encoded)),
    "counter": lambda encoded: Counter(dict(_read_pairs(encoded))),
    "bytes": lambda encoded: base64.b64decode(encoded["v"]),
    "bytearray": lambda encoded: bytearray(base64.b64decode(encoded["v"])),
    "complex": lambda encoded: complex(*map(float, encoded["v"])),
    "datetime": lambda encoded: _read_moment(encoded, datetime.datetime),
    "date": lambda encoded: datetime.date.fromisoformat(encoded["v"]),
    "time": lambda encoded: _read_moment(encoded, datetime.time),
    "timedelta": lambda encoded: datetime.timedelta(*encoded["v"]),
    "decimal": lambda encoded: Decimal(encoded["v"]),
    "fraction": lambda encoded: Fraction(encoded["v"]),
    "uuid": lambda encoded: UUID(encoded["v"]),
    "path": _read_path,
    "range": lambda encoded: range(*encoded["v"]),
    "enum": _read_enum,
    "namedtuple": _read_namedtuple,
    "dataclass": _read_dataclass,
    "model": _read_model,
    "numpy": _read_numpy,
}

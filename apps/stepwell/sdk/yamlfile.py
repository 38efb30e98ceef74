"""YAML files read safely: plain values only, bounded in size and depth, ``${NAME}`` replaced, every line remembered."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stepwell.errors import ConfigError

_MOST_BYTES = 256 * 1024
_MOST_VALUES = 20_000
_MOST_DEPTH = 30
_VARIABLE = re.compile(r"\$\$|\$\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_]\w*")
_PREFIX = "tag:yaml.org,2002:"

Path_ = tuple[str | int, ...]


@dataclass(kw_only=True)
class Document:
    """A file's top-level mapping. ``lines``: where each value stands, counted from 1."""

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path_, int] = field(default_factory=dict)
    #: keys that stand there twice, of which the last one counts
    repeated: list[Path_] = field(default_factory=list)

    def place(self, *path: str | int) -> str:
        """Return ``config.yaml, line 7`` for a value, or the file where the line is not known."""
        line = self.lines.get(path)
        return f"{self.name}, line {line}" if line else self.name


def read_document(path: Path) -> Document:
    """Return the mapping a YAML file holds.

    Raises:
        ConfigError: The file is missing, too large, no YAML or no mapping, holds something else than plain values, or
            names an environment variable that is not set; says the line.
    """
    import yaml

    text = _read(path)
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        reader = _Reader(loader, Document(name=path.name))
        return reader.read(node)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path.name}{where}: this is not YAML we can read: {exc.problem or exc.context}.") from exc
    except yaml.YAMLError as exc:
        raise ConfigError(f"{path.name}: this is not YAML we can read: {exc}.") from exc
    except RecursionError as exc:
        raise ConfigError(f"{path.name} is nested too deep.") from exc
    finally:
        loader.dispose()


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except FileNotFoundError as exc:
        raise ConfigError(f"There is no file {path}.", hint="Check the path of the configuration file.") from exc
    except OSError as exc:
        raise ConfigError(f"The file {path} cannot be read: {exc.strerror}.") from exc
    if len(content) > _MOST_BYTES:
        raise ConfigError(
            f"{path.name} is larger than {_MOST_BYTES // 1024} KiB.", hint="Keep data in files of its own."
        )
    try:
        return content.decode()
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path.name} is not UTF-8 text.", hint="Save it as UTF-8.") from exc


class _Reader:
    def __init__(self, loader: Any, document: Document) -> None:
        self._loader = loader
        self._document = document
        self._count = 0

    def read(self, node: Any) -> Document:
        if node is None:
            return self._document
        found = self._value(node, ())
        if not isinstance(found, dict):
            raise ConfigError(
                f"{self._document.name}: the file holds no mapping.", hint="Write lines such as: enable_cache: false"
            )
        for key in found:
            if not isinstance(key, str):
                raise ConfigError(f"{self._document.place(key)}: the key {key!r} is no text.", hint="Put it in quotes.")
        self._document.values = found
        return self._document

    def _value(self, node: Any, path: Path_) -> Any:
        line = node.start_mark.line + 1
        self._document.lines[path] = line
        self._count += 1
        # Anchors may make a small file stand for an endless value.
        if self._count > _MOST_VALUES or len(path) > _MOST_DEPTH:
            raise ConfigError(f"{self._document.name}, line {line}: the file holds too many values, or nests too deep.")
        kind = node.tag.removeprefix(_PREFIX)
        if node.id == "mapping" and kind == "map":
            return self._mapping(node, path)
        if node.id == "sequence" and kind == "seq":
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        if node.id == "scalar":
            return self._scalar(node, path)
        raise ConfigError(f"{self._document.name}, line {line}: values of the kind {node.tag} are not read.")

    def _mapping(self, node: Any, path: Path_) -> dict[Any, Any]:
        own: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_PREFIX}merge":
                for source in value_node.value if value_node.id == "sequence" else [value_node]:
                    found = self._value(source, path)
                    merged = {**found, **merged} if isinstance(found, dict) else merged
                continue
            key = self._key(key_node)
            if key in own:
                self._document.repeated.append((*path, key))
            own[key] = self._value(value_node, (*path, key))
            self._document.lines[*path, key] = key_node.start_mark.line + 1
        return {**merged, **own}

    def _key(self, node: Any) -> Any:
        if node.id != "scalar":
            line = node.start_mark.line + 1
            raise ConfigError(f"{self._document.name}, line {line}: a key is a list or a mapping.", hint="Use text.")
        return self._construct(node)

    def _scalar(self, node: Any, path: Path_) -> Any:
        if "$" not in node.value or node.tag == f"{_PREFIX}binary":
            return self._construct(node)
        expanded = _VARIABLE.sub(lambda found: self._variable(found, node, path), node.value)
        if expanded != node.value:
            node = type(node)(node.tag, expanded, node.start_mark, node.end_mark, style=node.style)
            if node.style is None:
                # Unquoted, a variable's text is read as if it stood there: 8 is a number.
                node.tag = self._loader.resolve(type(node), expanded, (True, False))
        return self._construct(node)

    def _variable(self, found: re.Match[str], node: Any, path: Path_) -> str:
        if found[0] == "$$":
            return "$"
        name, where = found[1], ".".join(map(str, path))
        line = f"{self._document.name}, line {node.start_mark.line + 1}"
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{line}: {where} has {found[0]}, which names no variable.", hint="Write $$ for one $.")
        if name not in os.environ:
            raise ConfigError(
                f"{line}: {where} uses the environment variable {name}, which is not set.",
                hint=f"Set it, for example: export {name}=...",
            )
        return os.environ[name]

    def _construct(self, node: Any) -> Any:
        if not node.tag.startswith(_PREFIX):
            line = node.start_mark.line + 1
            raise ConfigError(f"{self._document.name}, line {line}: values of the kind {node.tag} are not read.")
        try:
            return self._loader.construct_object(node, deep=True)
        except ValueError as exc:
            line = node.start_mark.line + 1
            raise ConfigError(f"{self._document.name}, line {line}: {node.value!r} cannot be read: {exc}.") from exc

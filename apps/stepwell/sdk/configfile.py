"""Configuration files: what ``with_options(config_path=...)`` reads, checked, with every place it came from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stepwell.core.near import close_matches
from stepwell.core.options import PIPELINE_OPTIONS, STEP_OPTIONS, merge
from stepwell.errors import ConfigError, UsageError
from stepwell.sdk.optionvalues import KNOWN_SETTINGS, check_options
from stepwell.sdk.yamlfile import Document, read_document

#: options of one step of a run; its name and code are the pipeline's to say
RUN_STEP_OPTIONS = tuple(name for name in STEP_OPTIONS if name != "name")
#: keys of ZenML's run configuration under their names here
_OTHER_NAMES = {
    "failure_hook_source": "on_failure",
    "success_hook_source": "on_success",
    "start_hook_source": "on_start",
    "end_hook_source": "on_end",
    "init_hook_source": "on_init",
    "cleanup_hook_source": "on_cleanup",
    "outputs": "output_materializers",
}
#: keys of ZenML's run configuration that mean nothing here
_WITHOUT_EFFECT = ("build", "enable_pipeline_logs", "enable_heartbeat", "spec", "source")
OWN_KEYS = ("run_name", "parameters", "steps", "schedule")
PIPELINE_KEYS = tuple(name for name in PIPELINE_OPTIONS if name not in ("name", "dynamic", "schedule"))


@dataclass(kw_only=True)
class ConfigFile:
    """What a file says: options of the pipeline, of its steps by invocation id, and the pipeline's parameters."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    run_name: str | None = None
    schedule: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class FileValues:
    """What a pipeline got from configuration files, and which of its options are theirs."""

    #: name of the newest file; empty without one
    name: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    #: options of the pipeline that a file gave and no code since
    options: frozenset[str] = frozenset()
    #: likewise by the invocation ids a file gives options to; one that is not called is only warned about
    steps: Mapping[str, frozenset[str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    is_strict: bool = False

    def with_file(self, config: ConfigFile, *, strict: bool) -> FileValues:
        """Return these values with a file's laid over them."""
        return FileValues(
            name=config.name,
            parameters={**self.parameters, **config.parameters},
            options=self.options | config.options.keys(),
            steps={**self.steps, **{name: self.of_step(name) | given.keys() for name, given in config.steps.items()}},
            warnings=(*self.warnings, *config.warnings),
            is_strict=self.is_strict or strict,
        )

    def without(self, options: Iterable[str], steps: Mapping[str, Iterable[str]] | None = None) -> FileValues:
        """Return these values after code gave ``options``, and ``steps`` by invocation id: these are not a file's."""
        changed = {name: self.of_step(name).difference(given) for name, given in (steps or {}).items()}
        kept = {name: changed.get(name, names) for name, names in self.steps.items()}
        return replace(self, options=self.options.difference(options), steps=kept)

    def of_step(self, invocation_id: str) -> frozenset[str]:
        """Return the options of a step that a file gave and no code since."""
        return self.steps.get(invocation_id, frozenset())

    def unknown_step(self, invocation_id: str, *, pipeline: str, known: Iterable[str]) -> str:
        """Return the warning about options for a step that is not called.

        Raises:
            ConfigError: The file is read strictly.
        """
        return _report(
            f"{self.name}: steps has {invocation_id}, which pipeline {pipeline} does not call.",
            _near(invocation_id, known),
            strict=self.is_strict,
        )


def find_file(path: str | os.PathLike[str], *, beside: str = "") -> Path:
    """Return the file at ``path``, seen from the current folder, else from the folder ``beside`` (the code's)."""
    given = Path(path).expanduser()
    if not given.is_absolute() and not given.exists() and beside and (Path(beside) / given).exists():
        return Path(beside) / given
    return given


def read_config(path: Path, *, strict: bool = False) -> ConfigFile:
    """Return what a configuration file says.

    Raises:
        ConfigError: The file cannot be read, or a value in it does not fit. With ``strict`` also: it has a key that
            is not known.
    """
    return _Reading(read_document(path), strict=strict).read()


def merge_steps(lower: Mapping[str, Mapping[str, Any]], upper: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return options by invocation id, ``upper`` laid over ``lower`` step by step."""
    names = dict.fromkeys([*lower, *upper])
    return {name: merge(lower.get(name, {}), upper.get(name, {})) for name in names}


def combine_parameters(signature: Any, values: FileValues, called: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a call completed with those of the file.

    Raises:
        UsageError: The file sets one the pipeline does not have, or the call gives another value.
    """
    for name in values.parameters:
        if name not in signature.inputs:
            raise UsageError(
                f"{values.name} sets the parameter {name}, which {signature.owner[0].lower()}{signature.owner[1:]} "
                "does not have.",
                hint=_near(name, signature.inputs),
            )
    for name in values.parameters.keys() & called.keys():
        in_file = signature.coerce_input(name, values.parameters[name], error=UsageError)
        in_call = signature.coerce_input(name, called[name], error=UsageError)
        if not is_same(in_file, in_call):
            raise UsageError(
                f"{signature.owner}: the parameter {name} is {values.parameters[name]!r} in {values.name} and "
                f"{called[name]!r} in the call.",
                hint="Leave it out of one of them.",
            )
    return {**values.parameters, **called}


def is_same(one: Any, other: Any) -> bool:
    """Return whether two values are equal; values that cannot tell are not."""
    if one is other:
        return True
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:  # whatever the values' own comparison raises
        return False


class _Reading:
    """Goes through a document once and collects what it means and what is odd about it."""

    def __init__(self, document: Document, *, strict: bool) -> None:
        self._document = document
        self._strict = strict
        self._config = ConfigFile(name=document.name)

    def read(self) -> ConfigFile:
        config, values = self._config, self._document.values
        for place in self._document.repeated:
            self._warn(place, "stands there twice; the last one counts")
        config.options = self._options(values, (), PIPELINE_KEYS, OWN_KEYS)
        config.parameters = self._mapping(values.get("parameters"), "parameters")
        if values.get("schedule") is not None:
            config.schedule = self._mapping(values["schedule"], "schedule")
        if values.get("run_name") is not None:
            config.run_name = self._checked("run_name", values["run_name"], ("run_name",), ("run_name",))["run_name"]
        for invocation_id, options in self._mapping(values.get("steps"), "steps").items():
            place = ("steps", str(invocation_id))
            given = self._mapping(options, *place)
            # ZenML's template says the name again.
            said_again = ("name",) if given.get("name") == invocation_id else ()
            config.steps[place[1]] = self._options(given, place, RUN_STEP_OPTIONS, said_again)
        return config

    def _options(
        self, values: Mapping[str, Any], path: tuple[str, ...], known: tuple[str, ...], others: tuple[str, ...]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for written, value in values.items():
            name, place = _OTHER_NAMES.get(str(written), str(written)), (*path, written)
            if name in others:
                continue
            if name in _WITHOUT_EFFECT:
                self._warn(place, "has no effect here")
            elif name not in known:
                self._warn(place, "is no option", _near(name, (*known, *others)))
            elif value is not None:
                kept = self._known_settings(value, place) if name == "settings" else _named_sources(written, value)
                found.update(self._checked(name, kept, known, place))
        return found

    def _checked(self, name: str, value: Any, known: tuple[str, ...], place: tuple[Any, ...]) -> dict[str, Any]:
        owner = ": ".join(part for part in (self._document.place(*place), ".".join(map(str, place[:-1]))) if part)
        try:
            return check_options({name: value}, known, owner=owner)
        except (UsageError, TypeError) as exc:
            message, hint = (exc.message, exc.hint) if isinstance(exc, UsageError) else (str(exc), "")
            raise ConfigError(
                message if message.startswith(owner) else f"{owner}: {name}: {message}", hint=hint
            ) from exc

    def _known_settings(self, value: Any, place: tuple[Any, ...]) -> Any:
        """Return settings without those of other systems, which real files carry."""
        if not isinstance(value, Mapping):
            return value
        for key in value:
            if key not in KNOWN_SETTINGS:
                self._warn((*place, key), "has no effect here", _near(str(key), KNOWN_SETTINGS))
        return {key: item for key, item in value.items() if key in KNOWN_SETTINGS}

    def _mapping(self, value: Any, *path: str) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise ConfigError(
                f"{self._document.place(*path)}: {'.'.join(path)} is no mapping.", hint="Write name: value, one a line."
            )
        return value

    def _warn(self, place: tuple[Any, ...], what: str, hint: str = "") -> None:
        message = f"{self._document.place(*place)}: {'.'.join(map(str, place))} {what}."
        self._config.warnings.append(_report(message, hint, strict=self._strict))


def _named_sources(written: str, value: Any) -> Any:
    """Return a value in which what ZenML writes as a mapping of module and attribute is a dotted name."""
    if not isinstance(value, Mapping) or written not in _OTHER_NAMES:
        return value
    if written == "outputs":
        made = {name: one.get("materializer_source") for name, one in value.items() if isinstance(one, Mapping)}
        return {name: _dotted(source) for name, source in made.items() if source}
    return _dotted(value)


def _dotted(source: Any) -> Any:
    if isinstance(source, list):
        return [_dotted(one) for one in source]
    is_mapping = isinstance(source, Mapping) and source.get("module") and source.get("attribute")
    return f"{source['module']}.{source['attribute']}" if is_mapping else source


def _report(message: str, hint: str, *, strict: bool) -> str:
    if strict:
        raise ConfigError(message, hint=hint)
    return f"{message} {hint}".rstrip()


def _near(name: str, known: Iterable[str]) -> str:
    near = close_matches(name, list(dict.fromkeys(known)))
    return f"Did you mean {near[0]}?" if near else ""

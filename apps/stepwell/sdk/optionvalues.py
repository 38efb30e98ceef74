"""Values of options, checked when they are given and brought into one form each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any
from uuid import UUID

from stepwell.core.durations import parse_duration
from stepwell.core.near import close_matches
from stepwell.core.options import check_names
from stepwell.core.status import ExecutionMode
from stepwell.errors import ConfigError
from stepwell.sdk.cachepolicy import NAMED_POLICIES, CachePolicy
from stepwell.sdk.docker import DockerSettings
from stepwell.sdk.groups import GroupInfo
from stepwell.sdk.hooks import PIPELINE_HOOKS, STEP_HOOKS, check_hook
from stepwell.sdk.kinds import StepRuntime
from stepwell.sdk.models import Model
from stepwell.sdk.resources import ResourceSettings
from stepwell.sdk.retry import StepRetryConfig
from stepwell.sdk.tags import Tag

#: what ``settings`` may hold
KNOWN_SETTINGS = ("resources", "docker", "concurrency")
_LONGEST_NAME = 200

Check = Callable[[str, Any, str], Any]


def check_options(options: Mapping[str, Any], known: Iterable[str], *, owner: str) -> dict[str, Any]:
    """Return the options that are given (not None), each in its one form.

    Raises:
        TypeError: There is no such option.
        ConfigError: A value does not fit; names owner, option and what fits.
    """
    check_names(options, tuple(known), where=owner)
    return {name: _check(name, value, owner) for name, value in options.items() if value is not None}


def _check(name: str, value: Any, owner: str) -> Any:
    try:
        return _CHECKS[name](name, value, owner)
    except ConfigError as exc:
        if exc.message.startswith(owner):
            raise
        # What is made of parts, such as a retry given as a dict, does not know whose it is.
        raise ConfigError(f"{owner}: {name}: {exc.message}", hint=exc.hint) from exc


def _wrong(name: str, value: Any, owner: str, hint: str) -> ConfigError:
    text = repr(value)
    return ConfigError(f"{owner}: {name} is {text if len(text) <= 80 else text[:77] + '…'}.", hint=hint)


def _text(name: str, value: Any, owner: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_NAME:
        raise _wrong(name, value, owner, f"Give text of 1 to {_LONGEST_NAME} characters.")
    return str(value)


def _name(name: str, value: Any, owner: str) -> str:
    text = _text(name, value, owner)
    if text in {".", ".."} or any(character in "/\\" or not character.isprintable() for character in text):
        raise _wrong(name, value, owner, "Leave out slashes and control characters.")
    return text


def _flag(name: str, value: Any, owner: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, value, owner, "Give True or False.")
    return value


def _component(name: str, value: Any, owner: str) -> str | bool:
    if isinstance(value, bool) or (isinstance(value, str) and value.strip() and len(value) <= _LONGEST_NAME):
        return value
    raise _wrong(name, value, owner, "Give the name of a component, True for the default one or False for none.")


def _named_values(name: str, value: Any, owner: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _wrong(name, value, owner, "Give a dict with text keys.")
    return {key: _named_values(key, item, owner) if isinstance(item, dict) else item for key, item in value.items()}


def _environment(name: str, value: Any, owner: str) -> dict[str, str]:
    found = {}
    for key, item in _named_values(name, value, owner).items():
        if not key or "=" in key or "\0" in key:
            raise ConfigError(
                f"{owner}: {name} has the variable {key!r}.", hint="A variable's name is not empty and has no = in it."
            )
        if item is None or isinstance(item, dict | list | tuple | set):
            raise _wrong(f"{name}[{key!r}]", item, owner, "Give text, a number or a boolean.")
        found[key] = str(item.value if isinstance(item, Enum) else item)
    return found


def _substitutions(name: str, value: Any, owner: str) -> dict[str, str]:
    return {key: str(item) for key, item in _named_values(name, value, owner).items()}


def _names(name: str, value: Any, owner: str) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise _wrong(name, value, owner, "Give a list of names.")
    found = []
    for item in value:
        if not isinstance(item, str | UUID) or not str(item).strip():
            raise ConfigError(f"{owner}: {name} holds {item!r}.", hint="Give a list of names.")
        if str(item) not in found:
            found.append(str(item))
    return found


def _tags(name: str, value: Any, owner: str) -> list[str | Tag]:
    wanted = [value] if isinstance(value, str | Tag) else value
    if isinstance(wanted, Mapping) or not isinstance(wanted, Iterable):
        raise _wrong(name, value, owner, "Give a list.")
    found: list[str | Tag] = []
    for item in wanted:
        try:
            tag = Tag(**item) if isinstance(item, Mapping) else item
        except TypeError:
            raise _wrong(name, item, owner, "Write Tag(name, cascade=True).") from None
        if not isinstance(tag, str | Tag) or not str(tag).strip():
            raise _wrong(name, item, owner, "Give a list of texts or Tag(...).")
        kept = tag if isinstance(tag, Tag) and tag.cascade else str(tag)
        if kept not in found:
            found.append(kept)
    return found


def _settings(name: str, value: Any, owner: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(name, value, owner, 'Write settings={"resources": {"cpu_count": 2}}.')
    found: dict[str, Any] = {}
    for key, item in value.items():
        if key not in KNOWN_SETTINGS:
            near = close_matches(str(key), KNOWN_SETTINGS)
            hint = f"Did you mean {near[0]}?" if near else f"The settings are: {', '.join(KNOWN_SETTINGS)}."
            raise ConfigError(f"{owner}: settings has the unknown key {key!r}.", hint=hint)
        check = {"resources": _resources, "concurrency": _concurrency}.get(key)
        found[key] = check(item, owner) if check else _plain(key, item, owner)
    return found


def _concurrency(value: Any, owner: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _wrong("settings['concurrency']", value, owner, "Give a whole number from 1 on.")
    return value


def _resources(value: Any, owner: str) -> dict[str, Any]:
    if isinstance(value, ResourceSettings):
        return value.given()
    if not isinstance(value, Mapping):
        raise _wrong("settings['resources']", value, owner, "Give a dict or ResourceSettings(...).")
    check_names(value, ("cpu_count", "gpu_count", "memory"), where=f"{owner}: settings['resources']")
    return ResourceSettings(**value).given()


def _plain(key: str, value: Any, owner: str) -> dict[str, Any]:
    if isinstance(value, DockerSettings):
        return dict(value.given)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "model_dump"):
        return dict(value.model_dump(mode="json", exclude_unset=True))
    raise _wrong(f"settings[{key!r}]", value, owner, "Give a dict.")


def _hook(name: str, value: Any, owner: str) -> Any:
    return check_hook(name, value, owner=owner)


def _model(name: str, value: Any, owner: str) -> Model:
    if isinstance(value, Model):
        return value
    if isinstance(value, Mapping):
        return Model(**value)
    raise _wrong(name, value, owner, 'Write model=Model(name="...").')


def _retry(name: str, value: Any, owner: str) -> dict[str, Any]:
    if isinstance(value, Mapping):
        check_names(value, tuple(StepRetryConfig.defaults), where=f"{owner}: retry")
        value = StepRetryConfig(**value)
    if not isinstance(value, StepRetryConfig):
        raise _wrong(name, value, owner, "Write retry=StepRetryConfig(max_retries=3, delay=60).")
    return dict(value.given)


def _cache_policy(name: str, value: Any, owner: str) -> dict[str, Any]:
    if isinstance(value, str) and value in NAMED_POLICIES:
        return {"name": value}
    if isinstance(value, Mapping):
        value = CachePolicy(**value)
    if not isinstance(value, CachePolicy):
        raise _wrong(name, value, owner, f"Give a CachePolicy, or one of: {', '.join(NAMED_POLICIES)}.")
    return dict(value.given)


def _one_of(kind: type[Enum]) -> Check:
    def check(name: str, value: Any, owner: str) -> Any:
        try:
            return kind(value)
        except ValueError:
            choices = ", ".join(str(member.value) for member in kind)
            raise _wrong(name, value, owner, f"It is one of: {choices}.") from None

    return check


def _threshold(name: str, value: Any, owner: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1440:
        raise _wrong(name, value, owner, "Give whole minutes from 1 to 1440.")
    return value


def _group(name: str, value: Any, owner: str) -> GroupInfo:
    if isinstance(value, GroupInfo):
        return value
    if isinstance(value, Mapping):
        return GroupInfo(**value)
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_NAME:
        raise _wrong(name, value, owner, f"Give a GroupInfo(...), or text of 1 to {_LONGEST_NAME} characters.")
    return GroupInfo(name=value)


def _timeout(name: str, value: Any, owner: str) -> float:
    try:
        return parse_duration(value)
    except (ConfigError, TypeError):
        raise _wrong(name, value, owner, "Give seconds above 0, or text such as 90s, 10m or 2h.") from None


def _anything(name: str, value: Any, owner: str) -> Any:
    return value


_CHECKS: dict[str, Check] = {
    "name": _name,
    "step_type": _text,
    "run_name": _text,
    "experiment_tracker": _component,
    "step_operator": _component,
    "parameters": _named_values,
    "output_materializers": _anything,
    "environment": _environment,
    "secrets": _names,
    "settings": _settings,
    "extra": _named_values,
    "model": _model,
    "retry": _retry,
    "substitutions": _substitutions,
    "cache_policy": _cache_policy,
    "runtime": _one_of(StepRuntime),
    "heartbeat_healthy_threshold": _threshold,
    "group": _group,
    "timeout": _timeout,
    "tags": _tags,
    "execution_mode": _one_of(ExecutionMode),
    "dynamic": _flag,
    **dict.fromkeys(
        (
            "enable_cache",
            "enable_artifact_metadata",
            "enable_artifact_visualization",
            "enable_step_logs",
        ),
        _flag,
    ),
    **dict.fromkeys((*STEP_HOOKS, *PIPELINE_HOOKS), _hook),
}

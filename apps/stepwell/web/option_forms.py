"""Fields for the options of a step on the rerun form, and the overrides their text spells."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stepwell.core.durations import parse_duration
from stepwell.core.plan import Overrides, Retry, StepOptions, StepOverride
from stepwell.errors import ConfigError
from stepwell.execution.parameters import is_endless
from stepwell.runs.models import StepRun
from stepwell.web import present
from stepwell.web.forms import Field

#: steps whose options one form shows; a form has a limit of fields
MOST_STEPS = 150
#: they name a component, or are on or off
_COMPONENTS = ("experiment_tracker", "step_operator")
_ON_OFF = ("enable_cache", "hooks_enabled", *_COMPONENTS)
_LABELS = {
    "retries": "Retries",
    "delay": "Wait before a retry",
    "backoff": "Times, per retry",
    "timeout": "Time-out",
    "enable_cache": "Use cache",
    "hooks_enabled": "Run hooks",
    "experiment_tracker": "Experiment tracker",
    "step_operator": "Step operator",
    "environment": "Environment",
    "settings": "Settings",
}
_HELP = {
    "timeout": "90s, 10m or 2h; empty is no limit",
    "environment": "one KEY=VALUE a line",
    "settings": "a JSON object",
}
#: the option a field belongs to, where the names differ
_OPTION = {"retries": "retry", "delay": "retry", "backoff": "retry"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepForm:
    """The options of one step."""

    invocation_id: str
    state: present.State
    fields: list[Field]
    n_changed: int
    has_error: bool

    @property
    def is_open(self) -> bool:
        return bool(self.n_changed) or self.has_error


class _Wrong(Exception):
    """A field's text does not do; the message says what would."""


def step_forms(
    steps: list[StepRun], *, posted: Mapping[str, str] | None = None, errors: Mapping[str, str] | None = None
) -> list[StepForm]:
    """Return the fields of each step, holding its options, or what was ``posted`` when that is given."""
    return [_form(index, step, posted, errors or {}) for index, step in enumerate(steps)]


def read_overrides(
    steps: list[StepRun], posted: Mapping[str, str], kept: Overrides
) -> tuple[Overrides, dict[str, str]]:
    """Return what the form changes, laid over what the run had changed already, and an error per wrong field."""
    changed: dict[str, StepOverride] = {}
    errors: dict[str, str] = {}
    for step in steps:
        if _key(step, "shown") not in posted:
            continue
        found = _read_step(step, posted, errors)
        if found:
            before = kept.steps.get(step.invocation_id, StepOverride())
            changed[step.invocation_id] = before.model_copy(update=found)
    return Overrides(steps=changed), errors


def _key(step: StepRun, name: str) -> str:
    return f"o:{step.invocation_id}:{name}"


def _form(index: int, step: StepRun, posted: Mapping[str, str] | None, errors: Mapping[str, str]) -> StepForm:
    options = step.options
    before = _texts(options)
    is_shown = posted is not None and _key(step, "shown") in posted
    fields = []
    for name, label in _LABELS.items():
        if name in _COMPONENTS and getattr(options, name) is None:
            continue
        key = _key(step, name)
        text = (posted or {}).get(key, "").replace("\r\n", "\n").strip() if is_shown else before[name]
        is_switch = name in _ON_OFF
        is_changed = (bool(text) != bool(before[name])) if is_switch else text != before[name]
        origin = step.plan.get("origins", {}).get(_OPTION.get(name, name), "default")
        was = "was on" if is_switch and before[name] else "was off" if is_switch else f"was {before[name] or 'none'}"
        fields.append(
            Field(
                key=key,
                id=f"o{index}-{name}",
                label=label,
                kind="checkbox" if is_switch else "area" if name in {"environment", "settings"} else "text",
                value=text,
                is_on=is_switch and bool(text),
                input_mode="numeric" if name == "retries" else "",
                help=_help(name, options),
                error=errors.get(key, ""),
                was=was if is_changed else "" if origin == "default" else f"from {origin}",
                is_changed=is_changed,
            )
        )
    n_changed = sum(field.is_changed for field in fields)
    return StepForm(
        invocation_id=step.invocation_id,
        state=present.state(step.status),
        fields=fields,
        n_changed=n_changed,
        has_error=any(field.error for field in fields),
    )


def _help(name: str, options: StepOptions) -> str:
    component = getattr(options, name) if name in _COMPONENTS else ""
    return component if isinstance(component, str) else _HELP.get(name, "")


def _texts(options: StepOptions) -> dict[str, str]:
    return {
        "retries": str(options.retry.max_retries),
        "delay": _seconds_text(options.retry.delay),
        "backoff": f"{options.retry.backoff:g}",
        "timeout": _seconds_text(options.timeout) if options.timeout else "",
        "enable_cache": "on" if options.enable_cache else "",
        "hooks_enabled": "on" if options.hooks_enabled else "",
        **{name: "on" if getattr(options, name) else "" for name in _COMPONENTS},
        "environment": "\n".join(f"{name}={value}" for name, value in sorted(options.environment.items())),
        "settings": json.dumps(options.settings, indent=2, ensure_ascii=False) if options.settings else "",
    }


def _seconds_text(seconds: float) -> str:
    """Return a duration as ``parse_duration`` reads it back, exactly."""
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s" if float(f"{seconds:g}") == seconds else f"{seconds!r}s"


def _read_step(step: StepRun, posted: Mapping[str, str], errors: dict[str, str]) -> dict[str, Any]:
    options, before = step.options, _texts(step.options)
    found: dict[str, Any] = {}
    read: dict[str, Any] = {}
    for name, reader in _READERS.items():
        key = _key(step, name)
        text = posted.get(key, "").replace("\r\n", "\n").strip()
        if text == before[name]:
            continue
        try:
            read[name] = reader(text)
        except _Wrong as wrong:
            errors[key] = str(wrong)
    if read.keys() & {"retries", "delay", "backoff"}:
        found["retry"] = Retry(
            max_retries=read.pop("retries", options.retry.max_retries),
            delay=read.pop("delay", options.retry.delay),
            backoff=read.pop("backoff", options.retry.backoff),
        )
    found.update(read)
    found.update(_switches(step, options, posted))
    return found


def _switches(step: StepRun, options: StepOptions, posted: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("enable_cache", "hooks_enabled"):
        if (is_on := _key(step, name) in posted) != getattr(options, name):
            found[name] = is_on
    for name in _COMPONENTS:
        now = getattr(options, name)
        if now is not None and (is_on := _key(step, name) in posted) != bool(now):
            found[name] = is_on
    return found


def _read_retries(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text[:6]) <= 1000:
        return int(text[:6])
    raise _Wrong(f"“{text[:40]}” is not a number of retries. Write a whole number from 0 to 1000.")


def _read_delay(text: str) -> float:
    return 0.0 if text in {"", "0", "0s"} else _read_duration(text)


def _read_backoff(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0 <= factor <= 1000:
        raise _Wrong(f"“{text[:40]}” is not a factor. Write a number such as 1, 1.5 or 2.")
    return factor


def _read_timeout(text: str) -> float:
    return 0.0 if text in {"", "0", "none"} else _read_duration(text)


def _read_duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ConfigError as exc:
        raise _Wrong(str(exc)) from exc


def _read_environment(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, sign, value = line.partition("=")
        if not line.strip():
            continue
        if not sign or not name.strip().isidentifier():
            raise _Wrong(f"“{line[:60]}” is not KEY=VALUE.")
        found[name.strip()] = value
    return found


def _read_settings(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=_refuse) if text else {}
    except (ValueError, RecursionError) as exc:
        raise _Wrong("This is not JSON. Write an object, such as {“docker”: {…}}.") from exc
    if is_endless(value):
        raise _Wrong("A number in it is too large.")
    if not isinstance(value, dict):
        raise _Wrong("Settings are a JSON object, such as {“docker”: {…}}.")
    return value


def _refuse(name: str) -> Any:
    raise ValueError(name)


_READERS: dict[str, Any] = {
    "retries": _read_retries,
    "delay": _read_delay,
    "backoff": _read_backoff,
    "timeout": _read_timeout,
    "environment": _read_environment,
    "settings": _read_settings,
}


def overrides_text(overrides: Overrides) -> list[tuple[str, str, str]]:
    """Return (step, option, value) for everything a run changed of its steps' options."""
    return [
        (invocation_id, name, _printed(value))
        for invocation_id, override in overrides.steps.items()
        for name, value in override.model_dump(mode="json", exclude_none=True).items()
    ]


def _printed(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else present.value(value)

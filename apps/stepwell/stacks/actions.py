"""Components are added, changed and removed here, and named ones are found for the steps that ask for them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from django.db import transaction

from stepwell.accounts import audit
from stepwell.accounts.models import User
from stepwell.core.plan import StepOptions
from stepwell.errors import ConfigError, Conflict, NotFound
from stepwell.stacks.flavors import check_config, find_flavor
from stepwell.stacks.models import Component

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")
#: the options of a step that name a component, and the kind they name
OPTIONS = {
    "experiment_tracker": Component.Kind.EXPERIMENT_TRACKER,
    "step_operator": Component.Kind.STEP_OPERATOR,
}


class ComponentExists(Conflict):
    """There is a component of this kind and name already."""

    code = "component_exists"


def add_component(
    *,
    kind: str,
    flavor: str,
    name: str,
    config: dict[str, Any],
    is_default: bool = False,
    by: User | None,
    ip: str | None = None,
) -> Component:
    """Store a new component. The first one of its kind becomes the default.

    Raises:
        NotFound: There is no such flavor.
        ConfigError: The name or a setting does not fit; ``fields`` in its details says which and why.
        ComponentExists: There is one of this kind and name.
    """
    known = find_flavor(kind, flavor)
    _check_name(name)
    checked = check_config(known, config)
    with transaction.atomic():
        of_kind = Component.objects.select_for_update().filter(kind=known.kind)
        if of_kind.filter(name=name).exists():
            why = f"There is a {_word(kind)} called {name} already."
            raise ComponentExists(why, hint="Change that one, or choose another name.", fields={"name": why})
        is_first = not of_kind.exists()
        if is_default:
            of_kind.update(is_default=False)
        component = Component.objects.create(
            kind=known.kind, flavor=known.name, name=name, config=checked, is_default=is_default or is_first
        )
        _record(component, "component.added", by=by, ip=ip, after=_told(component))
    return component


def change_component(
    *, component: Component, config: dict[str, Any], by: User | None, ip: str | None = None
) -> Component:
    """Replace a component's settings. Attempts that start from now on get the new ones.

    Raises:
        ConfigError: A setting does not fit; ``fields`` in its details says which and why.
        NotFound: It was removed meanwhile.
    """
    checked = check_config(find_flavor(component.kind, component.flavor), config)
    with transaction.atomic():
        component = _locked(component)
        before = _told(component)
        component.config = checked
        component.save(update_fields=["config", "changed_at"])
        _record(component, "component.changed", by=by, ip=ip, before=before, after=_told(component))
    return component


def set_default(*, component: Component, by: User | None, ip: str | None = None) -> Component:
    """Make a component the one of its kind that ``True`` in an option means.

    Raises:
        NotFound: It was removed meanwhile.
    """
    with transaction.atomic():
        component = _locked(component)
        if not component.is_default:
            Component.objects.filter(kind=component.kind, is_default=True).update(is_default=False)
            component.is_default = True
            component.save(update_fields=["is_default", "changed_at"])
            _record(component, "component.made_default", by=by, ip=ip)
    return component


def unset_default(*, component: Component, by: User | None, ip: str | None = None) -> Component:
    """Make a component no default any more; no other one of its kind becomes it.

    Raises:
        NotFound: It was removed meanwhile.
    """
    with transaction.atomic():
        component = _locked(component)
        if component.is_default:
            component.is_default = False
            component.save(update_fields=["is_default", "changed_at"])
            _record(component, "component.no_default", by=by, ip=ip)
    return component


def remove_component(*, component: Component, by: User | None, ip: str | None = None) -> None:
    """Remove a component. Steps that name it fail from now on; no other one becomes the default.

    Raises:
        NotFound: It was removed before.
    """
    with transaction.atomic():
        component = _locked(component)
        _record(component, "component.removed", by=by, ip=ip, before=_told(component))
        component.delete()


def check_options(steps: Iterable[tuple[str, StepOptions]]) -> None:
    """Accept the options of steps, by invocation id, whose components all exist.

    Raises:
        NotFound: One does not; names the step and the option, and lists what there is.
    """
    for step, options in steps:
        for option in OPTIONS:
            find_for(option, getattr(options, option), step=step)


def find_for(option: str, value: str | bool | None, *, step: str) -> Component | None:
    """Return the component that an option of a step asks for; None when it asks for none.

    Raises:
        NotFound: There is none of this name, or no default; lists what there is.
    """
    if value is None or value is False:
        return None
    of_kind = Component.objects.filter(kind=OPTIONS[option])
    found = of_kind.filter(is_default=True) if value is True else of_kind.filter(name=value)
    component = found.first()
    if component is not None:
        return component
    word, known = _word(OPTIONS[option]), ", ".join(of_kind.values_list("name", flat=True))
    missing = f"there is no default {word}" if value is True else f"there is no {word} called {value}"
    there = (
        f"There are: {known}."
        if known
        else f"There is none yet; an admin adds one on the page Stack, or {_command(option)}."
    )
    raise NotFound(f"Step {step}: {option} is {value!r}, but {missing}.", hint=there)


def _command(option: str) -> str:
    flavor = "mlflow" if option == "experiment_tracker" else "subprocess"
    return f"with “stepwell stack add {option} {flavor} NAME”"


def _word(kind: str) -> str:
    return Component.Kind(kind).label.lower()


def _check_name(name: str) -> None:
    if not _NAME.match(name):
        why = "Use letters, digits, dots, dashes and underscores; begin with a letter or digit; at most 100 characters."
        raise ConfigError("This name does not do.", hint=why, fields={"name": why})


def _locked(component: Component) -> Component:
    row = Component.objects.select_for_update().filter(pk=component.pk).first()
    if row is None:
        raise NotFound(f"There is no {_word(component.kind)} called {component.name} any more.")
    return row


def _told(component: Component) -> dict[str, Any]:
    """Return what the audit log keeps: of variables only the names, because people put anything into them."""
    config = {key: sorted(value) if isinstance(value, dict) else value for key, value in component.config.items()}
    return {"flavor": component.flavor, "config": config, "default": component.is_default}


def _record(component: Component, action: str, *, by: User | None, ip: str | None, **told: Any) -> None:
    audit.record(
        actor=by,
        action=action,
        object_kind=component.kind,
        object_id=component.pk,
        object_name=component.name,
        ip=ip,
        **told,
    )

"""What pages, commands and the API read of components."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from stepwell.errors import NotFound
from stepwell.stacks.models import Component

_UNSET = "the runner's own interpreter"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentLine:
    """One component. ``id`` is None for what is built in and cannot be changed."""

    id: UUID | None
    kind: str
    flavor: str
    name: str
    is_default: bool
    config: dict[str, Any]

    @property
    def kind_label(self) -> str:
        return Component.Kind(self.kind).label

    @property
    def place(self) -> str:
        """Where it works, in a few words."""
        own = _UNSET if self.kind == Component.Kind.STEP_OPERATOR else ""
        return str(self.config.get("tracking_uri") or self.config.get("python") or self.config.get("path") or own)


def list_components() -> list[ComponentLine]:
    """Return all components by kind and name, the built-in artifact store first."""
    return [_artifact_store(), *(line_of(component) for component in Component.objects.all())]


def line_of(component: Component) -> ComponentLine:
    return ComponentLine(
        id=component.pk,
        kind=component.kind,
        flavor=component.flavor,
        name=component.name,
        is_default=component.is_default,
        config=component.config,
    )


def get_component(component_id: UUID) -> Component:
    """Return a component.

    Raises:
        NotFound: There is none of this id.
    """
    found = Component.objects.filter(pk=component_id).first()
    if found is None:
        raise NotFound("There is no such component.")
    return found


def find_component(kind: str, name: str) -> Component:
    """Return a component by kind and name.

    Raises:
        NotFound: There is none; lists what there is.
    """
    found = Component.objects.filter(kind=kind, name=name).first()
    if found is None:
        known = ", ".join(Component.objects.filter(kind=kind).values_list("name", flat=True)) or "none"
        word = kind.replace("_", " ")
        raise NotFound(f"There is no {word[:40]} called {name[:100]}.", hint=f"There are: {known}.")
    return found


def _artifact_store() -> ComponentLine:
    return ComponentLine(
        id=None,
        kind=Component.Kind.ARTIFACT_STORE,
        flavor="local",
        name="local",
        is_default=True,
        config={"path": str(Path(settings.HOME) / "artifacts")},
    )

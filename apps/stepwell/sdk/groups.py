"""Groups of steps: shown together, and collapsible, in the graph and the timeline."""

from __future__ import annotations

from dataclasses import dataclass

from stepwell.errors import ConfigError


@dataclass(frozen=True)
class GroupInfo:
    """A group of steps. Steps with the same ``id`` are in one group; ``name`` is what people see.

    Raises:
        ConfigError: Neither ``id`` nor ``name`` is given.
    """

    id: str = ""
    name: str = ""
    type: str = "group"

    def __post_init__(self) -> None:
        if not (self.id or self.name):
            raise ConfigError("A group has no id and no name.", hint='Write group="training".')
        object.__setattr__(self, "id", str(self.id or self.name))
        object.__setattr__(self, "name", str(self.name or self.id))

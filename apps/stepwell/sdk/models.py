"""Which model a run works on."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from stepwell.errors import ConfigError


@dataclass(frozen=True)
class Model:
    """A model that a pipeline or step makes or uses, by name; ``version`` is a number, a name or a stage.

    Raises:
        ConfigError: The name is empty.
    """

    name: str
    version: str | int | None = None
    description: str | None = None
    license: str | None = None
    audience: str | None = None
    use_cases: str | None = None
    limitations: str | None = None
    trade_offs: str | None = None
    ethics: str | None = None
    tags: list[str] = field(default_factory=list)
    save_models_to_registry: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ConfigError(f"A model's name is {self.name!r}.", hint='Write Model(name="churn").')

    def given(self) -> dict[str, Any]:
        """Return the values that differ from their defaults, and the name."""
        every = dataclasses.asdict(self)
        return {name: value for name, value in every.items() if value not in (None, [], True)}

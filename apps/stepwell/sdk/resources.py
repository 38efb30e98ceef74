"""What a step needs of the machine it runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stepwell.core.sizes import parse_size
from stepwell.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ResourceSettings:
    """Processor cores (above 0), GPUs, and memory per process such as ``4GB``.

    Raises:
        ConfigError: A value does not fit.
    """

    cpu_count: float | None = None
    gpu_count: int | None = None
    memory: str | None = None

    def __post_init__(self) -> None:
        if self.cpu_count is not None and not (_is_number(self.cpu_count) and self.cpu_count > 0):
            raise ConfigError(f"ResourceSettings.cpu_count is {self.cpu_count!r}.", hint="Give a number above 0.")
        whole = isinstance(self.gpu_count, int) and _is_number(self.gpu_count)
        if self.gpu_count is not None and not (whole and self.gpu_count >= 0):
            raise ConfigError(
                f"ResourceSettings.gpu_count is {self.gpu_count!r}.", hint="Give a whole number, 0 or above."
            )
        if self.memory is not None:
            try:
                parse_size(self.memory)
            except ConfigError as exc:
                raise ConfigError(f"ResourceSettings.memory is {self.memory!r}.", hint=exc.hint) from exc

    def given(self) -> dict[str, Any]:
        """Return the values that were given."""
        every = {"cpu_count": self.cpu_count, "gpu_count": self.gpu_count, "memory": self.memory}
        return {name: value for name, value in every.items() if value is not None}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

"""How often a failed step is tried again, and how long to wait before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from stepwell.errors import ConfigError
from stepwell.sdk.fieldset import FieldSet

_MOST_RETRIES = 1000


class StepRetryConfig(FieldSet):
    """Try a failed step again.

    A step has ``1 + max_retries`` attempts (``max_retries`` is 1 unless given). Before retry k it waits
    ``delay * backoff ** (k - 1)`` seconds; ``delay`` is 0 and ``backoff`` 1 unless given.

    Raises:
        ConfigError: ``max_retries`` is below 1, or ``delay`` or ``backoff`` is below 0.

    Example:
        @step(retry=StepRetryConfig(max_retries=3, delay=60))
        def download() -> bytes: ...
    """

    defaults: ClassVar[Mapping[str, Any]] = {"max_retries": 1, "delay": 0, "backoff": 1}
    max_retries: int
    delay: float
    backoff: float

    def __init__(
        self, max_retries: int | None = None, delay: float | None = None, backoff: float | None = None
    ) -> None:
        super().__init__(max_retries=max_retries, delay=delay, backoff=backoff)
        count = self.max_retries
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= _MOST_RETRIES:
            raise ConfigError(
                f"StepRetryConfig.max_retries is {count!r}.",
                hint=f"Give a whole number from 1 to {_MOST_RETRIES}, or leave retry out to try once.",
            )
        for name in ("delay", "backoff"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise ConfigError(f"StepRetryConfig.{name} is {value!r}.", hint="Give a number that is 0 or above.")

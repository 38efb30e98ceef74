"""A declared secret's values, read where the step process has them: in its environment."""

from __future__ import annotations

import os
from collections.abc import Iterable

from stepwell.errors import Denied
from stepwell.sdk import context


def read_values(name: str, keys: Iterable[str]) -> dict[str, str]:
    """Return a secret's values by key.

    Raises:
        Denied: This is not a running step that declares the secret.
    """
    keys = list(keys)
    if context.current() is None or not all(key in os.environ for key in keys):
        raise Denied(
            f"The values of the secret {name} are given to steps only.",
            hint=f'Write @step(secrets=["{name}"]) and read them there.',
        )
    return {key: os.environ[key] for key in keys}

"""The option ``output_materializers``: which materializers each output of a step asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stepwell.errors import ConfigError


def choose_materializers(given: Any, outputs: Sequence[str], *, owner: str) -> dict[str, list[Any]]:
    """Return output name -> materializer classes or dotted names; one or a list of them goes for every output.

    Raises:
        ConfigError: An output does not exist, or something is no materializer.
    """
    if not isinstance(given, Mapping):
        return {name: _check(given, owner=owner) for name in outputs}
    for name in given:
        if name not in outputs:
            raise ConfigError(
                f"{owner}: output_materializers names the output {name!r}, which the step does not have.",
                hint=f"Its outputs are: {', '.join(outputs) or 'none'}.",
            )
    return {name: _check(one, owner=owner) for name, one in given.items()}


def _check(given: Any, *, owner: str) -> list[Any]:
    wanted = list(given) if isinstance(given, list | tuple) else [given]
    for one in wanted:
        if isinstance(one, str) and "." in one and all(part.isidentifier() for part in one.split(".")):
            continue
        if isinstance(one, type) and hasattr(one, "ASSOCIATED_TYPES") and hasattr(one, "save") and hasattr(one, "load"):
            continue
        raise ConfigError(
            f"{owner}: output_materializers holds {one!r}, which is no materializer.",
            hint="Give a subclass of BaseMaterializer or its dotted name.",
        )
    return wanted

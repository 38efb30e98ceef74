"""Docker settings: taken and recorded so that existing code runs, without effect here."""

from __future__ import annotations

from typing import Any


class DockerSettings:
    """How an image would be built for a step. Steps run in the Python environment they are started from.

    Any keyword is taken; all are kept with the run, which says that they have no effect.
    """

    def __init__(self, **given: Any) -> None:
        self.given = given

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "given":
            raise AttributeError(name)
        return self.given.get(name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DockerSettings) and other.given == self.given

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"DockerSettings({', '.join(f'{name}={value!r}' for name, value in self.given.items())})"

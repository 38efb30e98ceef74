"""Tags: short texts on runs and on what they make."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Tag:
    """A tag by name. With ``cascade`` a pipeline's tag is put on every output its steps make, too.

    Example:
        @pipeline(tags=["nightly", Tag("release", cascade=True)])
        def training(): ...
    """

    name: str
    cascade: bool = False

    def __str__(self) -> str:
        return self.name


def tag_names(tags: Iterable[str | Tag] | None) -> list[str]:
    """Return tags as text.

    Raises:
        TypeError: One is neither text nor a ``Tag``.
    """
    wanted = [tags] if isinstance(tags, str | Tag) else list(tags or ())
    for tag in wanted:
        if not isinstance(tag, str | Tag) or not str(tag).strip():
            raise TypeError(f"Tags are non-empty text, not {tag!r}.")
    return [str(tag).strip() for tag in wanted]


def cascading(tags: Iterable[str | Tag]) -> list[str]:
    """Return the names of the tags that outputs get too."""
    return [tag.name for tag in tags if isinstance(tag, Tag) and tag.cascade]

"""The arguments of ``map`` and ``product``, taken apart into one set per step."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stepwell.core.values import encode, is_reference
from stepwell.errors import UsageError
from stepwell.sdk.futures import Artifact, MapResultsFuture, StepFuture, Unmapped, unwrap
from stepwell.sdk.signature import Signature

_SEQUENCES = frozenset({"list", "tuple"})
#: an item whose JSON is longer is not copied into the step's inputs; the step takes it out of the stored list
_MOST_INLINE = 32_768


@dataclass(frozen=True, slots=True)
class Taken:
    """An item that was taken out of a step's output."""

    value: Any
    artifact: Artifact
    index: int

    def encoded(self, signature: Signature, name: str) -> tuple[Any] | None:
        """Return its value as an input stores it; None where it is too large or has no such form."""
        try:
            found = encode(signature.coerce_input(name, self.value))
        except UsageError:
            return None
        return (found,) if len(repr(found)) <= _MOST_INLINE else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """``shared`` goes to every step; ``rows`` has the mapped arguments of each."""

    shared: dict[str, Any]
    names: list[str]
    rows: list[tuple[Any, ...]]

    def arguments(self) -> Iterator[dict[str, Any]]:
        for row in self.rows:
            yield dict(zip(self.names, row, strict=True))


def split(signature: Signature, given: Mapping[str, Any], *, is_product: bool) -> Arguments:
    """Take arguments apart: zipped, or every combination in the order of the signature, the last varying fastest.

    Raises:
        RuntimeError: The lengths differ, or there is nothing to map over.
    """
    mapped: dict[str, list[Any]] = {}
    shared: dict[str, Any] = {}
    for name in signature.inputs:
        if name not in given:
            continue
        items = items_of(given[name])
        if items is None:
            shared[name] = unwrap(given[name])
        else:
            mapped[name] = items
    if not mapped:
        what = "product" if is_product else "map"
        raise RuntimeError(
            f"{signature.owner}: there is nothing to {what} over. Pass a list, a tuple, a step's output that is "
            "one, or the result of another map."
        )
    lengths = {name: len(items) for name, items in mapped.items()}
    if is_product:
        rows = list(itertools.product(*mapped.values()))
    elif len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise RuntimeError(f"{signature.owner}: map over sequences of different lengths: {counts}. Nothing was run.")
    else:
        rows = list(zip(*mapped.values(), strict=True))
    return Arguments(shared=shared, names=list(mapped), rows=rows)


def items_of(value: Any) -> list[Any] | None:
    """Return what of an argument goes to each step; None for one that goes to every step whole."""
    if isinstance(value, Unmapped):
        return None
    if isinstance(value, MapResultsFuture):
        return [future._placeholder() for future in value]
    if isinstance(value, StepFuture):
        value = value._placeholder()
    if isinstance(value, Artifact):
        return _taken_from(value)
    if is_reference(value) and getattr(value, "type", "") in _SEQUENCES:
        return list(value.load())
    if isinstance(value, list | tuple):
        return [unwrap(item) for item in value]
    return None


def _taken_from(artifact: Artifact) -> list[Any] | None:
    if artifact.type not in _SEQUENCES:
        return None
    return [Taken(item, artifact, index) for index, item in enumerate(artifact.load())]

"""What the fuzz tests feed: a kept corpus, and inputs made by cutting, joining and flipping pieces of it.

An input that broke something goes into ``corpus/<name>/`` as a file, under a name that says what it is.
``STEPWELL_FUZZ=50`` makes fifty times as many inputs, other ones each time.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

TIMES = int(os.environ.get("STEPWELL_FUZZ", "1"))
_FOLDER = Path(__file__).parent / "corpus"


def often(examples: int) -> Any:
    """Return hypothesis settings for about ``examples`` inputs: the same ones each time, unless more are asked for."""
    return settings(
        max_examples=examples * TIMES,
        deadline=None,
        database=None,
        derandomize=TIMES == 1,
        suppress_health_check=list(HealthCheck),
    )


def corpus(name: str) -> list[bytes]:
    """Return the kept inputs of one target."""
    found = [path.read_bytes() for path in sorted((_FOLDER / name).iterdir())]
    assert found, f"corpus/{name} is empty"
    return found


def inputs(name: str) -> SearchStrategy[bytes]:
    """Return inputs like those of the corpus, and quite other ones."""
    return st.sampled_from(corpus(name)) | mutated(corpus(name)) | st.binary(max_size=400)


@st.composite
def mutated(draw: DrawFn, samples: list[bytes]) -> bytes:
    """Return a sample that was cut, joined with another, repeated, or had bytes changed, a few times over."""
    content = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        match draw(st.sampled_from(["flip", "cut", "insert", "splice", "repeat"])):
            case "flip" if at < len(content):
                content[at] ^= draw(st.integers(1, 255))
            case "cut":
                del content[at : at + draw(st.integers(1, 40))]
            case "insert":
                content[at:at] = draw(st.binary(max_size=12))
            case "splice":
                other = draw(st.sampled_from(samples))
                start = draw(st.integers(0, len(other)))
                content[at:] = other[start:]
            case "repeat":
                content[at:at] = bytes(content[at : at + 20]) * draw(st.integers(1, 20))
    return bytes(content[:20_000])

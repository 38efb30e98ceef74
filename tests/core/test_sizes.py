"""Sizes people write."""

from __future__ import annotations

import pytest

from stepwell.core.sizes import parse_size
from stepwell.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4 * 10**9), ("512MiB", 512 * 2**20), ("1.5 kb", 1500), (7, 7), ("12", 12)]
)
def test_sizes_are_read(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "4XB", "-1GB", "0", True, "1 GB x"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not a size"):
        parse_size(text)

"""Cells of CSV files that no spreadsheet takes for a formula."""

from __future__ import annotations

from typing import Any

#: what a spreadsheet may begin a formula with
_STARTS = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(value: Any) -> Any:
    """Return ``value`` as a cell: text that looks like a formula gets a quote before it, numbers stay."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_STARTS) else value

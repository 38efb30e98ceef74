"""Pictures of how numbers are spread: one histogram per column, as a page of inline SVG."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

FILE = "histograms.html"
_BINS = 30
_WIDTH, _HEIGHT = 360, 90
_MOST_COLUMNS = 20
#: more values are sampled evenly, so that a picture never costs more than the data's own storing
_MOST_VALUES = 1_000_000
_STYLE = (
    "<style>:root{color-scheme:light dark}body{font:13px system-ui,sans-serif;margin:12px}"
    "figure{display:inline-block;margin:0 20px 16px 0}figcaption{margin-bottom:4px}"
    "rect{fill:#2b7a8c}small{color:GrayText}</style>"
)


def page(columns: Iterable[tuple[str, Any]]) -> str:
    """Return the page for named one-dimensional numpy arrays of numbers; empty when none has a finite value."""
    figures = [figure for name, values in list(columns)[:_MOST_COLUMNS] if (figure := _figure(name, values))]
    return f"{_STYLE}{''.join(figures)}" if figures else ""


def _figure(name: str, values: Any) -> str:
    import numpy

    values = numpy.ravel(values)
    n_values = values.size
    if n_values > _MOST_VALUES:
        values = values[:: -(-n_values // _MOST_VALUES)]
    finite = values[numpy.isfinite(values)].astype("float64")
    if not finite.size:
        return ""
    with numpy.errstate(all="ignore"):
        low, high = float(finite.min()), float(finite.max())
        if not numpy.isfinite(high - low):
            return ""
        counts, _ = numpy.histogram(finite, bins=_BINS, range=(low, high) if low < high else (low - 0.5, high + 0.5))
    caption = f"<b>{escape(name[:100])}</b> <small>{n_values:,} values</small>"
    limits = f"<small>{low:.4g} to {high:.4g}, mean {float(finite.mean()):.4g}</small>"
    return f"<figure><figcaption>{caption}</figcaption>{_bars(counts.tolist(), name)}<br>{limits}</figure>"


def _bars(counts: list[int], name: str) -> str:
    tallest = max(counts)
    width = _WIDTH / len(counts)
    bars = "".join(
        f'<rect x="{index * width + 0.5:.1f}" y="{_HEIGHT - (height := max(1.0, _HEIGHT * count / tallest)):.1f}" '
        f'width="{width - 1:.1f}" height="{height:.1f}"><title>{count:,}</title></rect>'
        for index, count in enumerate(counts)
        if count
    )
    label = escape(f"Histogram of {name[:100]}", quote=True)
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{label}">{bars}</svg>'

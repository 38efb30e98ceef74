"""Which static files a page loads, in the order their tags are printed."""

from __future__ import annotations

#: under static/css/; each file names its own layer, so only layers and tokens must come first
STYLESHEETS: tuple[str, ...] = (
    "layers",
    "tokens",
    "reset",
    "base",
    "layout",
    "components/button",
    "components/card",
    "components/field",
    "components/flow",
    "components/log",
    "components/log_view",
    "components/menu",
    "components/palette",
    "components/state",
    "components/table",
    "components/tabs",
    "pages/causes",
    "pages/pipelines",
    "pages/rerun",
    "pages/run",
    "pages/run_tabs",
    "pages/runs",
    "pages/schedules",
    "utilities",
)
#: states that have an icon of their own for the browser's tab
FAVICONS = frozenset({"running", "queued", "paused", "cancelling", "completed", "failed", "cancelled"})


def stylesheet_paths() -> list[str]:
    """Return the path of every style sheet below the static root."""
    return [f"css/{name}.css" for name in STYLESHEETS]


def favicon_path(status: str) -> str:
    """Return the tab icon that shows ``status``; the plain one when there is none for it."""
    return f"icons/favicon-{status if status in FAVICONS else 'stepwell'}.svg"

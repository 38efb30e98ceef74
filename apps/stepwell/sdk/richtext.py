"""Text that says how it is shown: ``HTMLString``, ``MarkdownString``, ``CSVString`` and ``JSONString``."""

from __future__ import annotations


class HTMLString(str):
    """HTML to show on the artifact's page, in a frame of its own.

    Example:
        >>> HTMLString("<h1>Report</h1>")
        '<h1>Report</h1>'
    """

    __slots__ = ()


class MarkdownString(str):
    """Markdown to show on the artifact's page."""

    __slots__ = ()


class CSVString(str):
    """Comma-separated values to show as a table on the artifact's page."""

    __slots__ = ()


class JSONString(str):
    """JSON text to show as a tree on the artifact's page."""

    __slots__ = ()

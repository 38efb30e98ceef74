"""How every command of the command line is spelled: its help, its example, its handler."""

from __future__ import annotations

import argparse
from typing import Any


class Commands:
    """Adds commands that all look alike: one line of help, one example, one handler."""

    def __init__(self, parser: argparse.ArgumentParser, *, title: str, required: bool) -> None:
        self._added = parser.add_subparsers(title=title, metavar="COMMAND", required=required)

    def add(self, name: str, handler: str, summary: str, example: str) -> argparse.ArgumentParser:
        parser = self._added.add_parser(
            name,
            help=summary,
            description=f"{summary}.",
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.set_defaults(handler=f"stepwell.conf.{handler}")
        return parser


def add_json(parser: argparse.ArgumentParser, **default: Any) -> None:
    """Add ``--json`` to a command."""
    parser.add_argument("--json", action="store_true", help="print JSON", **default)

"""The ``stepwell`` command: finds what to do, and turns errors into one line and an exit code.

Exit codes: 0 done, 1 it failed, 2 the command line is wrong, 130 stopped by Ctrl-C. Nothing heavy is imported before
a command needs it: Django only by those that read the database, and by ``run`` only once the pipeline is called.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextvars import copy_context
from importlib import import_module

from stepwell.conf.cli_parser import make_parser
from stepwell.errors import StepwellError, UsageError

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. ``argv`` defaults to the process's own arguments."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        # What it notes of itself, such as who calls, ends with it.
        return copy_context().run(_dispatch, words)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (``| head``) has had enough; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except UsageError as exc:
        return _complain(exc, MISUSED)
    except StepwellError as exc:
        return _complain(exc, FAILED)


def _dispatch(words: list[str]) -> int:
    if words[:1] == ["manage"]:
        # Everything after it belongs to Django, --help included.
        return _handler("stepwell.conf.cli_setup:manage")(words[1:])
    try:
        options = make_parser().parse_args(words)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else MISUSED
    return _handler(options.handler)(options)


def _handler(address: str) -> Callable[..., int]:
    module, _, name = address.partition(":")
    handler: Callable[..., int] = getattr(import_module(module), name)
    return handler


def _complain(exc: StepwellError, code: int) -> int:
    print(f"stepwell: {exc.message} {exc.hint}".rstrip(), file=sys.stderr)
    return code

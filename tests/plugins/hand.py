"""Another process that works on the server's database: it does what it is told, one JSON line at a time.

``{"call": "tests.live.seed:make_run", "with": {...}}`` in, ``{"answer": ...}`` or ``{"error": "..."}`` out.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")


def main() -> None:
    django.setup()
    # What a function prints must not look like an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        order = json.loads(line)
        module, _, name = order["call"].partition(":")
        try:
            reply = {"answer": getattr(importlib.import_module(module), name)(**order["with"])}
        except Exception:
            reply = {"error": traceback.format_exc()}
        answers.write(json.dumps(reply, default=str) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()

"""Runs pipelines of the script that imports this, one after another, and prints a line of JSON for each."""

from __future__ import annotations

import json
import sys
from typing import Any


def run_all(pipelines: dict[str, Any], cases: str) -> None:
    for name, parameters in json.loads(cases):
        told: dict[str, Any] = {"pipeline": name}
        try:
            told["number"] = pipelines[name](**parameters).number
        except BaseException as exc:  # a step may leave with SystemExit
            run = getattr(exc, "run", None)
            told["number"] = run.number if run else None
            told["error"] = [type(exc).__name__, str(exc), *getattr(exc, "__notes__", [])]
        sys.stdout.flush()
        print(f"\n@@{json.dumps(told)}", flush=True)

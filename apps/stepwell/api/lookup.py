"""Finding what an address refers to: the same rules ``Client`` follows in scripts and steps."""

from __future__ import annotations

from stepwell.execution.lookup import filter_runs, find_attempt, find_pipeline, find_run, find_step

__all__ = ["filter_runs", "find_attempt", "find_pipeline", "find_run", "find_step"]

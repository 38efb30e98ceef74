"""Rows as the API shows them: the same shapes ``Client`` gets in scripts and steps."""

from __future__ import annotations

from stepwell.execution.shapes import (
    HIDDEN,
    artifact_detail,
    pipeline_detail,
    pipeline_summary,
    run_detail,
    run_summary,
    step_detail,
)

__all__ = [
    "HIDDEN",
    "artifact_detail",
    "pipeline_detail",
    "pipeline_summary",
    "run_detail",
    "run_summary",
    "step_detail",
]

"""The import path ``stepwell.steps`` of the steps' classes."""

from __future__ import annotations

from stepwell.sdk.steps import BaseStep, step

__all__ = ["BaseStep", "step"]

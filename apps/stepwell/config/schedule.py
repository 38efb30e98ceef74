"""The import path ``stepwell.config.schedule`` of ``Schedule``."""

from __future__ import annotations

from stepwell.sdk.schedule import Schedule

__all__ = ["Schedule"]

"""The import path ``stepwell.logger`` of ``get_logger``."""

from __future__ import annotations

from stepwell.sdk.logger import get_logger

__all__ = ["get_logger"]

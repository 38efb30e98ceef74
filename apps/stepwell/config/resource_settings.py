"""The import path ``stepwell.config.resource_settings`` of ``ResourceSettings``."""

from __future__ import annotations

from stepwell.sdk.resources import ResourceSettings

__all__ = ["ResourceSettings"]

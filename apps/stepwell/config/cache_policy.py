"""The import path ``stepwell.config.cache_policy`` of ``CachePolicy``."""

from __future__ import annotations

from stepwell.sdk.cachepolicy import CachePolicy

__all__ = ["CachePolicy"]

"""The import path ``stepwell.config`` of options' classes."""

from __future__ import annotations

from stepwell.sdk.cachepolicy import CachePolicy
from stepwell.sdk.resources import ResourceSettings
from stepwell.sdk.retry import StepRetryConfig

__all__ = ["CachePolicy", "ResourceSettings", "StepRetryConfig"]

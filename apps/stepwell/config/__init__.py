"""The import path ``stepwell.config`` of options' classes."""

from __future__ import annotations

from stepwell.sdk.cachepolicy import CachePolicy
from stepwell.sdk.docker import DockerSettings
from stepwell.sdk.resources import ResourceSettings
from stepwell.sdk.retry import StepRetryConfig
from stepwell.sdk.schedule import Schedule

__all__ = ["CachePolicy", "DockerSettings", "ResourceSettings", "Schedule", "StepRetryConfig"]

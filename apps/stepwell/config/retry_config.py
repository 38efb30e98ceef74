"""The import path ``stepwell.config.retry_config`` of ``StepRetryConfig``."""

from __future__ import annotations

from stepwell.sdk.retry import StepRetryConfig

__all__ = ["StepRetryConfig"]

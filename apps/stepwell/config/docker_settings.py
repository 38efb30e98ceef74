"""The import path ``stepwell.config.docker_settings`` of ``DockerSettings``."""

from __future__ import annotations

from stepwell.sdk.docker import DockerSettings

__all__ = ["DockerSettings"]

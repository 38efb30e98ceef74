"""Stepwell: write steps and pipelines in Python; run, watch and administer them in the browser.

Names load when they are first used, so that importing this package is quick and loads no server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stepwell import errors
    from stepwell.core.status import ExecutionMode, RunStatus
    from stepwell.sdk.artifactconfig import ArtifactConfig
    from stepwell.sdk.cachepolicy import CachePolicy
    from stepwell.sdk.context import StepContext, get_step_context
    from stepwell.sdk.groups import GroupInfo
    from stepwell.sdk.kinds import StepRuntime
    from stepwell.sdk.materializers.base import BaseMaterializer
    from stepwell.sdk.metadata import log_metadata, log_progress
    from stepwell.sdk.models import Model
    from stepwell.sdk.pipelines import Pipeline, pipeline
    from stepwell.sdk.resources import ResourceSettings
    from stepwell.sdk.retry import StepRetryConfig
    from stepwell.sdk.richtext import CSVString, HTMLString, JSONString, MarkdownString
    from stepwell.sdk.steps import BaseStep, step

_HOMES = {
    "ArtifactConfig": "stepwell.sdk.artifactconfig",
    "BaseMaterializer": "stepwell.sdk.materializers.base",
    "BaseStep": "stepwell.sdk.steps",
    "CSVString": "stepwell.sdk.richtext",
    "CachePolicy": "stepwell.sdk.cachepolicy",
    "ExecutionMode": "stepwell.core.status",
    "GroupInfo": "stepwell.sdk.groups",
    "HTMLString": "stepwell.sdk.richtext",
    "JSONString": "stepwell.sdk.richtext",
    "MarkdownString": "stepwell.sdk.richtext",
    "Model": "stepwell.sdk.models",
    "Pipeline": "stepwell.sdk.pipelines",
    "ResourceSettings": "stepwell.sdk.resources",
    "RunStatus": "stepwell.core.status",
    "StepContext": "stepwell.sdk.context",
    "StepRetryConfig": "stepwell.sdk.retry",
    "StepRuntime": "stepwell.sdk.kinds",
    "get_step_context": "stepwell.sdk.context",
    "log_metadata": "stepwell.sdk.metadata",
    "log_progress": "stepwell.sdk.metadata",
    "pipeline": "stepwell.sdk.pipelines",
    "step": "stepwell.sdk.steps",
}

__all__ = [
    "ArtifactConfig",
    "BaseMaterializer",
    "BaseStep",
    "CSVString",
    "CachePolicy",
    "ExecutionMode",
    "GroupInfo",
    "HTMLString",
    "JSONString",
    "MarkdownString",
    "Model",
    "Pipeline",
    "ResourceSettings",
    "RunStatus",
    "StepContext",
    "StepRetryConfig",
    "StepRuntime",
    "errors",
    "get_step_context",
    "log_metadata",
    "log_progress",
    "pipeline",
    "step",
]


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("stepwell.errors")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

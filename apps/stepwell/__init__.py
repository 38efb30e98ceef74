"""Stepwell: write steps and pipelines in Python; run, watch and administer them in the browser.

Names load when they are first used, so that importing this package is quick and loads no server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stepwell import errors
    from stepwell.core.status import ExecutionMode, RunStatus
    from stepwell.sdk.artifactcalls import (
        ExternalArtifact,
        add_tags,
        load_artifact,
        register_artifact,
        remove_tags,
        save_artifact,
    )
    from stepwell.sdk.artifactconfig import ArtifactConfig
    from stepwell.sdk.cachepolicy import CachePolicy
    from stepwell.sdk.client import Client
    from stepwell.sdk.context import StepContext, get_step_context
    from stepwell.sdk.docker import DockerSettings
    from stepwell.sdk.futures import MapResultsFuture, PipelineFuture, StepFuture, unmapped
    from stepwell.sdk.groups import GroupInfo
    from stepwell.sdk.kinds import ExecutionStatus, StepRuntime
    from stepwell.sdk.logger import get_logger
    from stepwell.sdk.materializers.base import BaseMaterializer
    from stepwell.sdk.metadata import log_metadata, log_progress
    from stepwell.sdk.models import Model
    from stepwell.sdk.pipelinecontext import get_pipeline_context
    from stepwell.sdk.pipelines import Pipeline, pipeline
    from stepwell.sdk.resources import ResourceSettings
    from stepwell.sdk.retry import StepRetryConfig
    from stepwell.sdk.richtext import CSVString, HTMLString, JSONString, MarkdownString
    from stepwell.sdk.schedule import Schedule
    from stepwell.sdk.steps import BaseStep, step
    from stepwell.sdk.tags import Tag
    from stepwell.sdk.waiting import wait

_HOMES = {
    "ArtifactConfig": "stepwell.sdk.artifactconfig",
    "BaseMaterializer": "stepwell.sdk.materializers.base",
    "BaseStep": "stepwell.sdk.steps",
    "CSVString": "stepwell.sdk.richtext",
    "CachePolicy": "stepwell.sdk.cachepolicy",
    "Client": "stepwell.sdk.client",
    "DockerSettings": "stepwell.sdk.docker",
    "ExecutionMode": "stepwell.core.status",
    "ExecutionStatus": "stepwell.sdk.kinds",
    "ExternalArtifact": "stepwell.sdk.artifactcalls",
    "GroupInfo": "stepwell.sdk.groups",
    "HTMLString": "stepwell.sdk.richtext",
    "JSONString": "stepwell.sdk.richtext",
    "MapResultsFuture": "stepwell.sdk.futures",
    "MarkdownString": "stepwell.sdk.richtext",
    "Model": "stepwell.sdk.models",
    "Pipeline": "stepwell.sdk.pipelines",
    "PipelineFuture": "stepwell.sdk.futures",
    "ResourceSettings": "stepwell.sdk.resources",
    "RunStatus": "stepwell.core.status",
    "Schedule": "stepwell.sdk.schedule",
    "StepContext": "stepwell.sdk.context",
    "StepFuture": "stepwell.sdk.futures",
    "StepRetryConfig": "stepwell.sdk.retry",
    "StepRuntime": "stepwell.sdk.kinds",
    "Tag": "stepwell.sdk.tags",
    "add_tags": "stepwell.sdk.artifactcalls",
    "get_logger": "stepwell.sdk.logger",
    "get_pipeline_context": "stepwell.sdk.pipelinecontext",
    "get_step_context": "stepwell.sdk.context",
    "load_artifact": "stepwell.sdk.artifactcalls",
    "log_metadata": "stepwell.sdk.metadata",
    "log_progress": "stepwell.sdk.metadata",
    "pipeline": "stepwell.sdk.pipelines",
    "register_artifact": "stepwell.sdk.artifactcalls",
    "remove_tags": "stepwell.sdk.artifactcalls",
    "save_artifact": "stepwell.sdk.artifactcalls",
    "step": "stepwell.sdk.steps",
    "unmapped": "stepwell.sdk.futures",
    "wait": "stepwell.sdk.waiting",
}

__all__ = [
    "ArtifactConfig",
    "BaseMaterializer",
    "BaseStep",
    "CSVString",
    "CachePolicy",
    "Client",
    "DockerSettings",
    "ExecutionMode",
    "ExecutionStatus",
    "ExternalArtifact",
    "GroupInfo",
    "HTMLString",
    "JSONString",
    "MapResultsFuture",
    "MarkdownString",
    "Model",
    "Pipeline",
    "PipelineFuture",
    "ResourceSettings",
    "RunStatus",
    "Schedule",
    "StepContext",
    "StepFuture",
    "StepRetryConfig",
    "StepRuntime",
    "Tag",
    "add_tags",
    "errors",
    "get_logger",
    "get_pipeline_context",
    "get_step_context",
    "load_artifact",
    "log_metadata",
    "log_progress",
    "pipeline",
    "register_artifact",
    "remove_tags",
    "save_artifact",
    "step",
    "unmapped",
    "wait",
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

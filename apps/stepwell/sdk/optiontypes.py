"""The options of steps and pipelines as type checkers and editors see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict
from uuid import UUID

from stepwell.core.status import ExecutionMode
from stepwell.sdk.cachepolicy import CachePolicy
from stepwell.sdk.groups import GroupInfo
from stepwell.sdk.kinds import StepRuntime
from stepwell.sdk.models import Model
from stepwell.sdk.retry import StepRetryConfig
from stepwell.sdk.tags import Tag

Hook = Callable[..., Any] | str


class SharedOptions(TypedDict, total=False):
    """Options a step and a pipeline take; a pipeline's are the defaults of its steps."""

    name: str | None
    enable_cache: bool | None
    enable_artifact_metadata: bool | None
    enable_artifact_visualization: bool | None
    enable_step_logs: bool | None
    environment: Mapping[str, Any] | None
    secrets: Sequence[str | UUID] | None
    settings: Mapping[str, Any] | None
    extra: Mapping[str, Any] | None
    on_failure: Hook | None
    on_success: Hook | None
    on_start: Hook | None
    on_end: Hook | None
    model: Model | None
    retry: StepRetryConfig | Mapping[str, Any] | None
    substitutions: Mapping[str, str] | None
    cache_policy: CachePolicy | str | None
    experiment_tracker: str | bool | None
    step_operator: str | bool | None


class StepOptions(SharedOptions, total=False):
    step_type: str | None
    parameters: Mapping[str, Any] | None
    output_materializers: Any
    runtime: StepRuntime | str | None
    #: minutes without a heartbeat after which the step counts as unhealthy
    heartbeat_healthy_threshold: int | None
    group: GroupInfo | str | None
    #: seconds, or text such as "10m"
    timeout: float | str | None


class PipelineOptions(SharedOptions, total=False):
    tags: Sequence[str | Tag] | None
    on_init: Hook | None
    on_cleanup: Hook | None
    execution_mode: ExecutionMode | str | None
    dynamic: bool | None

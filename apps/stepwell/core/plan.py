"""The plan: what a traced pipeline is made of, as data.

Tracing makes it in a process that holds user code; the store, the engine and the pages read it without any. It
travels as JSON (``Plan.model_dump_json``) and is stored per run.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stepwell.core.status import ExecutionMode


class Wire(BaseModel):
    # schemas are built at first use: most processes need only a few of them
    model_config = ConfigDict(extra="forbid", defer_build=True)


class Retry(Wire):
    """Attempts = 1 + max_retries; the wait before retry k is ``delay * backoff ** (k - 1)`` seconds."""

    max_retries: int = Field(default=0, ge=0, le=1000)
    delay: float = Field(default=0, ge=0)
    backoff: float = Field(default=1, ge=0)

    def wait_before(self, retry: int) -> float:
        """Return the seconds to wait before the ``retry``-th retry (the first is 1)."""
        return self.delay * self.backoff ** (retry - 1)


class Group(Wire):
    id: str
    name: str
    type: str = "group"


class Hooks(Wire):
    """Printable sources of a step's hooks (``module.function`` or a description); None where there is none."""

    on_start: str | None = None
    on_success: str | None = None
    on_failure: str | None = None
    on_end: str | None = None
    #: of the pipeline; called in the step's process before it begins, or in the clean-up's
    on_init: str | None = None
    on_cleanup: str | None = None


class StepOptions(Wire):
    """The options one invocation runs with, after every layer (pipeline, step, call, run) was merged."""

    step_type: str | None = None
    enable_cache: bool = True
    enable_artifact_metadata: bool = True
    enable_artifact_visualization: bool = True
    enable_step_logs: bool = True
    experiment_tracker: str | bool | None = None
    step_operator: str | bool | None = None
    environment: dict[str, str] = {}
    secrets: list[str] = []
    settings: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    model: dict[str, Any] | None = None
    retry: Retry = Retry()
    #: seconds; None is no limit
    timeout: float | None = Field(default=None, gt=0)
    substitutions: dict[str, str] = {}
    #: the fields of a CachePolicy, or {"name": "default"} / {"name": "no_cache"}
    cache_policy: dict[str, Any] = {"name": "default"}
    runtime: Literal["inline", "isolated"] | None = None
    #: minutes without a beat before a step counts as unhealthy
    heartbeat_healthy_threshold: int = Field(default=30, ge=1, le=1440)
    group: Group | None = None
    hooks: Hooks = Hooks()
    #: False: the hooks are kept but not called
    hooks_enabled: bool = True


class Binding(Wire):
    """Where one input of an invocation comes from. Exactly one of the groups is used, named by ``kind``.

    ``output``: output ``name`` of invocation ``step``. ``value``: ``value``, encoded by ``core.values``; where ``map``
    took it out of an output, ``step``, ``name`` and ``index`` say of which. ``item``: the item at ``index`` of one.
    ``artifact``: the stored artifact version with id ``artifact``. ``list``/``tuple``: ``items``.
    ``dict``: ``entries``. ``linked``: what is linked as ``name`` to the version of ``model`` the run works on.
    """

    kind: Literal["output", "value", "item", "artifact", "list", "tuple", "dict", "linked"]
    step: str = ""
    name: str = ""
    index: int | None = None
    value: Any = None
    artifact: str = ""
    #: name, version as the code names it (empty: the run's own), artifact_version (empty: the newest)
    model: dict[str, str] = {}
    items: list[Binding] = []
    entries: dict[str, Binding] = {}

    def upstream(self) -> set[str]:
        """Return the invocation ids this input waits for."""
        if self.kind in ("output", "item", "value"):
            return {self.step} if self.step else set()
        children = [*self.items, *self.entries.values()]
        return {step for child in children for step in child.upstream()}


class PlannedOutput(Wire):
    name: str
    #: printable annotation, for example ``pandas.DataFrame``
    type: str = "Any"
    #: the name its versions are stored under, placeholders filled in once it is stored; None is
    #: ``pipeline::step::output``
    artifact_name: str | None = None
    version: str | None = None
    tags: list[str] = []
    metadata: dict[str, Any] = {}
    #: what it is to people: ``model``, ``service``, ...; empty is plain data
    kind: str = ""
    #: printable sources of the materializers asked for
    materializers: list[str] = []


class Source(Wire):
    """How a step process finds the step object again."""

    module: str
    qualname: str
    #: ``import``: the module attribute is the very object. ``trace``: the pipeline is traced again and the invocation
    #: with this id is taken (steps made by ``with_options`` in a body, instances, local functions). ``pickle``: the
    #: driver of a dynamic pipeline has kept the step in the artifact store; ``pickled`` is its sha256.
    resolve: Literal["import", "trace", "pickle"] = "import"
    pickled: str = ""


class PlannedStep(Wire):
    invocation_id: str
    name: str
    source: Source
    source_code: str = ""
    docstring: str | None = None
    upstream: list[str] = []
    inputs: dict[str, Binding] = {}
    outputs: list[PlannedOutput] = []
    options: StepOptions = StepOptions()
    #: option name -> the layer its value came from: default, pipeline, step, call, run
    origins: dict[str, str] = {}
    #: everything of the cache key that is known before the inputs exist (hex sha256 per named part)
    cache_parts: dict[str, str] = {}


class PipelineHooks(Wire):
    on_init: str | None = None
    on_cleanup: str | None = None


class Plan(Wire):
    pipeline: str
    source: Source
    docstring: str | None = None
    #: encoded by ``core.values``
    parameters: dict[str, Any] = {}
    steps: list[PlannedStep] = []
    execution_mode: ExecutionMode = ExecutionMode.CONTINUE_ON_FAILURE
    #: may have placeholders: {date}, {time} and those of ``substitutions``
    run_name: str | None = None
    substitutions: dict[str, str] = {}
    tags: list[str] = []
    hooks: PipelineHooks = PipelineHooks()
    warnings: list[str] = []
    #: options the call changed (``with_options``, a configuration file), which importing the pipeline does not give
    variant: dict[str, Any] = {}
    #: runs the pipeline's on_cleanup once every other step is at rest
    cleanup: PlannedStep | None = None
    #: of a dynamic pipeline: runs the body, which calls the steps
    driver: PlannedStep | None = None
    #: what the body returned; None is nothing
    returned: Binding | None = None


class StepOverride(Wire):
    """Options a person changed for one step of a run. None means: as planned."""

    enable_cache: bool | None = None
    retry: Retry | None = None
    #: seconds; 0 removes the limit
    timeout: float | None = Field(default=None, ge=0)
    environment: dict[str, str] | None = None
    settings: dict[str, Any] | None = None
    experiment_tracker: str | bool | None = None
    step_operator: str | bool | None = None
    hooks_enabled: bool | None = None

    def apply(self, options: StepOptions) -> StepOptions:
        """Return ``options`` with what was changed replaced."""
        changes: dict[str, Any] = {name: value for name, value in self if value is not None}
        if "timeout" in changes:
            changes["timeout"] = changes["timeout"] or None
        return options.model_copy(update=changes)


class Overrides(Wire):
    """What a run changes: ``steps`` by invocation id; ``variant`` is that of its plan."""

    steps: dict[str, StepOverride] = {}
    variant: dict[str, Any] = {}


class PipelineSpec(Wire):
    """What registering a pipeline learns about it without running it."""

    name: str
    source: Source
    docstring: str | None = None
    #: JSON schema (draft 2020-12) of the pipeline function's parameters, an object
    parameters_schema: dict[str, Any] = {}
    source_code: str = ""
    #: the plan with default parameters; None when a parameter has no default or the pipeline is dynamic
    plan: Plan | None = None
    dynamic: bool = False

"""From traced invocations to the plan that is stored."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stepwell.core import nametemplates
from stepwell.core.values import encode
from stepwell.errors import StepInterfaceError, UsageError
from stepwell.sdk import typenames
from stepwell.sdk.cacheparts import cache_parts
from stepwell.sdk.cachepolicy import CachePolicy
from stepwell.sdk.coercion import type_text
from stepwell.sdk.hooks import STEP_HOOKS, describe, load_hook
from stepwell.sdk.places import place_of
from stepwell.sdk.sourcecode import source_text
from stepwell.sdk.tags import cascading, tag_names
from stepwell.sdk.variants import describe_variant

if TYPE_CHECKING:
    from stepwell.core.plan import Plan, PlannedOutput, PlannedStep, Source, StepOptions
    from stepwell.core.status import ExecutionMode
    from stepwell.sdk.pipelines import Pipeline
    from stepwell.sdk.steps import BaseStep
    from stepwell.sdk.tracing import Invocation

#: the step that runs on_cleanup
CLEANUP_STEP = ":cleanup"
#: the step that runs the body of a dynamic pipeline
DRIVER_STEP = ":driver"
#: its process is ended after this long; the hook itself has less
_CLEANUP_SECONDS = 30.0
_DOCKER = "Docker settings have no effect here: steps run in the Python environment of the runner or script."
#: options that hold code: a step imported by name must have the very same ones
_CODE_OPTIONS = (*STEP_HOOKS, "output_materializers")
_PLAIN_OPTIONS = (
    "step_type",
    "enable_cache",
    "enable_artifact_metadata",
    "enable_artifact_visualization",
    "enable_step_logs",
    "experiment_tracker",
    "step_operator",
    "environment",
    "secrets",
    "settings",
    "extra",
    "retry",
    "timeout",
    "substitutions",
    "runtime",
    "heartbeat_healthy_threshold",
)


def build_plan(pipeline: Pipeline, values: Mapping[str, Any], invocations: Mapping[str, Invocation]) -> Plan:
    """Return the plan of a traced pipeline.

    Raises:
        UsageError: A pipeline parameter or an option cannot be stored, a hook or file does not exist.
    """
    from stepwell.core.plan import PipelineHooks, Plan

    options = pipeline.options
    root = place_of(pipeline.module).source_root
    memo: dict[Any, dict[str, str]] = {}
    on_init = describe(options.get("on_init"))
    if on_init is not None:
        load_hook("on_init", options["on_init"], owner=f"Pipeline {pipeline.name}")
    tags = cascading(options.get("tags", []))
    docker = any("docker" in one.options.get("settings", {}) for one in invocations.values())
    return Plan(
        pipeline=pipeline.name,
        source=pipeline.source,
        docstring=pipeline.docstring,
        parameters={name: _encode_parameter(pipeline, name, value) for name, value in values.items()},
        steps=[plan_step(one, source_root=root, memo=memo, on_init=on_init, tags=tags) for one in invocations.values()],
        execution_mode=options.get("execution_mode", _default_mode(pipeline)),
        run_name=_run_name(pipeline),
        substitutions=options.get("substitutions", {}),
        tags=tag_names(options.get("tags", [])),
        hooks=PipelineHooks(on_init=on_init, on_cleanup=describe(options.get("on_cleanup"))),
        variant=describe_variant(pipeline),
        cleanup=_plan_cleanup(pipeline),
        driver=_plan_driver(pipeline) if pipeline.is_dynamic else None,
        warnings=[_DOCKER] if docker else [],
    )


def source_of(thing: Any, *, module: str, qualname: str) -> Source:
    """Return how a step process finds an object: by name where a module's attribute is this very object."""
    from stepwell.core.plan import Source

    name = typenames.module_name(module)
    holder = sys.modules.get(module)
    if attribute := _attribute_of(holder, thing, qualname):
        return Source(module=name, qualname=attribute, resolve="import")
    return Source(module=name, qualname=qualname, resolve="trace")


def _attribute_of(holder: Any, thing: Any, qualname: str) -> str | None:
    found = holder
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if found is thing:
        return qualname
    return next((name for name, value in list(vars(holder or object()).items()) if value is thing), None)


def plan_step(
    invocation: Invocation,
    *,
    source_root: str,
    memo: dict[Any, dict[str, str]],
    on_init: str | None,
    tags: Sequence[str] = (),
) -> PlannedStep:
    """Return the plan of one invocation; ``memo`` keeps what the code of steps reaches, ``tags`` go on its outputs."""
    from stepwell.core.plan import PlannedStep

    step = invocation.step
    return PlannedStep(
        invocation_id=invocation.id,
        name=step.name,
        source=_step_source(invocation),
        source_code=step.source_code,
        docstring=step.docstring,
        upstream=invocation.upstream,
        inputs=invocation.inputs,
        outputs=_plan_outputs(step, invocation.options, tags=tags),
        options=_plan_options(invocation, on_init=on_init),
        origins=_origins(invocation),
        cache_parts=cache_parts(invocation, source_root=source_root, memo=memo),
    )


def _step_source(invocation: Invocation) -> Source:
    original: BaseStep = invocation.original
    kind = type(original)
    source = source_of(original, module=kind.__module__, qualname=kind.__qualname__)
    same_code = all(invocation.options.get(name) is original._options.get(name) for name in _CODE_OPTIONS)
    if source.resolve == "import" and (invocation.is_changed or not same_code):
        return source.model_copy(update={"resolve": "trace"})
    return source


def _plan_cleanup(pipeline: Pipeline) -> PlannedStep | None:
    from stepwell.core.plan import Hooks, PlannedStep, StepOptions

    options = pipeline.options
    if "on_cleanup" not in options:
        return None
    hook = load_hook("on_cleanup", options["on_cleanup"], owner=f"Pipeline {pipeline.name}")
    return PlannedStep(
        invocation_id=CLEANUP_STEP,
        name="cleanup",
        source=pipeline.source,
        source_code=source_text(hook),
        options=StepOptions(
            environment=options.get("environment", {}),
            secrets=options.get("secrets", []),
            timeout=_CLEANUP_SECONDS,
            hooks=Hooks(on_cleanup=describe(options["on_cleanup"])),
        ),
    )


def _default_mode(pipeline: Pipeline) -> ExecutionMode:
    from stepwell.core.status import ExecutionMode

    return ExecutionMode.STOP_ON_FAILURE if pipeline.is_dynamic else ExecutionMode.CONTINUE_ON_FAILURE


def _plan_driver(pipeline: Pipeline) -> PlannedStep:
    from stepwell.core.plan import Hooks, PlannedStep, StepOptions

    options = pipeline.options
    for name in STEP_HOOKS:
        if name in options:
            load_hook(name, options[name], owner=f"Pipeline {pipeline.name}")
    return PlannedStep(
        invocation_id=DRIVER_STEP,
        name=pipeline.name,
        source=pipeline.source,
        source_code=pipeline.source_code,
        options=StepOptions(
            environment=options.get("environment", {}),
            secrets=options.get("secrets", []),
            hooks=Hooks(**{name: describe(options.get(name)) for name in STEP_HOOKS}),
        ),
    )


def _run_name(pipeline: Pipeline) -> str | None:
    if pipeline.run_name is not None:
        substitutions = pipeline.options.get("substitutions", {})
        nametemplates.check(pipeline.run_name, substitutions, what=f"Pipeline {pipeline.name}: run_name")
    return pipeline.run_name


def _plan_outputs(step: BaseStep, options: Mapping[str, Any], *, tags: Sequence[str]) -> list[PlannedOutput]:
    from stepwell.core.plan import PlannedOutput

    wanted = options.get("output_materializers") or {}
    planned = []
    for output in step.signature.outputs:
        config = output.config
        if output.is_named:
            what = f"Step {step.name}: an output's name"
            nametemplates.check(output.name, options.get("substitutions", {}), what=what)
        planned.append(
            PlannedOutput(
                name=output.name,
                type=type_text(output.annotation),
                artifact_name=output.name if output.is_named else None,
                version=str(config.version) if config and config.version is not None else None,
                tags=list(dict.fromkeys([*tag_names(config.tags if config else ()), *tags])),
                metadata=dict(config.run_metadata) if config else {},
                kind=config.kind if config else "",
                materializers=[
                    one if isinstance(one, str) else typenames.printable(one) for one in wanted.get(output.name, [])
                ],
            )
        )
    return planned


def _plan_options(invocation: Invocation, *, on_init: str | None) -> StepOptions:
    from pydantic import ValidationError

    from stepwell.core.plan import Group, Hooks, StepOptions

    options, owner = invocation.options, f"Step {invocation.id}"
    plain = {name: options[name] for name in _PLAIN_OPTIONS if name in options}
    if "retry" in plain:
        plain["retry"] = {"max_retries": 1, **plain["retry"]}
    policy = _plan_policy(options.get("cache_policy"))
    if policy.get("name") == "no_cache":
        plain["enable_cache"] = False
    for name in STEP_HOOKS:
        if name in options:
            load_hook(name, options[name], owner=owner)
    group, model = options.get("group"), options.get("model")
    try:
        return StepOptions(
            **{name: _plain(value, f"{owner}: {name}") for name, value in plain.items()},
            cache_policy=policy,
            group=Group(id=group.id, name=group.name, type=group.type) if group else None,
            model=_plain(model.given(), f"{owner}: model") if model else None,
            hooks=Hooks(**{name: describe(options.get(name)) for name in STEP_HOOKS}, on_init=on_init),
        )
    except ValidationError as exc:
        raise UsageError(f"{owner} has options that cannot be stored: {exc.errors()[0]['msg']}.") from exc


def _plan_policy(given: Mapping[str, Any] | None) -> dict[str, Any]:
    if not given:
        return {"name": "default"}
    if "name" in given:
        return {"name": given["name"]}
    complete = CachePolicy(**given).complete()
    complete["ignored_inputs"] = list(complete["ignored_inputs"])
    complete["file_dependencies"] = [str(name) for name in complete["file_dependencies"]]
    complete["source_dependencies"] = [describe(source) for source in complete["source_dependencies"]]
    complete["cache_func"] = describe(complete["cache_func"])
    return complete


def _origins(invocation: Invocation) -> dict[str, str]:
    known = {
        *_PLAIN_OPTIONS,
        *STEP_HOOKS,
        "name",
        "cache_policy",
        "group",
        "model",
        "parameters",
        "output_materializers",
    }
    return {**dict.fromkeys(sorted(known), "default"), **invocation.origins}


def _plain(value: Any, what: str) -> Any:
    """Return an option's value as plain JSON."""
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    try:
        return to_jsonable_python(value)
    except PydanticSerializationError as exc:
        raise UsageError(
            f"{what} holds a value that has no JSON form.", hint="Use text, numbers, lists, dicts."
        ) from exc


def _encode_parameter(pipeline: Pipeline, name: str, value: Any) -> Any:
    try:
        return encode(value)
    except UsageError as exc:
        raise StepInterfaceError(f"Pipeline {pipeline.name}: {name}: {exc.message}", hint=exc.hint) from exc

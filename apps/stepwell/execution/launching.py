"""What a step process is given: inputs, options, environment and secrets of one attempt."""

from __future__ import annotations

from dataclasses import dataclass
from tempfile import gettempdir
from typing import Any

from django.conf import settings

from stepwell.accounts.models import InstanceSettings
from stepwell.artifacts import model_actions, model_queries
from stepwell.core import values
from stepwell.core.plan import StepOptions
from stepwell.core.sizes import parse_size
from stepwell.core.status import StepKind
from stepwell.engine import temps, trees
from stepwell.engine.masking import Masker
from stepwell.engine.ports import LaunchSpec
from stepwell.engine.redaction import Hidden, parse_patterns
from stepwell.execution import inputs, operators, runnames
from stepwell.execution.claims import Claim
from stepwell.execution.operators.interface import StepOperator
from stepwell.stacks.opening import Opened, open_for
from stepwell.vault.actions import values_for_step


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """An attempt ready to start."""

    spec: LaunchSpec
    options: StepOptions
    #: values that never reach a log, a page or the database
    secret_values: tuple[str, ...]
    log_cap_bytes: int
    #: what the settings hide in its output besides
    hidden: Hidden
    #: where it runs, when that is not a fork of this node's step host
    operator: StepOperator | None = None

    def masker(self) -> Masker:
        """Return what keeps secrets, and what the settings hide, out of all it says."""
        return Masker(self.secret_values, hidden=self.hidden)


def prepare(claim: Claim, *, environment: dict[str, str], return_exception: bool = False) -> Launch:
    """Return how to start the process of a claimed attempt. ``environment`` is what it inherits.

    Raises:
        NotFound: A secret or component it names does not exist.
        ArtifactError: An input was not stored.
        ConfigError: An option cannot be carried out.
    """
    step = claim.step
    options = step.options
    secrets = values_for_step(
        names=options.secrets, run_id=step.run_id, step_name=step.invocation_id, attempt_id=claim.attempt.id
    )
    opened = {option: _open(claim, option, value) for option, value in _components(options)}
    operator = operators.make(opened["step_operator"]) if opened["step_operator"] else None
    payload = _plan_payload(claim) if step.kind == StepKind.PLAN else _step_payload(claim, options, return_exception)
    if tracker := opened["experiment_tracker"]:
        payload["tracker"] = {"name": tracker.name, "flavor": tracker.flavor, "config": tracker.config}
    marks = {trees.MARKER: str(claim.attempt.id), "STEPWELL_RUN_ID": str(step.run_id)}
    inherited = operator.environment() if operator else environment
    hidden = [*secrets.values(), *(value for one in opened.values() if one for value in one.secret_values)]
    spec = LaunchSpec(
        kind=str(step.kind),
        attempt_id=str(claim.attempt.id),
        payload=payload,
        environment={**inherited, **options.environment, **secrets, **marks},
        memory_bytes=memory_bytes(options.settings),
        most_processes=settings.STEP_PROCESSES,
        temp_folder=_temp_folder(claim, inherited) if "TMPDIR" not in options.environment else "",
    )
    row = InstanceSettings.load()
    return Launch(
        spec=spec,
        options=options,
        secret_values=tuple(hidden),
        log_cap_bytes=row.log_cap_mib * 1024 * 1024,
        hidden=parse_patterns(row.redaction_patterns),
        operator=operator,
    )


def _temp_folder(claim: Claim, inherited: dict[str, str]) -> str:
    # Short, as the names of sockets that programs put there may have a hundred characters.
    return f"{inherited.get('TMPDIR') or gettempdir()}/{temps.PREFIX}{claim.attempt.id}"


def _components(options: StepOptions) -> list[tuple[str, str | bool | None]]:
    return [("step_operator", options.step_operator), ("experiment_tracker", options.experiment_tracker)]


def _open(claim: Claim, option: str, value: str | bool | None) -> Opened | None:
    step = claim.step
    return open_for(option, value, run_id=step.run_id, step_name=step.invocation_id, attempt_id=claim.attempt.id)


def hook_spec(claim: Claim, launch: Launch, *, hook: str, error: dict[str, Any] | None) -> LaunchSpec:
    """Return how to run a hook in a fresh process, for an attempt whose own process is gone; None is no error."""
    about = ("pipeline", "parameters", "variant", "step", "inputs", "context", "artifact_root")
    kept = (*about, "attempt", "max_attempts", "hook_seconds")
    payload = {name: launch.spec.payload[name] for name in kept if name in launch.spec.payload}
    return LaunchSpec(
        kind="hook",
        attempt_id=str(claim.attempt.id),
        payload={**payload, "kind": "hook", "hook": hook, "error": error},
        environment=launch.spec.environment,
        most_processes=launch.spec.most_processes,
        temp_folder=launch.spec.temp_folder,
    )


def memory_bytes(settings: dict[str, Any]) -> int | None:
    """Return the memory limit of ``settings={"resources": {"memory": "4GB"}}`` in bytes, or None.

    Raises:
        ConfigError: It is not a size.
    """
    size = (settings.get("resources") or {}).get("memory")
    return parse_size(size) if size else None


def _plan_payload(claim: Claim) -> dict[str, Any]:
    run = claim.step.run
    return {
        "kind": "plan",
        "pipeline": run.snapshot.source.model_dump(mode="json"),
        "parameters": run.parameters,
        "variant": run.parsed_overrides.variant,
        "run_name": runnames.asked_name(run),
    }


def _step_payload(claim: Claim, options: StepOptions, return_exception: bool) -> dict[str, Any]:
    step, run = claim.step, claim.step.run
    outputs = inputs.upstream_outputs(step)
    max_attempts = 1 + options.retry.max_retries
    takes_it = options.hooks_enabled and bool(options.hooks.on_end or options.hooks.on_failure)
    return {
        "kind": str(step.kind),
        "pipeline": run.snapshot.source.model_dump(mode="json"),
        "parameters": {name: values.encode(value) for name, value in run.parameters.items()},
        "variant": run.parsed_overrides.variant,
        "step": {**step.plan, "options": options.model_dump(mode="json")},
        "inputs": {name: inputs.resolve(binding, outputs) for name, binding in inputs.bindings(step).items()},
        "artifact_root": str(inputs.artifact_root()),
        "output_folder": f"{step.run_id}/{step.id}/{claim.attempt.id}",
        "last_attempt": step.failures + 1 >= max_attempts,
        "attempt": step.failures + 1,
        "attempt_number": claim.attempt.number,
        "max_attempts": max_attempts,
        "context": {
            "run_id": str(run.id),
            "run_name": run.name,
            "run_number": run.number,
            "pipeline": run.pipeline.name,
            "step_run_id": str(step.id),
            "attempt_id": str(claim.attempt.id),
            "model": model_queries.as_told(model_actions.version_of(step)),
        },
        "hook_seconds": settings.HOOK_SECONDS,
        # The body that called it gets the very exception, and so does a hook whose first process is killed.
        "return_exception": return_exception or step.call_id is not None or run.caller_id is not None or takes_it,
    }

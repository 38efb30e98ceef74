"""What a rerun would do, told before it is started: what changes, what runs again, what is reused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stepwell.core.plan import Overrides
from stepwell.core.status import DONE_STEP, RerunCode, RerunScope, StepKind
from stepwell.execution import actions, changes
from stepwell.pipelines.models import Snapshot
from stepwell.runs.models import Run, StepRun


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunPreview:
    """What a rerun would change and do. ``steps``: (invocation id, ``runs`` or ``reused``, why)."""

    changes: list[dict[str, Any]]
    steps: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reasons:
    """What makes steps run again; ``running`` grows in the order of the steps."""

    scope: str
    chosen: frozenset[str]
    #: invocation id -> how the newer code differs
    code: dict[str, str]
    options: set[str]
    parameters: dict[str, set[str]]
    running: set[str]

    def why(self, step: StepRun) -> str:
        """Return why ``step`` runs again; empty when its result is kept."""
        name = step.invocation_id
        if self.scope == RerunScope.WHOLE:
            return "everything runs"
        if name in self.chosen:
            return "chosen"
        if step.status not in DONE_STEP:
            return f"was {step.status}"
        if name in self.code:
            return self.code[name]
        if name in self.options:
            return "its options changed"
        if taken := self.parameters[name]:
            return f"{', '.join(sorted(taken))} changed"
        above = {edge.upstream.invocation_id for edge in step.upstream_edges.all()} & self.running
        return f"{sorted(above)[0]} runs again" if above else ""


def preview_rerun(
    *,
    run: Run,
    scope: str,
    parameters: dict[str, Any] | None,
    overrides: Overrides | None,
    from_steps: Iterable[str] = (),
    code: str = RerunCode.AS_RUN,
) -> RerunPreview:
    """Say what a rerun would change, which steps would run and which results it would keep.

    A changed parameter counts for every step that takes it, and for all below; the run itself decides with the code's
    exact cache keys, so it may keep more than the preview says, never less safe.

    Raises:
        ParameterErrors: A parameter does not fit.
        UsageError: An option or ``from_steps`` names a step the run does not have.
    """
    snapshot = actions.snapshot_for(run, code)
    complete, merged = actions.merge(run, snapshot, parameters=parameters, overrides=overrides)
    found = changes.between(run, complete, merged, snapshot=snapshot)
    steps = list(StepRun.objects.filter(run=run, kind=StepKind.STEP).prefetch_related("upstream_edges__upstream"))
    differs, new_steps = _code_changes(run, steps, snapshot)
    changed = {change["what"] for change in found if change["what"] in complete}
    reasons = _Reasons(
        scope=scope,
        chosen=frozenset(actions.check_from_steps(run, scope, from_steps)),
        code=differs,
        options=changes.changed_steps(run, merged),
        parameters=changes.parameters_taken(run, steps, changed),
        running=set(),
    )
    fates: list[tuple[str, str, str]] = []
    for step in steps:
        if differs.get(step.invocation_id) == _GONE:
            continue
        why = reasons.why(step)
        if why:
            reasons.running.add(step.invocation_id)
        fates.append((step.invocation_id, "runs" if why else "reused", why or f"kept from run #{run.number}"))
    fates.extend((name, "runs", "new in this code") for name in new_steps)
    return RerunPreview(changes=found, steps=fates)


_GONE = "no longer in the code"


def _code_changes(run: Run, steps: list[StepRun], snapshot: Snapshot) -> tuple[dict[str, str], list[str]]:
    """Return how newer code differs for steps of ``run``, and the steps it adds."""
    if snapshot.id == run.snapshot_id:
        return {}, []
    plan = snapshot.compiled.plan
    if plan is None:
        return {step.invocation_id: "the code changed" for step in steps}, []
    planned = {step.invocation_id: step for step in plan.steps}
    differs: dict[str, str] = {}
    for step in steps:
        new = planned.pop(step.invocation_id, None)
        if new is None:
            differs[step.invocation_id] = _GONE
        elif _code_parts(step.plan.get("cache_parts", {})) != _code_parts(new.cache_parts):
            differs[step.invocation_id] = "its code changed"
    return differs, list(planned)


def _code_parts(parts: dict[str, str]) -> dict[str, str]:
    # Parameters have a word of their own, and the newer plan was made with the defaults.
    return {name: value for name, value in parts.items() if not name.startswith("parameter ")}

"""Rows for the execution tests."""

from __future__ import annotations

from stepwell.core.plan import PipelineSpec, Plan, PlannedStep, Source, StepOptions
from stepwell.core.status import RunStatus, Trigger
from stepwell.execution import actions, moves
from stepwell.pipelines.actions import store_snapshot
from stepwell.runs.models import Run, RunnerNode, StepEdge, StepRun

SCHEMA = {
    "type": "object",
    "properties": {"rows": {"type": "integer", "default": 10}},
    "required": [],
    "additionalProperties": False,
}


def make_snapshot(name="train", **changes):
    source = Source(module=name, qualname=name)
    spec = PipelineSpec(name=name, source=source, parameters_schema=SCHEMA, **changes)
    return store_snapshot(spec, code_hash="c" * 64, entry_file=f"{name}.py")


def make_run(edges, *, mode="continue_on_failure", status=RunStatus.RUNNING, options=None, **changes):
    """Store a run whose steps are the keys of ``edges``, each with the names of its upstreams."""
    snapshot = make_snapshot()
    run = Run.objects.create(
        number=actions.next_run_number(),
        name="run",
        pipeline=snapshot.pipeline,
        snapshot=snapshot,
        status=status,
        trigger=Trigger.API,
        execution_mode=mode,
        **changes,
    )
    steps = {
        name: StepRun.objects.create(
            run=run,
            invocation_id=name,
            name=name,
            ordinal=ordinal,
            plan=planned(name, upstream, options).model_dump(mode="json"),
        )
        for ordinal, (name, upstream) in enumerate(edges.items(), start=1)
    }
    for name, upstream in edges.items():
        for above in upstream:
            StepEdge.objects.create(upstream=steps[above], downstream=steps[name])
    return run


def planned(name, upstream=(), options=None):
    return PlannedStep(
        invocation_id=name,
        name=name,
        source=Source(module="train", qualname=name),
        upstream=list(upstream),
        options=options or StepOptions(enable_cache=False),
    )


def make_plan(*steps):
    return Plan(pipeline="train", source=Source(module="train", qualname="train"), steps=list(steps))


def make_node(kind=RunnerNode.Kind.RUNNER, **changes):
    return RunnerNode.objects.create(kind=kind, host="elsewhere", pid=1, **changes)


def queue(run, name):
    step = run.steps.get(invocation_id=name)
    return moves.queue_step(step)

"""Names of runs: each is used once; templates are filled in when the run is planned."""

from __future__ import annotations

import re

from stepwell.core import nametemplates
from stepwell.core.plan import Plan, PlannedStep
from stepwell.errors import Conflict
from stepwell.runs.models import Counter, Run


def first_name(run: Run) -> str:
    """Return the name a new run gets: the one asked for, else one that nobody has. The run has its number.

    The caller has a transaction open in which the number was taken, so that no other run takes the name meanwhile.

    Raises:
        Conflict: The name asked for is taken.
    """
    if not run.name:
        return _free_default(run)
    if not nametemplates.has_placeholder(run.name):
        _check_free(run.name, run)
    return run.name


def asked_name(run: Run) -> str:
    """Return the name somebody gave to this run, to be filled in by its plan; empty when it has a default name."""
    return "" if re.fullmatch(re.escape(_default(run)) + r"(-\d+)?", run.name) else run.name


def planned_name(run: Run, plan: Plan) -> str:
    """Return the name a planned run has: the plan's template filled in, else the one it had.

    Raises:
        ConfigError: Nothing stands for a placeholder.
        Conflict: Another run has the name.
    """
    if not plan.run_name:
        return run.name
    name = nametemplates.expand(plan.run_name, plan.substitutions, at=run.created_at, what="run_name")[:255]
    if name != run.name:
        if run.parent_id and not nametemplates.has_placeholder(plan.run_name):
            # A name fixed in the code belongs to the first run; whoever reruns it in the browser cannot change it.
            return run.name
        # The lock that runs take for their number: of two that want one name, one comes later.
        Counter.objects.select_for_update().get_or_create(name="run")
        _check_free(name, run)
    return name


def name_outputs(step: PlannedStep, run: Run) -> PlannedStep:
    """Return a step with the names of its artifacts filled in.

    Raises:
        ConfigError: Nothing stands for a placeholder.
    """
    what = f"Step {step.invocation_id}: an artifact's name"
    outputs = [
        output.model_copy(
            update={
                "artifact_name": nametemplates.expand(
                    output.artifact_name, step.options.substitutions, at=run.created_at, what=what
                )
            }
        )
        if output.artifact_name
        else output
        for output in step.outputs
    ]
    return step.model_copy(update={"outputs": outputs})


def _check_free(name: str, run: Run) -> None:
    other = Run.objects.filter(name=name).exclude(id=run.id).only("number").first()
    if other is not None:
        raise Conflict(
            f"The run name “{name}” is taken by run #{other.number}.",
            hint="Give another one, or a template such as train_{date}_{time}.",
        )


def _default(run: Run) -> str:
    return f"{run.pipeline.name}-{run.number}"


def _free_default(run: Run) -> str:
    name, number = _default(run), 1
    while Run.objects.filter(name=name).exists():
        number += 1
        name = f"{_default(run)}-{number}"
    return name

"""Commands about runs: list, show, cancel, rerun."""

from __future__ import annotations

import argparse
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from stepwell.conf.cli_output import duration, iso, moment, one_line, print_json, print_table
from stepwell.conf.cli_setup import load_database
from stepwell.core.durations import parse_duration
from stepwell.core.status import RerunCode, RerunScope, RunStatus, Trigger
from stepwell.errors import StepwellError, UsageError

if TYPE_CHECKING:
    from stepwell.core.wire import RunFilters
    from stepwell.runs.models import Run

_MOST = 10_000


def list_runs(options: argparse.Namespace) -> int:
    """Print the newest runs."""
    filters = _filters(options)
    if not 1 <= options.limit <= _MOST:
        raise UsageError(f"--limit is {options.limit}.", hint=f"Use 1 to {_MOST}.")
    load_database()
    from stepwell.api.lookup import filter_runs

    runs = list(filter_runs(filters)[: options.limit])
    if options.json:
        print_json([_as_json(run) for run in runs])
        return 0
    rows = [
        (
            run.number,
            run.pipeline.name,
            run.status,
            run.trigger,
            moment(run.created_at),
            duration(run.started_at, run.ended_at),
        )
        for run in runs
    ]
    print_table(("RUN", "PIPELINE", "STATUS", "TRIGGER", "MADE", "TOOK"), rows, empty="No runs.")
    return 0


def show_run(options: argparse.Namespace) -> int:
    """Print a run and its steps."""
    load_database()
    from stepwell.api.lookup import find_run
    from stepwell.api.shapes import run_detail, step_detail

    run = find_run(options.ref)
    steps = [step_detail(step, full=True) for step in run.steps.select_related("call").prefetch_related("attempts")]
    if options.json:
        detail = run_detail(run, full=True).model_dump(mode="json")
        print_json({**detail, "steps": [step.model_dump(mode="json") for step in steps]})
        return 0
    reason = f" ({one_line(run.status_reason)})" if run.status_reason else ""
    print(f"Run {run.number} of {run.pipeline.name}: {run.status}{reason}")
    print(f"id {run.id}, made {moment(run.created_at)}, took {duration(run.started_at, run.ended_at)}")
    for name, value in run.parameters.items():
        print(f"  {name} = {value!r}")
    rows = [
        (
            step.invocation_id,
            step.status,
            len(step.attempts) or None,
            duration(step.started_at, step.ended_at),
            step.status_reason or (step.attempts[-1].error_message if step.attempts else "") or step.cache_reason,
        )
        for step in steps
    ]
    print_table(("STEP", "STATUS", "ATTEMPTS", "TOOK", "WHY"), rows, empty="No steps yet.")
    return 0


def cancel_run(options: argparse.Namespace) -> int:
    """Ask a run to stop."""
    load_database()
    from stepwell.api.lookup import find_run
    from stepwell.execution import actions

    run = actions.cancel_run(run=find_run(options.ref), by="the command line")
    print(f"Run {run.number} is {run.status}.")
    return 0


def answer(options: argparse.Namespace) -> int:
    """Answer what a dynamic run waits for."""
    load_database()
    from stepwell.sdk.client import Client

    value = _as_json_or_text(options.answer)
    made = Client().answer(options.ref, value, wait=options.wait)
    print(f"“{made.question or made.name}” is answered: {made.answer!r}.")
    return 0


def _as_json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def rerun(options: argparse.Namespace) -> int:
    """Start a run from an earlier one."""
    load_database()
    from stepwell.api.lookup import find_run
    from stepwell.conf.cli_options import read_overrides, read_parameters
    from stepwell.execution import actions

    run = find_run(options.ref)
    planned = {step.invocation_id: step.options for step in run.steps.filter(kind="step")}
    code = RerunCode.NEWEST if options.newest_code else RerunCode.AS_RUN
    schema = actions.snapshot_for(run, code).parameters_schema
    new = actions.rerun(
        run=run,
        scope=options.scope or (RerunScope.FROM_STEPS if options.from_steps else RerunScope.WHOLE),
        from_steps=options.from_steps,
        code=code,
        parameters=read_parameters(schema, options.parameters) or None,
        overrides=read_overrides(options.options, planned) if options.options else None,
        actor=None,
    )
    print(f"Run {new.number} was started from run {run.number}. Follow it with: stepwell logs {new.number} -f")
    return 0


def _filters(options: argparse.Namespace) -> RunFilters:
    from stepwell.core.wire import RunFilters

    return RunFilters(
        status=[_one_of(RunStatus, "--status", text) for text in options.status or []],
        trigger=[_one_of(Trigger, "--trigger", text) for text in options.trigger or []],
        pipeline=options.pipeline,
        since=_since(options.since) if options.since else None,
    )


def _one_of(kind: Any, option: str, text: str) -> Any:
    try:
        return kind(text.strip().lower())
    except ValueError:
        raise UsageError(f"{option} is “{text[:80]}”.", hint=f"Use one of {', '.join(kind)}.") from None


def _since(text: str) -> datetime:
    wrong = UsageError(f"--since is “{text[:80]}”.", hint="Write 2h, 3d, 2026-11-23 or 2026-11-23T08:00.")
    try:
        if re.match(r"\d{4}-", text):
            at = datetime.fromisoformat(text)
            return at if at.tzinfo else at.astimezone()
        return datetime.now(UTC) - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError, StepwellError):
        raise wrong from None


def _as_json(run: Run) -> dict[str, Any]:
    return {
        "id": str(run.id),
        "number": run.number,
        "name": run.name,
        "pipeline": run.pipeline.name,
        "status": run.status,
        "trigger": run.trigger,
        "started_at": iso(run.started_at),
        "ended_at": iso(run.ended_at),
    }

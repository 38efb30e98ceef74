"""What every page of one pipeline shows above its tabs."""

from __future__ import annotations

from typing import Any

from stepwell.accounts.models import Role
from stepwell.pipelines.models import Pipeline, Schedule, Snapshot
from stepwell.runs.models import Run
from stepwell.web import present
from stepwell.web.pipeline_rows import bars, tally
from stepwell.web.request import WebRequest

_FIRES_SHOWN = 3


def pipeline_context(
    request: WebRequest, pipeline: Pipeline, newest: Snapshot | None, latest: list[Run], *, tab: str
) -> dict[str, Any]:
    """Return what the frame of a pipeline's page needs; ``latest`` are its latest runs."""
    usual, success = tally(latest)
    return {
        "pipeline": pipeline,
        "tab": tab,
        "can_run": newest is not None and newest.can_run,
        "can_operate": request.user.may(Role.OPERATOR),
        "bars": bars(latest),
        "bars_width": max(1, len(latest)) * 6,
        "tally": " · ".join(part for part in (success, usual) if part),
        "next_fires": _next_fires(pipeline),
    }


def _next_fires(pipeline: Pipeline) -> list[tuple[Schedule, present.Moment | None]]:
    """Return the schedules of a pipeline that will fire, the next first."""
    waiting = Schedule.objects.filter(pipeline=pipeline, is_paused=False, next_fire_at__isnull=False)
    return [(one, present.moment(one.next_fire)) for one in waiting.order_by("next_fire_at")[:_FIRES_SHOWN]]

"""How long runs of a pipeline usually take: the median of its latest completed ones."""

from __future__ import annotations

import statistics
import uuid
from collections.abc import Iterable, Mapping

from django.core.cache import cache

from stepwell.core.status import RunStatus
from stepwell.runs.models import Run
from stepwell.web.pipeline_rows import latest_runs

#: fewer completed runs than this say nothing about what is usual
_FEWEST = 3
_KEPT_SECONDS = 60
#: percent by which a run may differ and still be as usual
_NOISE = 10


def usual_seconds(pipeline_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, float]:
    """Return the usual duration of each pipeline that has one, in seconds; kept for a minute."""
    keys = {f"usual:{pk}": pk for pk in pipeline_ids}
    kept = cache.get_many(keys)
    missing = [pk for key, pk in keys.items() if key not in kept]
    if missing:
        runs = latest_runs(missing)
        fresh = {f"usual:{pk}": _usual(runs[pk]) for pk in missing}
        cache.set_many(fresh, _KEPT_SECONDS)
        kept |= fresh
    return {keys[key]: seconds for key, seconds in kept.items() if seconds}


def remember(runs: Mapping[uuid.UUID, list[Run]]) -> None:
    """Take what is usual from the latest runs of pipelines that were read anyway."""
    cache.set_many({f"usual:{pk}": _usual(latest) for pk, latest in runs.items()}, _KEPT_SECONDS)


def versus(seconds: float, usual: float | None) -> str:
    """Return how ``seconds`` differs from ``usual``: ``+29 %``; nothing when it does not by much, or is unknown."""
    if not usual:
        return ""
    percent = round(100 * (seconds - usual) / usual)
    if abs(percent) <= _NOISE:
        return ""
    return f"+{percent:,} %" if percent > 0 else f"−{-percent} %"


def _usual(runs: list[Run]) -> float:
    seconds = [run.took_seconds for run in runs if run.status == RunStatus.COMPLETED and run.took_seconds > 0]
    return statistics.median(seconds) if len(seconds) >= _FEWEST else 0.0

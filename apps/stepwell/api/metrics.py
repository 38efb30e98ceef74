"""``/metrics`` for Prometheus: what is queued, running and finished, read from the database at each scrape."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from stepwell.api.auth import find_caller
from stepwell.api.errors import error_response, not_signed_in
from stepwell.core.status import TERMINAL_RUN, AttemptStatus, RunStatus, StepStatus
from stepwell.kit import gauges
from stepwell.kit.models import DbNow
from stepwell.runs.models import Attempt, Run, RunnerNode, StepRun

if TYPE_CHECKING:
    from prometheus_client.core import Metric

#: durations tell of what ended in the last so many minutes
RECENT_MINUTES = 15
#: how many of the newest are looked at for them
_MOST_RECENT = 5000
#: seconds without a sign of life after which a runner no longer counts
_SEEN_SECONDS = 60
_QUANTILES = (0.5, 0.95, 1.0)
#: name in ``kit.gauges`` -> what it means
_OF_THIS_PROCESS = {
    "hub_round_seconds": "How long the live hub of this web process took to read and send what was new.",
    "sockets": "Open WebSockets, one for each open page, in this web process.",
    "hub_topics": "Runs, logs and lists that open pages watch, in this web process.",
}


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer a scrape by anyone with a token, or a session, of any role."""
    if find_caller(request) is None:
        return not_signed_in(request)
    try:
        import prometheus_client  # noqa: PLC0415  an extra: pip install "stepwell[metrics]"
    except ImportError:
        return error_response(
            request,
            status=501,
            code="not_installed",
            message="This instance gives no metrics.",
            hint='Install them where Stepwell runs: pip install "stepwell[metrics]".',
        )
    registry = prometheus_client.CollectorRegistry()
    registry.register(StoredNumbers())
    text = prometheus_client.generate_latest(registry)
    return HttpResponse(text, content_type=prometheus_client.CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


# The view itself asks for a token or session, as every operation of the API does.
metrics.access = "own"  # type: ignore[attr-defined]


class StoredNumbers:
    """A Prometheus collector that counts rows, so that every web process answers the same."""

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        yield _gauge("stepwell_runs", "Runs by status.", "status", _by_status(Run.objects.all(), RunStatus))
        live = StepRun.objects.exclude(run__status__in=TERMINAL_RUN)
        yield _gauge(
            "stepwell_live_steps", "Steps of unfinished runs, by status.", "status", _by_status(live, StepStatus)
        )
        yield from _queue()
        yield from _runners()
        yield from _durations()
        for name, help_text in _OF_THIS_PROCESS.items():
            yield _gauge(f"stepwell_{name}", help_text, "", {"": gauges.values.get(name, 0.0)})


def _queue() -> Iterator[Metric]:
    now = timezone.now()
    queued = Attempt.objects.filter(status=AttemptStatus.QUEUED).aggregate(count=Count("id"), since=Min("queued_at"))
    running = Attempt.objects.filter(status=AttemptStatus.RUNNING).aggregate(count=Count("id"), beat=Min("beat_at"))
    yield _gauge("stepwell_queued_steps", "Attempts that wait for a free slot.", "", {"": queued["count"]})
    yield _gauge(
        "stepwell_queue_age_seconds", "How long the oldest of them waits.", "", {"": _age(queued["since"], now)}
    )
    yield _gauge("stepwell_running_steps", "Attempts that hold a slot.", "", {"": running["count"]})
    yield _gauge(
        "stepwell_oldest_beat_seconds",
        "Age of the newest heartbeat of the running attempt that is silent longest.",
        "",
        {"": _age(running["beat"], now)},
    )


def _runners() -> Iterator[Metric]:
    alive = RunnerNode.objects.filter(
        kind=RunnerNode.Kind.RUNNER, stopped_at=None, seen_at__gte=DbNow() - _SEEN_SECONDS
    ).aggregate(count=Count("id"), slots=Sum("slots"), seen=Max("seen_at"))
    yield _gauge("stepwell_runners", "Runners that were seen in the last minute.", "", {"": alive["count"]})
    yield _gauge("stepwell_slots", "Steps these runners work on at the same time.", "", {"": alive["slots"] or 0})


def _durations() -> Iterator[Metric]:
    since = timezone.now() - timedelta(minutes=RECENT_MINUTES)
    ended = Q(ended_at__gte=since, started_at__isnull=False)
    runs = Run.objects.filter(ended, updated_at__gte=since)
    steps = StepRun.objects.filter(ended, run__updated_at__gte=since, status=StepStatus.COMPLETED)
    for name, rows in (("run", runs), ("step", steps)):
        seconds = sorted(
            taken.total_seconds()
            for taken in rows.order_by("-id").values_list(F("ended_at") - F("started_at"), flat=True)[:_MOST_RECENT]
        )
        what = f"of {name}s that ended in the last {RECENT_MINUTES} minutes"
        yield _gauge(f"stepwell_recent_{name}s", f"Number {what}.", "", {"": len(seconds)})
        yield _gauge(
            f"stepwell_recent_{name}_seconds",
            f"Duration {what}, by quantile.",
            "quantile",
            {f"{quantile:g}": _quantile(seconds, quantile) for quantile in _QUANTILES if seconds},
        )


def _by_status(rows: QuerySet[Run] | QuerySet[StepRun], statuses: type[RunStatus] | type[StepStatus]) -> dict[str, int]:
    counted = dict(rows.order_by().values_list("status").annotate(Count("id")))
    return {str(status): counted.get(str(status), 0) for status in statuses}


def _quantile(ordered: list[float], quantile: float) -> float:
    return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0


def _gauge(name: str, help_text: str, label: str, samples: dict[str, float]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415  an extra

    family = GaugeMetricFamily(name, help_text, labels=[label] if label else None)
    for value, number in samples.items():
        family.add_metric([value] if label else [], float(number))
    return family

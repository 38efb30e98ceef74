"""The card on top of a run that failed: what, where, how often, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, F, OuterRef, Subquery
from django.urls import reverse

from stepwell.core.status import FAILED_ATTEMPT, AttemptStatus, StepStatus
from stepwell.engine.logreader import LogReader
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt, Run, StepRun
from stepwell.web import present
from stepwell.web.run_page import attempts_text, log_url, step_url

_MESSAGE_LIMIT = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The first step that failed, and what it said."""

    step: str
    step_url: str
    attempts: str
    #: class and first line of the message
    error: str
    where: str
    reason: str
    #: the log, at the first line that tells of an error
    log_url: str
    log_line: int
    #: in how many runs the same error ended an attempt, this one included
    n_seen: int
    seen_url: str
    #: failed steps beside this one
    n_more: int


def failure(run: Run, *, n_failed: int = 1) -> Failure | None:
    """Return what to say of the run's first failed step, one of ``n_failed``; None when no step failed."""
    attempt = _last_attempt(run)
    step = attempt.step_run if attempt else _failed_step(run)
    if step is None:
        return None
    line = _error_line(run, attempt)
    url = log_url(run, step.invocation_id, attempt.number) if attempt and line else ""
    return Failure(
        step=present.step_label(step.invocation_id),
        step_url=step_url(run, step.invocation_id),
        attempts=attempts_text(attempt, getattr(attempt, "max_retries", 0)),
        error=_error(attempt),
        where=attempt.error_where if attempt else "",
        reason=step.status_reason if not (attempt and attempt.error_type) else "",
        log_url=f"{url}#L{line}" if url else "",
        log_line=line,
        n_seen=getattr(attempt, "n_seen", 0) or 0,
        seen_url=f"{reverse('runs:list')}{present.query(error=attempt.error_fingerprint if attempt else '')}",
        n_more=max(0, n_failed - 1),
    )


def _last_attempt(run: Run) -> Attempt | None:
    """Return the last attempt of the step that failed first, with ``max_retries`` and ``n_seen``."""
    alike = Attempt.objects.filter(error_fingerprint=OuterRef("error_fingerprint")).exclude(error_fingerprint="")
    n_runs = alike.order_by().values("error_fingerprint").annotate(n=Count("step_run__run_id", distinct=True))
    return (
        Attempt.objects.filter(step_run__run=run, step_run__status=StepStatus.FAILED)
        .select_related("step_run")
        .defer("error_traceback", "progress", "step_run__plan", "step_run__metadata")
        .annotate(n_seen=Subquery(n_runs.values("n")), max_retries=F("step_run__plan__options__retry__max_retries"))
        .order_by("step_run__ended_at", "step_run__ordinal", "-number")
        .first()
    )


def _failed_step(run: Run) -> StepRun | None:
    """Return a step that failed without an attempt."""
    failed = StepRun.objects.filter(run=run, status=StepStatus.FAILED).defer("plan", "metadata")
    return failed.order_by("ended_at", "ordinal").first()


def _error(attempt: Attempt | None) -> str:
    if attempt is None:
        return ""
    if attempt.error_type:
        text = f"{attempt.error_type}: {attempt.error_message}".strip().removesuffix(":")
        first = text.splitlines()[0] if text else ""
        return first if len(first) <= _MESSAGE_LIMIT else f"{first[:_MESSAGE_LIMIT]}…"
    if attempt.status in FAILED_ATTEMPT or attempt.status == AttemptStatus.CRASHED:
        return attempt.status_reason or present.state(attempt.status).word
    return ""


def _error_line(run: Run, attempt: Attempt | None) -> int:
    """Return the number of the first line of its log that tells of an error, else of the last; 0 without a log."""
    if attempt is None or not attempt.log_lines:
        return 0
    found = LogReader(log_path(run.id, attempt.id)).next_line("error")
    return found.number if found else attempt.log_lines

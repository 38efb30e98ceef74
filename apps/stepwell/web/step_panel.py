"""The panel of one step: its attempts, why it ran or was reused, and one tab of the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from stepwell.accounts.models import Role, User
from stepwell.core.status import AttemptStatus, RerunScope, StepKind, StepStatus
from stepwell.runs.health import Health, health
from stepwell.runs.models import Attempt, Run, StepRun
from stepwell.web import log_view, panel_parts, present
from stepwell.web.progress import Progress, read_progress
from stepwell.web.run_page import attempts_text, log_url, step_url

#: (in the address, as a label); the first is open unless the address says otherwise
PARTS = (("log", "Log"), ("data", "Data"), ("options", "Options"), ("code", "Code"), ("details", "Details"))


@dataclass(frozen=True, slots=True)
class Tab:
    label: str
    url: str
    is_current: bool
    state: present.State | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFacts:
    id: str
    number: int
    state: present.State
    reason: str
    started: present.Moment | None
    took: present.Span | None
    beat: present.Moment | None
    trouble: str
    progress: Progress | None
    error: str
    where: str
    log_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheMark:
    """Why the step ran or was reused, and whose result it took."""

    reason: str
    is_hit: bool
    origin_url: str
    origin_number: int | None
    #: when the result was made
    made: present.Moment | None
    #: where to have it taken no more; empty when this person may not, or there is nothing to expire
    expire_url: str
    expired: present.Moment | None
    expired_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPanel:
    invocation_id: str
    label: str
    state: present.State
    reason: str
    #: "attempt 2 of 4" of a step that waits for another, which comes at ``next_try``
    attempts: str
    next_try: present.Moment | None
    #: its attempts
    tabs: list[Tab]
    attempt: AttemptFacts | None
    cache: CacheMark
    #: the rerun form with this step chosen; empty when it cannot be, or this person may not
    rerun_url: str
    #: the tab that is open, and all of them
    part: str
    parts: list[Tab]
    log: log_view.LogTail | None
    #: what the open tab shows, where it is not the log
    shown: dict[str, Any] = field(default_factory=dict)
    #: says whether what a browser shows of the step is still true
    mark: str


def step_panel(
    run: Run, invocation_id: str, *, user: User, attempt_number: int | None = None, part: str = "", page: str = "detail"
) -> StepPanel | None:
    """Return the panel of a step, with the attempt asked for or the newest; None when there is no such step.

    ``page`` names the page of the run it stands on, where its links lead.
    """
    step = StepRun.objects.filter(run=run, invocation_id=invocation_id).select_related("origin_step__run").first()
    if step is None:
        return None
    tries = list(Attempt.objects.filter(step_run=step).defer("error_traceback").order_by("number"))
    attempt = next((one for one in tries if one.number == attempt_number), tries[-1] if tries else None)
    part = part if part in dict(PARTS) else PARTS[0][0]
    waits = step.next_attempt_at if step.status == StepStatus.RETRYING else None
    max_retries = step.plan.get("options", {}).get("retry", {}).get("max_retries", 0)
    chosen = attempt_number if attempt and attempt.number == attempt_number else None
    return StepPanel(
        invocation_id=step.invocation_id,
        label=present.step_label(step.invocation_id),
        state=present.step_state(step, run),
        reason=step.status_reason,
        attempts=attempts_text(tries[-1] if tries else None, max_retries),
        next_try=present.moment(datetime.fromtimestamp(waits, UTC)) if waits else None,
        tabs=[
            Tab(
                str(one.number),
                step_url(run, step.invocation_id, one.number, part=part, page=page),
                one is attempt,
                present.attempt_state(one),
            )
            for one in tries
        ],
        attempt=_attempt(run, step, attempt) if attempt else None,
        cache=_cache(run, step, user),
        rerun_url=_rerun_url(run, step, user),
        part=part,
        parts=[
            Tab(label, step_url(run, step.invocation_id, chosen, part=key, page=page), key == part)
            for key, label in PARTS
        ],
        log=log_view.tail(run.id, attempt) if attempt and part == "log" else None,
        shown=_shown(run, step, attempt, part),
        mark=f"{step.id.hex[-12:]}.{step.status}.{len(tries)}.{len(step.metadata)}.{part}",
    )


def _rerun_url(run: Run, step: StepRun, user: User) -> str:
    can = run.is_finished and run.snapshot.can_run and step.kind == StepKind.STEP and user.may(Role.OPERATOR)
    if not can:
        return ""
    query = urlencode({"scope": RerunScope.FROM_STEPS, "from": step.invocation_id})
    return f"{reverse('runs:rerun', args=[run.number])}?{query}"


def _shown(run: Run, step: StepRun, attempt: Attempt | None, part: str) -> dict[str, Any]:
    if part == "data":
        return panel_parts.data(step)
    if part == "options":
        return {"options": panel_parts.options(step)}
    if part == "code":
        return panel_parts.code(step)
    if part == "details":
        return {
            "process": panel_parts.process(attempt) if attempt else [],
            "hooks": panel_parts.hooks(run, step),
            "traceback": attempt.error_traceback if attempt else "",
        }
    return {}


def _cache(run: Run, step: StepRun, user: User) -> CacheMark:
    is_hit = step.status == StepStatus.CACHED
    made_it = step.origin_step if is_hit else step
    can_expire = (
        made_it is not None
        and made_it.status == StepStatus.COMPLETED
        and bool(made_it.cache_key)
        and made_it.cache_expired_at is None
        and user.may(Role.OPERATOR)
        and "\n" not in step.invocation_id
    )
    return CacheMark(
        reason=step.cache_reason,
        is_hit=is_hit,
        origin_url=step_url(made_it.run, made_it.invocation_id) if is_hit and made_it else "",
        origin_number=made_it.run.number if is_hit and made_it else None,
        made=present.moment(made_it.ended_at) if is_hit and made_it else None,
        expire_url=reverse("runs:expiry", args=[run.number, step.invocation_id]) if can_expire else "",
        expired=present.moment(made_it.cache_expired_at) if made_it else None,
        expired_by=made_it.cache_expired_by if made_it else "",
    )


def _attempt(run: Run, step: StepRun, attempt: Attempt) -> AttemptFacts:
    is_running = attempt.status == AttemptStatus.RUNNING
    minutes = float(step.plan.get("options", {}).get("heartbeat_healthy_threshold") or 30)
    condition = health(attempt.beat_at if is_running else None, threshold_minutes=minutes, now=timezone.now())
    return AttemptFacts(
        id=str(attempt.id),
        number=attempt.number,
        state=present.attempt_state(attempt),
        reason=attempt.status_reason,
        started=present.moment(attempt.started_at),
        took=present.span(attempt.started_at, attempt.ended_at),
        beat=present.moment(attempt.beat_at) if is_running else None,
        trouble="" if condition == Health.HEALTHY else str(condition),
        progress=read_progress(attempt),
        error=f"{attempt.error_type}: {attempt.error_message}".strip(": ") if attempt.error_type else "",
        where=attempt.error_where,
        log_url=log_url(run, step.invocation_id, attempt.number),
    )

"""Saying that a failure is known, for one run or for all of a cause, and taking that back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.views.decorators.http import require_POST

from stepwell.accounts import audit
from stepwell.accounts.models import Role
from stepwell.desk.failures import acknowledge, withdraw
from stepwell.errors import Conflict
from stepwell.runs.models import Run
from stepwell.web import present, undo
from stepwell.web.access import get_run_or_404, needs
from stepwell.web.caller import address, own_path
from stepwell.web.request import WebRequest, record_run_act
from stepwell.web.unresolved import runs_of

#: what one press acknowledges at most
_MOST_AT_ONCE = 500


@require_POST
@needs(Role.OPERATOR)
def acknowledge_run(request: WebRequest, ref: str) -> HttpResponse:
    """Say that somebody saw to a failed run; with ``act=withdraw`` take that back."""
    run = get_run_or_404(request, ref)
    here = reverse("runs:acknowledgement", args=[run.number])
    onwards = request.POST.get("next", "")
    if request.POST.get("act") == "withdraw":
        note = withdraw(run=run, by=request.user)
        record_run_act(request, "run.reopened", run)
        undo.offer(request, f"The failure of run #{run.number} is unresolved again.", here, note=note, next=onwards)
    else:
        note = request.POST.get("note", "")
        acknowledge(run=run, note=note, by=request.user)
        record_run_act(request, "run.acknowledged", run, note=note[:500])
        undo.offer(request, f"The failure of run #{run.number} is acknowledged.", here, act="withdraw", next=onwards)
    return _back(request, reverse("runs:detail", args=[run.number]))


@require_POST
@needs(Role.OPERATOR)
def acknowledge_cause(request: WebRequest, fingerprint: str) -> HttpResponse:
    """Say that somebody saw to every run that failed in this way; with ``act=withdraw`` take that back for ``runs``."""
    runs = runs_of(fingerprint).order_by("id")
    if request.POST.get("act") == "withdraw":
        asked = [int(text) for text in request.POST.get("runs", "").split(",") if text.isdecimal() and len(text) < 16]
        reopened = _each(runs.filter(number__in=asked[:_MOST_AT_ONCE]), lambda run: withdraw(run=run, by=request.user))
        _record(request, "error.reopened", fingerprint, runs=len(reopened))
        messages.success(request, _again(len(reopened), of=len(asked)))
        return _back(request, reverse("runs:unresolved"))
    note = request.POST.get("note", "")
    settled = _each(
        runs.filter(is_unresolved=True)[:_MOST_AT_ONCE], lambda run: acknowledge(run=run, note=note, by=request.user)
    )
    _record(request, "error.acknowledged", fingerprint, runs=len(settled), note=note[:500])
    told = f"{present.count(len(settled), 'failure')} acknowledged."
    if not settled:
        messages.info(request, told)
        return _back(request, reverse("runs:unresolved"))
    undo.offer(
        request,
        told,
        reverse("errors:acknowledgement", args=[fingerprint]),
        act="withdraw",
        runs=",".join(str(run.number) for run in settled),
        next=request.POST.get("next", ""),
    )
    return _back(request, reverse("runs:unresolved"))


def _each(runs: QuerySet[Run], act: Callable[[Run], object]) -> list[Run]:
    """Do something to each run; return those that had it done."""
    done = []
    for run in list(runs):
        # Somebody else, or a rerun, may have settled it meanwhile.
        with suppress(Conflict):
            act(run)
            done.append(run)
    return done


def _again(n: int, *, of: int) -> str:
    told = f"{present.count(n, 'failure')} unresolved again."
    return told if n == of else f"{told} {of - n} were settled by a rerun meanwhile."


def _record(request: WebRequest, action: str, fingerprint: str, **after: object) -> None:
    audit.record(
        actor=request.user,
        action=action,
        object_kind="error",
        object_id=fingerprint,
        ip=address(request),
        after=after,
    )


def _back(request: WebRequest, default: str) -> HttpResponse:
    asked = request.POST.get("next", "")
    return redirect(own_path(asked) if asked else default)


run_urlpatterns = [path("runs/<str:ref>/acknowledgement/", acknowledge_run, name="acknowledgement")]
urlpatterns = [path("errors/<str:fingerprint>/acknowledgement/", acknowledge_cause, name="acknowledgement")]

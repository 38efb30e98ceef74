"""What waits for one person: their notices, and the runs they want to hear of."""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from stepwell.accounts.models import Role
from stepwell.desk.models import Notice, Watch
from stepwell.errors import Conflict, UsageError
from stepwell.runs.models import Run
from stepwell.web import present, undo
from stepwell.web.access import get_run_or_404, needs
from stepwell.web.request import WebRequest, render_page

_SHOWN = 200


@require_safe
@needs(Role.VIEWER)
def inbox(request: WebRequest) -> HttpResponse:
    """Show a person's notices, the runs they wait for, and what needs anybody."""
    notices = [(one, present.moment(one.at)) for one in Notice.objects.filter(user=request.user)[:_SHOWN]]
    watches = Watch.objects.filter(user=request.user).select_related("run__pipeline").order_by("-id")[:_SHOWN]
    context = {
        "notices": notices,
        "watches": [(watch.run, present.state(watch.run.status)) for watch in watches],
        "n_unresolved": Run.objects.filter(is_unresolved=True).count(),
        "has_unread": any(one.read_at is None for one, _ in notices),
    }
    return render_page(request, "inbox/list.html", context)


@require_POST
@needs(Role.VIEWER)
def read(request: WebRequest) -> HttpResponse:
    """Mark every notice of a person as read; with ``at`` those that were marked then as unread again."""
    notices = Notice.objects.filter(user=request.user)
    if "at" in request.POST:
        n = notices.filter(read_at=_moment(request.POST["at"])).update(read_at=None)
        messages.success(request, f"{present.count(n, 'notice')} unread again.")
        return redirect("inbox")
    now = timezone.now()
    if n := notices.filter(read_at__isnull=True).update(read_at=now):
        told = f"{present.count(n, 'notice')} marked as read."
        undo.offer(request, told, reverse("inbox_read"), at=now.isoformat())
    return redirect("inbox")


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError("This is not a moment notices were read at.", hint="Reload your inbox.") from None


@require_POST
@needs(Role.VIEWER)
def watch(request: WebRequest, ref: str) -> HttpResponse:
    """Tell this person when the run ends; asked again, do not."""
    run = get_run_or_404(request, ref)
    if run.is_finished:
        raise Conflict(f"Run #{run.number} has ended already: it is {run.status}.")
    here = reverse("watch", args=[run.number])
    if request.POST.get("act") == "stop":
        Watch.objects.filter(user=request.user, run=run).delete()
        undo.offer(request, "You will not be told.", here)
    else:
        Watch.objects.get_or_create(user=request.user, run=run)
        undo.offer(request, f"You will be told here when run #{run.number} ends.", here, act="stop")
    return redirect(reverse("runs:detail", args=[run.number]))


urlpatterns = [
    path("inbox/", inbox, name="inbox"),
    path("inbox/read/", read, name="inbox_read"),
    path("runs/<str:ref>/watch/", watch, name="watch"),
]

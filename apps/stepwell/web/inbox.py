"""What waits for one person: their notices, and the runs they want to hear of."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from stepwell.accounts.models import Role
from stepwell.desk.models import Notice, Watch
from stepwell.errors import Conflict
from stepwell.runs.models import Run
from stepwell.web import present
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
    """Mark every notice of a person as read."""
    Notice.objects.filter(user=request.user, read_at__isnull=True).update(read_at=timezone.now())
    return redirect("inbox")


@require_POST
@needs(Role.VIEWER)
def watch(request: WebRequest, ref: str) -> HttpResponse:
    """Tell this person when the run ends; asked again, do not."""
    run = get_run_or_404(request, ref)
    if run.is_finished:
        raise Conflict(f"Run #{run.number} has ended already: it is {run.status}.")
    if request.POST.get("act") == "stop":
        Watch.objects.filter(user=request.user, run=run).delete()
        messages.success(request, "You will not be told.")
    else:
        Watch.objects.get_or_create(user=request.user, run=run)
        messages.success(request, f"You will be told here when run #{run.number} ends.")
    return redirect(reverse("runs:detail", args=[run.number]))


urlpatterns = [
    path("inbox/", inbox, name="inbox"),
    path("inbox/read/", read, name="inbox_read"),
    path("runs/<str:ref>/watch/", watch, name="watch"),
]

"""The questions that dynamic pipelines wait for: those that are open, and one with the form that answers it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_safe

from stepwell.accounts.models import Role
from stepwell.errors import NotFound
from stepwell.execution import waits
from stepwell.execution.parameters import ParameterErrors
from stepwell.runs.models import Run, Wait
from stepwell.web import present, wait_form
from stepwell.web.access import needs
from stepwell.web.request import WebRequest, record_run_act, render_page

_CLOSED_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitRow:
    """One question as lists print it."""

    url: str
    name: str
    question: str
    run: Run
    state: present.State
    asked: present.Moment | None
    deadline: present.Moment | None
    answer: str
    answered_by: str
    answered: present.Moment | None


def open_waits(run: Run | None = None) -> list[WaitRow]:
    """Return the questions nobody answered yet, the oldest first; of one run when it is given."""
    found = Wait.objects.filter(status=Wait.Status.OPEN).select_related("run__pipeline").order_by("id")
    return [_row(wait) for wait in (found.filter(run=run) if run else found)]


@require_safe
@needs(Role.VIEWER)
def wait_list(request: WebRequest) -> HttpResponse:
    """List the open questions, and the latest that are closed."""
    closed = Wait.objects.exclude(status=Wait.Status.OPEN).select_related("run__pipeline").order_by("-id")
    context = {"open": open_waits(), "closed": [_row(wait) for wait in closed[:_CLOSED_SHOWN]]}
    return render_page(request, "waits/list.html", context, fragments={"open-waits"})


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.VIEWER)
def detail(request: WebRequest, wait: UUID) -> HttpResponse:
    """Show a question with its form or its answer; on POST answer it."""
    found = Wait.objects.filter(id=wait).select_related("run__pipeline").first()
    if found is None:
        raise NotFound("There is no such question.", hint="Its run was removed, or the address is incomplete.")
    if request.method != "POST":
        return _page(request, found)
    if not request.user.may(Role.OPERATOR):
        return _page(request, found, problem="Your role may read this question, not answer it.", status=403)
    return _answer(request, found)


def _answer(request: WebRequest, wait: Wait) -> HttpResponse:
    try:
        value = wait_form.read_answer(wait.schema, request.POST)
        with transaction.atomic():
            waits.answer(wait, value, by=request.user.username)
            record_run_act(request, "wait.answered", wait.run, wait=wait.name)
    except ParameterErrors as exc:
        return _page(request, wait, errors=exc.fields, status=422)
    except waits.AlreadyAnswered as exc:
        return _page(request, exc.wait, problem=str(exc), status=409)
    messages.success(request, f"{wait.name} is answered. Run #{wait.run.number} goes on.")
    return redirect("runs:detail", wait.run.number)


def _page(
    request: WebRequest, wait: Wait, *, errors: dict[str, str] | None = None, problem: str = "", status: int = 200
) -> HttpResponse:
    posted = request.POST if request.method == "POST" else None
    fields = wait_form.answer_fields(wait.schema, posted=posted, errors=errors)
    known = {field.label for field in fields}
    context = {
        "wait": wait,
        "row": _row(wait),
        "is_open": wait.status == Wait.Status.OPEN,
        "can_answer": request.user.may(Role.OPERATOR),
        "is_yes_or_no": wait_form.is_yes_or_no(wait.schema),
        "fields": fields,
        # A rule about the whole answer belongs to none of its fields.
        "problem": problem or " ".join(text for name, text in (errors or {}).items() if name not in known),
    }
    return render_page(request, "waits/detail.html", context, status=status)


def _row(wait: Wait) -> WaitRow:
    deadline = datetime.fromtimestamp(wait.deadline_at, UTC) if wait.deadline_at is not None else None
    return WaitRow(
        url=reverse("waits:detail", args=[wait.id]),
        name=wait.name,
        question=wait.question,
        run=wait.run,
        state=present.state(wait.status),
        asked=present.moment(wait.created_at),
        deadline=present.moment(deadline),
        answer=present.value(wait.answer, limit=200) if wait.status == Wait.Status.ANSWERED else "",
        answered_by=wait.answered_by,
        answered=present.moment(wait.answered_at),
    )


urlpatterns = [
    path("waits/", wait_list, name="list"),
    path("waits/<uuid:wait>/", detail, name="detail"),
]

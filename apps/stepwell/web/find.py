"""Finding anything by a few letters: what the palette shows, and a page of it for who has no scripts."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role, User
from stepwell.artifacts.models import Artifact, Model
from stepwell.desk import view_actions
from stepwell.execution import actions
from stepwell.pipelines.models import Pipeline
from stepwell.runs.models import Run
from stepwell.web import present
from stepwell.web.access import needs
from stepwell.web.request import WebRequest, render_page
from stepwell.web.run_rows import listed

_EACH = 5
_MOST_TEXT = 100


@dataclass(frozen=True, slots=True)
class Found:
    """One thing with a page of its own."""

    kind: str
    label: str
    url: str
    note: str = ""
    status: str = ""
    icon: str = ""


@require_safe
@needs(Role.VIEWER)
def find(request: WebRequest) -> HttpResponse:
    """Show what a few letters may mean: a run by number or beginning of its id, pipelines, views, models, artifacts."""
    text = request.GET.get("q", "").replace("\0", "").strip()[:_MOST_TEXT]
    if "go" in request.GET and (run := actions.find_run(text)):
        return redirect("runs:detail", run.number)
    context = {"found": matches(text, request.user) if text else [], "text": text}
    return render_page(request, "find/page.html", context, fragments={"found"})


def matches(text: str, user: User) -> list[Found]:
    """Return what fits ``text``, the likeliest first; at most six queries."""
    found = []
    if run := actions.find_run(text):
        found.append(_run(run))
    pipelines = Pipeline.objects.filter(name__icontains=text).order_by("name")[:_EACH]
    found += [
        Found("Pipeline", one.name, reverse("pipelines:detail", args=[one.slug]), icon="pipeline") for one in pipelines
    ]
    if pipelines:
        newest = listed(Run.objects.filter(pipeline__in=[one.pk for one in pipelines[:1]]).order_by("-id"))[:_EACH]
        found += [_run(one) for one in newest]
    for view in view_actions.visible_views(user).filter(name__icontains=text)[:_EACH]:
        url = f"{reverse('runs:list')}?{view.query}&view={view.pk}"
        found.append(Found("View", view.name, url, icon="running"))
    for model in Model.objects.filter(name__icontains=text).order_by("name")[:_EACH]:
        found.append(Found("Model", model.name, reverse("models:detail", args=[model.name]), icon="model"))
    for artifact in Artifact.objects.filter(name__icontains=text).order_by("name")[:_EACH]:
        url = f"{reverse('artifacts:list')}{present.query(text=artifact.name)}"
        found.append(Found("Artifact", artifact.name, url, icon="artifact"))
    return found


def _run(run: Run) -> Found:
    state = present.state(run.status)
    label = f"{run.pipeline.name} #{run.number}"
    return Found("Run", label, reverse("runs:detail", args=[run.number]), state.word, state.status, state.icon)


urlpatterns = [path("find/", find, name="find")]

"""What a run made and took in: each artifact version with a preview, who made it and who uses it."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role
from stepwell.artifacts.models import ArtifactVersion, StepArtifact
from stepwell.runs.models import Run
from stepwell.web import artifacts, present
from stepwell.web.access import get_run_or_404, needs
from stepwell.web.panel_parts import ArtifactRow, artifact_row
from stepwell.web.request import WebRequest, render_page
from stepwell.web.run_page import step_url
from stepwell.web.run_tabs import run_context

#: artifact versions on one page
_PAGE = 40
#: steps that are named as users of one version
_MOST_USERS = 12


@dataclass(frozen=True, slots=True)
class Place:
    """A step that made or uses an artifact version, here or in another run."""

    label: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One artifact version of the run."""

    row: ArtifactRow
    version: ArtifactVersion
    made_by: Place | None
    used_by: list[Place]
    n_more_users: int
    #: address of an image, or the first lines of a text
    image_url: str
    text: str
    metadata: list[tuple[str, str]]


@require_safe
@needs(Role.VIEWER)
def run_artifacts(request: WebRequest, ref: str) -> HttpResponse:
    """List what the steps of a run gave out, and what they took from elsewhere."""
    run = get_run_or_404(request, ref)
    page = request.GET.get("after", "")
    after = int(page[:12]) if page.isascii() and page.isdigit() else 0
    links = list(
        StepArtifact.objects.filter(step_run__run=run, id__gt=after)
        .select_related("artifact_version__artifact", "artifact_version__producer__run", "step_run")
        .order_by("id")[: _PAGE * 3 + 1]
    )
    has_more = len(links) > _PAGE * 3
    links = links[: _PAGE * 3]
    seen: dict[uuid.UUID, StepArtifact] = {}
    for link in sorted(links, key=lambda one: one.direction == StepArtifact.Direction.INPUT):
        seen.setdefault(link.artifact_version_id, link)
    users = _users(list(seen))
    items = [_item(run, link, users[link.artifact_version_id]) for link in seen.values()]
    context = {
        **run_context(request, run, "artifacts"),
        "made": [item for item in items if item.version.producer and item.version.producer.run_id == run.id],
        "taken": [item for item in items if not item.version.producer or item.version.producer.run_id != run.id],
        "next_url": present.query(after=links[-1].id) if has_more else "",
    }
    return render_page(request, "runs/artifacts.html", context)


def _users(ids: list[uuid.UUID]) -> dict[uuid.UUID, list[StepArtifact]]:
    found: dict[uuid.UUID, list[StepArtifact]] = defaultdict(list)
    links = StepArtifact.objects.filter(artifact_version_id__in=ids, direction=StepArtifact.Direction.INPUT)
    for link in links.select_related("step_run__run").order_by("-id")[:2000]:
        found[link.artifact_version_id].append(link)
    return found


def _item(run: Run, link: StepArtifact, users: list[StepArtifact]) -> Item:
    version = link.artifact_version
    image_url, text = artifacts.preview(version)
    maker = version.producer
    return Item(
        row=artifact_row(link.name, version),
        version=version,
        made_by=_place(run, maker.run, maker.invocation_id) if maker else None,
        used_by=[_place(run, user.step_run.run, user.step_run.invocation_id) for user in users[:_MOST_USERS]],
        n_more_users=max(0, len(users) - _MOST_USERS),
        image_url=image_url,
        text=text,
        metadata=[(str(key), present.value(value, limit=200)) for key, value in list(version.metadata.items())[:8]],
    )


def _place(here: Run, run: Run, invocation_id: str) -> Place:
    label = present.step_label(invocation_id)
    return Place(label if run.id == here.id else f"{label} in #{run.number}", step_url(run, invocation_id, part="data"))


urlpatterns = [path("runs/<str:ref>/artifacts/", run_artifacts, name="artifacts")]

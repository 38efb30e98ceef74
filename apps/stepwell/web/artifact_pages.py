"""Artifacts by name, their versions, and what each was made from and went into."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import Count, OuterRef, Subquery
from django.http import HttpResponse
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role
from stepwell.artifacts.models import Artifact, ArtifactVersion, ModelArtifact, StepArtifact
from stepwell.errors import NotFound
from stepwell.runs.models import StepRun
from stepwell.web import present
from stepwell.web.access import needs
from stepwell.web.panel_parts import Fact, artifact_row
from stepwell.web.request import WebRequest, render_page
from stepwell.web.run_page import step_url

PAGE_ROWS = 50
_VERSIONS_SHOWN = 100
_USES_SHOWN = 100
_MOST_TEXT = 200


@require_safe
@needs(Role.VIEWER)
def artifact_list(request: WebRequest) -> HttpResponse:
    """List artifacts by name, each with its newest version."""
    text = request.GET.get("text", "").replace("\0", "").strip()[:_MOST_TEXT]
    after = request.GET.get("after", "").replace("\0", "")[:500]
    found = Artifact.objects.filter(name__icontains=text) if text else Artifact.objects.all()
    page = list((found.filter(name__gt=after) if after else found).order_by("name")[: PAGE_ROWS + 1])
    more = page[PAGE_ROWS - 1].name if len(page) > PAGE_ROWS else ""
    context = {
        "rows": _newest(page[:PAGE_ROWS]),
        "text": text,
        "after": after,
        "next_url": present.query(text=text, after=more) if more else "",
    }
    return render_page(request, "artifacts/list.html", context)


def _newest(artifacts: list[Artifact]) -> list[dict[str, Any]]:
    """Return each artifact with its newest version and how many it has; two queries."""
    ids = [artifact.pk for artifact in artifacts]
    newest = ArtifactVersion.objects.filter(artifact=OuterRef("pk")).order_by("-number").values("id")[:1]
    marked = Artifact.objects.filter(pk__in=ids).annotate(newest=Subquery(newest), n=Count("versions"))
    counts = {artifact.newest: artifact.n for artifact in marked}
    versions = ArtifactVersion.objects.filter(pk__in=[key for key in counts if key]).select_related(
        "artifact", "producer__run__pipeline"
    )
    rows = [_version_row(version) | {"n": counts[version.pk]} for version in versions.defer("metadata")]
    return sorted(rows, key=lambda row: row["version"].artifact.name)


def _version_row(version: ArtifactVersion) -> dict[str, Any]:
    step = version.producer
    return {
        "version": version,
        "url": reverse("artifacts:version", args=[version.pk]),
        "size": present.size(version.size),
        "made": present.moment(version.created_at),
        "step": f"{step.invocation_id} of {step.run.pipeline.name} #{step.run.number}" if step else "",
        "step_url": step_url(step.run, step.invocation_id) if step else "",
    }


@require_safe
@needs(Role.VIEWER)
def version(request: WebRequest, version: uuid.UUID) -> HttpResponse:
    """Show one version: its facts, its pictures, what it was made from and what took it."""
    columns = ("artifact", "producer__run__pipeline")
    found = ArtifactVersion.objects.select_related(*columns).filter(id=version).first()
    if found is None:
        raise NotFound("There is no such artifact version.", hint="Its run may have been removed.")
    others = found.artifact.versions.select_related("producer__run__pipeline", "artifact").order_by("-number")
    links = ModelArtifact.objects.filter(artifact_version=found).select_related("model_version__model")
    context = {
        "row": _version_row(found),
        "shown": artifact_row(found.artifact.name, found),
        "facts": _facts(found),
        "metadata": [Fact(str(name), present.value(value)) for name, value in found.metadata.items()],
        "made_from": _taken_in(found.producer) if found.producer else [],
        "used_by": _takers(found),
        "models": [(link.model_version, link.name) for link in links],
        "versions": [_version_row(one) for one in others.defer("metadata")[:_VERSIONS_SHOWN]],
    }
    return render_page(request, "artifacts/version.html", context)


def _facts(found: ArtifactVersion) -> list[Fact]:
    facts = [
        Fact("Type", found.type),
        Fact("Size", present.size(found.size)),
        Fact("Stored by", found.materializer),
        Fact("Checksum", found.sha256),
        Fact("Id", str(found.pk)),
    ]
    if found.kind:
        facts.insert(1, Fact("Kind", found.kind))
    if found.tags:
        facts.append(Fact("Tags", ", ".join(str(tag) for tag in found.tags)))
    return facts


def _taken_in(step: StepRun) -> list[dict[str, Any]]:
    """Return the versions the step that made this one took in."""
    links = StepArtifact.objects.filter(step_run=step, direction=StepArtifact.Direction.INPUT)
    taken = links.select_related("artifact_version__artifact", "artifact_version__producer__run__pipeline")
    return [_version_row(link.artifact_version) | {"name": link.name} for link in taken[:_USES_SHOWN]]


def _takers(found: ArtifactVersion) -> list[dict[str, Any]]:
    """Return the steps that took this version in, the newest first, with what each made of it."""
    links = StepArtifact.objects.filter(artifact_version=found, direction=StepArtifact.Direction.INPUT)
    steps = [link.step_run for link in links.select_related("step_run__run__pipeline").order_by("-id")[:_USES_SHOWN]]
    made: dict[Any, list[ArtifactVersion]] = {}
    for output in ArtifactVersion.objects.filter(producer__in=steps).select_related("artifact").defer("metadata"):
        made.setdefault(output.producer_id, []).append(output)
    return [
        {
            "step": f"{step.invocation_id} of {step.run.pipeline.name} #{step.run.number}",
            "url": step_url(step.run, step.invocation_id),
            "state": present.state(step.status),
            "made": [(str(one), reverse("artifacts:version", args=[one.pk])) for one in made.get(step.pk, [])],
        }
        for step in steps
    ]


urlpatterns = [
    path("artifacts/", artifact_list, name="list"),
    path("artifacts/<uuid:version>/", version, name="version"),
]

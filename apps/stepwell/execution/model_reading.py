"""Models and their versions as the API and ``Client`` give them."""

from __future__ import annotations

from django.db.models import Count, OuterRef, QuerySet, Subquery

from stepwell.artifacts.models import Model, ModelVersion
from stepwell.core.stages import SINGLE_STAGES, ModelStages
from stepwell.core.wire_models import (
    ModelArtifactLink,
    ModelDetail,
    ModelFilters,
    ModelPage,
    ModelRunLink,
    ModelSummary,
    ModelVersionDetail,
    ModelVersionFilters,
    ModelVersionPage,
    ModelVersionSummary,
    StageMove,
)
from stepwell.execution.artifacts import version_detail
from stepwell.runs.models import Run

#: what one answer shows of a version's runs
_MOST_RUNS = 200


def list_models(filters: ModelFilters) -> ModelPage:
    """Return one page of models by name."""
    rows = _counted(Model.objects.order_by("name"))
    if filters.name is not None:
        rows = rows.filter(name__icontains=filters.name)
    if filters.cursor is not None:
        rows = rows.filter(name__gt=filters.cursor)
    found = list(rows[: filters.limit + 1])
    page = found[: filters.limit]
    stages = _stages(page)
    return ModelPage(
        items=[_summary(row, stages.get(row.id, {})) for row in page],
        next_cursor=page[-1].name if len(found) > filters.limit else None,
    )


def model_detail(model: Model) -> ModelDetail:
    row = _counted(Model.objects.filter(id=model.id)).get()
    return ModelDetail(**_summary(row, _stages([row]).get(row.id, {})).model_dump(), about=row.about)


def list_versions(model: Model, filters: ModelVersionFilters) -> ModelVersionPage:
    """Return one page of a model's versions, newest first."""
    rows = model.versions.select_related("model").order_by("-number")
    if filters.stage is not None and filters.stage != ModelStages.LATEST:
        rows = rows.filter(stage=filters.stage)
    if filters.cursor is not None:
        rows = rows.filter(number__lt=filters.cursor)
    limit = 1 if filters.stage == ModelStages.LATEST else filters.limit
    found = list(rows[: limit + 1])
    page = found[:limit]
    has_more = len(found) > limit and filters.stage != ModelStages.LATEST
    return ModelVersionPage(
        items=[version_summary(row) for row in page], next_cursor=page[-1].number if has_more else None
    )


def version_summary(version: ModelVersion) -> ModelVersionSummary:
    return ModelVersionSummary(
        id=version.id,
        model=version.model.name,
        model_id=version.model_id,
        version=version.name,
        number=version.number,
        stage=str(version.stage),
        tags=version.tags,
        created_at=version.created_at,
    )


def model_version_detail(version: ModelVersion) -> ModelVersionDetail:
    """Return a model version with its newest metadata, artifacts, runs and moves."""
    version = ModelVersion.objects.select_related("model").get(id=version.id)
    links = version.artifact_links.select_related("artifact_version__artifact", "artifact_version__producer__run")
    moves = version.stage_changes.order_by("-id")
    return ModelVersionDetail(
        **version_summary(version).model_dump(),
        about_model=model_detail(version.model),
        metadata=version.metadata,
        artifacts=[
            ModelArtifactLink(
                name=link.name, kind=link.artifact_version.kind, artifact=version_detail(link.artifact_version)
            )
            for link in links
        ],
        runs=[
            ModelRunLink(id=run.id, number=run.number, pipeline=run.pipeline.name, status=str(run.status))
            for run in runs_of(version)[:_MOST_RUNS]
        ],
        stage_history=[
            StageMove(old=one.old, new=one.new, at=one.at, by=one.by_name, reason=one.reason, run_id=one.run_id)
            for one in moves
        ],
    )


def runs_of(version: ModelVersion) -> QuerySet[Run]:
    """Return the runs that worked on a version, newest first."""
    ids = version.run_links.values("run_id")
    return Run.objects.filter(id__in=ids).select_related("pipeline").order_by("-id")


def _counted(rows: QuerySet[Model]) -> QuerySet[Model]:
    newest = ModelVersion.objects.filter(model=OuterRef("id")).order_by("-number").values("name")[:1]
    return rows.annotate(n_versions=Count("versions"), latest=Subquery(newest))


def _stages(models: list[Model]) -> dict[object, dict[str, str]]:
    found: dict[object, dict[str, str]] = {}
    held = ModelVersion.objects.filter(model__in=models, stage__in=[str(stage) for stage in SINGLE_STAGES])
    for version in held:
        found.setdefault(version.model_id, {})[str(version.stage)] = version.name
    return found


def _summary(row: Model, stages: dict[str, str]) -> ModelSummary:
    return ModelSummary(
        id=row.id,
        name=row.name,
        description=row.description,
        license=row.license,
        tags=row.tags,
        created_at=row.created_at,
        n_versions=row.n_versions,  # type: ignore[attr-defined]
        latest_version=row.latest,  # type: ignore[attr-defined]
        stages=stages,
    )

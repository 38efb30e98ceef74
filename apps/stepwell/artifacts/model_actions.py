"""What happens to models: runs make versions of them, outputs are linked, people and steps promote them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Max

from stepwell.accounts.models import User
from stepwell.artifacts import model_queries
from stepwell.artifacts.model_queries import Wanted
from stepwell.artifacts.models import (
    ArtifactVersion,
    Model,
    ModelArtifact,
    ModelRun,
    ModelVersion,
    StageChange,
    StepArtifact,
)
from stepwell.core import nametemplates
from stepwell.core.plan import Binding, StepOptions
from stepwell.core.stages import SETTABLE_STAGES, SINGLE_STAGES, ModelStages
from stepwell.errors import ConfigError, Conflict, NotFound
from stepwell.runs import events
from stepwell.runs.models import Run, StepRun

_ABOUT = ("audience", "use_cases", "limitations", "trade_offs", "ethics")
_MOST_METADATA_KEYS = 1000
_LONGEST = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class _Author:
    """Who moves a version: a person, a step, or somebody known in words only."""

    by: User | None
    step: StepRun | None
    who: str

    @property
    def name(self) -> str:
        if self.by is not None:
            return str(self.by.get_username())
        step = self.step
        return (f"step {step.invocation_id} of run #{step.run.number}" if step else self.who)[:_LONGEST]


class StageTaken(Conflict):
    """Another version holds this stage."""

    code = "stage_taken"


def check_models(options: Iterable[StepOptions]) -> None:
    """Check that every model version these steps name by stage or number exists.

    Raises:
        NotFound: One does not; says which and what there is.
    """
    for wanted in _wanted_of(options):
        if wanted.must_exist:
            model_queries.get_version(wanted.name, wanted.asked)


def use_models(run: Run, options: Iterable[StepOptions]) -> None:
    """Give ``run`` the model versions its steps work on: those they name, and a new one where they name none.

    The caller has a transaction open.

    Raises:
        NotFound: A stage or number is named that no version has.
    """
    # in the order of names, so that two runs never wait for each other
    for wanted in sorted(_wanted_of(options), key=lambda one: (one.name, one.asked)):
        if wanted.must_exist:
            version = model_queries.get_version(wanted.name, wanted.asked)
            _describe(version.model, wanted.about)
        else:
            version = _make_version(_lock_model(wanted), _expand(wanted, run))
        ModelRun.objects.create(model=version.model, model_version=version, run=run, asked=wanted.asked)
        payload = {"model": version.model.name, "version": version.name, "number": version.number}
        events.record(run.id, "model.used", payload)


def version_of(step: StepRun) -> ModelVersion | None:
    """Return the model version a step works on; None when it names no model."""
    # Most steps have none, and every step is asked.
    wanted = Wanted.of(step.options) if step.plan.get("options", {}).get("model") else None
    if wanted is None:
        return None
    link = ModelRun.objects.filter(run_id=step.run_id, model__name=wanted.name, asked=wanted.asked)
    found = link.select_related("model_version__model").first()
    return found.model_version if found else None


def find_linked(step: StepRun, binding: Binding) -> ArtifactVersion | None:
    """Return what a ``linked`` input stands for now: of the version the run works on, else of the one it names."""
    named = binding.model
    wanted = Wanted(name=named["name"], asked=model_queries.plain_ref(named["version"]))
    link = ModelRun.objects.filter(run_id=step.run_id, model__name=wanted.name, asked=wanted.asked)
    used = link.select_related("model_version__model").first()
    try:
        version = used.model_version if used else model_queries.get_version(wanted.name, wanted.asked)
        return model_queries.get_artifact(version, binding.name, named["artifact_version"] or None)
    except NotFound:
        return None


def link_outputs(step: StepRun) -> None:
    """Link what a step gave out to the model version it works on, if it works on one."""
    version = version_of(step)
    if version is None:
        return
    outputs = StepArtifact.objects.filter(step_run=step, direction=StepArtifact.Direction.OUTPUT)
    links = [
        ModelArtifact(model_version=version, artifact_version_id=output.artifact_version_id, name=output.name)
        for output in outputs
    ]
    ModelArtifact.objects.bulk_create(links, ignore_conflicts=True)


def link_artifact(version: ModelVersion, artifact: ArtifactVersion) -> None:
    """Link one artifact version to a model version; a second time changes nothing."""
    ModelArtifact.objects.get_or_create(
        model_version=version, artifact_version=artifact, defaults={"name": artifact.artifact.name[:_LONGEST]}
    )


def add_metadata(version: ModelVersion, metadata: dict[str, Any]) -> ModelVersion:
    """Add facts to a model version; a name that is there already gets the new value.

    Raises:
        ConfigError: There would be more than 1,000.
    """
    with transaction.atomic():
        locked = ModelVersion.objects.select_for_update().select_related(None).get(id=version.id)
        merged = {**locked.metadata, **metadata}
        if len(merged) > _MOST_METADATA_KEYS:
            raise ConfigError(f"A model version has at most {_MOST_METADATA_KEYS:,} facts.", hint="Log fewer names.")
        ModelVersion.objects.filter(id=version.id).update(metadata=merged)
    version.metadata = merged
    return version


def set_stage(
    version: ModelVersion,
    stage: str,
    *,
    force: bool = False,
    by: User | None = None,
    step: StepRun | None = None,
    who: str = "",
    reason: str = "",
) -> ModelVersion:
    """Move a model version to ``stage`` and write down who did.

    One version at most is in staging, and one in production: with ``force`` the one that was there is archived.

    Args:
        by: the person who does it, or None where a ``step`` does, or nobody is known but in words (``who``).

    Raises:
        ConfigError: There is no such stage.
        StageTaken: Another version holds it and ``force`` is False.
    """
    wanted = _stage(stage)
    with transaction.atomic():
        # the row of the model is what promotions of its versions wait for
        Model.objects.select_for_update().get(id=version.model_id)
        fresh = ModelVersion.objects.select_related("model").get(id=version.id)
        if fresh.stage != wanted:
            author = _Author(by=by, step=step, who=who)
            _clear(fresh, wanted, force=force, author=author)
            _move(fresh, wanted, author=author, reason=reason)
    return fresh


def _clear(version: ModelVersion, stage: str, *, force: bool, author: _Author) -> None:
    if stage not in SINGLE_STAGES:
        return
    holder = ModelVersion.objects.filter(model_id=version.model_id, stage=stage).exclude(id=version.id).first()
    if holder is None:
        return
    if not force:
        raise StageTaken(
            f"Version {holder.name} of {version.model.name} is in {stage}.",
            hint="Write force=True, or --force on the command line, to archive that one.",
        )
    _move(holder, ModelStages.ARCHIVED, author=author, reason=f"Version {version.name} took its place.")


def _move(version: ModelVersion, stage: str, *, author: _Author, reason: str) -> None:
    change = StageChange(
        model_version=version, old=version.stage, new=stage, reason=reason[:500], by=author.by, by_name=author.name
    )
    if (step := author.step) is not None:
        change.run_id = step.run_id
        told = {"model": version.model.name, "version": version.name, "old": version.stage, "new": stage}
        events.record(step.run_id, "model.stage", {**told, "invocation_id": step.invocation_id})
    change.save(force_insert=True)
    version.stage = stage
    version.save(update_fields=["stage"])


def _stage(stage: str) -> ModelStages:
    if stage not in SETTABLE_STAGES:
        raise ConfigError(
            f"A model version cannot be moved to {str(stage)[:80]!r}.",
            hint=f"The stages are: {', '.join(SETTABLE_STAGES)}.",
        )
    return ModelStages(stage)


def _wanted_of(options: Iterable[StepOptions]) -> list[Wanted]:
    """Return what the steps ask for, each way of asking once; what they say of the model adds up."""
    found: dict[tuple[str, str], Wanted] = {}
    for one in options:
        wanted = Wanted.of(one)
        if wanted is not None:
            earlier = found.setdefault((wanted.name, wanted.asked), wanted)
            earlier.about.update(wanted.about)
    return list(found.values())


def _expand(wanted: Wanted, run: Run) -> str:
    what = f"The version of the model {wanted.name}"
    return nametemplates.expand(wanted.asked, wanted.substitutions, at=run.created_at, what=what)[:_LONGEST]


def _lock_model(wanted: Wanted) -> Model:
    Model.objects.get_or_create(name=wanted.name)
    model = Model.objects.select_for_update().get(name=wanted.name)
    _describe(model, wanted.about)
    return model


def _describe(model: Model, about: dict[str, Any]) -> None:
    """Store what the code says of the model; what it leaves out stays."""
    model.description = str(about.get("description", model.description))
    model.license = str(about.get("license", model.license))[:_LONGEST]
    model.about = {**model.about, **{name: str(about[name]) for name in _ABOUT if name in about}}
    model.tags = list(dict.fromkeys([*model.tags, *(str(tag)[:100] for tag in about.get("tags", ()))]))[:100]
    model.save(update_fields=["description", "license", "about", "tags"])


def _make_version(model: Model, name: str) -> ModelVersion:
    """Return the version with this name, made if need be; without a name a new one. The model is locked."""
    if name and (found := model.versions.select_related("model").filter(name=name).first()):
        return found
    number = (model.versions.aggregate(newest=Max("number"))["newest"] or 0) + 1
    return ModelVersion.objects.create(model=model, name=name or str(number), number=number)

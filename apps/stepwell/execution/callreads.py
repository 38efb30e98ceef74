"""The operations that read: runs, steps, logs, artifacts, pipelines, secrets' names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from stepwell.core.wire import (
    ArtifactList,
    LogPart,
    LogRange,
    PipelineFilters,
    RunDetail,
    RunFilters,
    RunPage,
    StepDetail,
    StepList,
)
from stepwell.core.wire_artifacts import (
    ArtifactFilters,
    ArtifactPage,
    ArtifactVersionDetail,
    ArtifactVersionPage,
    SecretDetail,
    SecretList,
    VersionFilters,
    VersionRef,
)
from stepwell.core.wire_dynamic import CallFilters, CallPage, WaitList
from stepwell.errors import Denied
from stepwell.execution import artifacts, inputs, journal, lookup, reading, shapes
from stepwell.runs.models import StepRun
from stepwell.vault import queries
from stepwell.vault.models import Secret

if TYPE_CHECKING:
    from stepwell.execution.calls import Asker


def run_get(asker: Asker, *, ref: str) -> RunDetail:
    return shapes.run_detail(lookup.find_run(ref), full=_sees_all(asker))


def run_list(asker: Asker, **filters: Any) -> RunPage:
    return reading.run_page(RunFilters.model_validate(filters))


def call_list(asker: Asker, *, ref: str, **filters: Any) -> CallPage:
    return journal.call_page(lookup.find_run(ref), CallFilters.model_validate(filters))


def wait_list(asker: Asker, *, ref: str) -> WaitList:
    return journal.wait_list(lookup.find_run(ref))


def step_list(asker: Asker, *, run: str) -> StepList:
    rows = lookup.find_run(run).steps.select_related("call").prefetch_related("attempts")
    return StepList(items=[shapes.step_detail(row, full=_sees_all(asker)) for row in rows])


def step_get(asker: Asker, *, run: str, step: str) -> StepDetail:
    return shapes.step_detail(lookup.find_step(lookup.find_run(run), step), full=_sees_all(asker))


def step_artifacts(asker: Asker, *, run: str, step: str) -> ArtifactList:
    return reading.step_artifacts(lookup.find_step(lookup.find_run(run), step))


def log_read(asker: Asker, *, run: str, step: str, number: int, **span: Any) -> LogPart:
    found: StepRun = lookup.find_step(lookup.find_run(run), step)
    return reading.log_part(lookup.find_attempt(found, number), LogRange.model_validate(span))[0]


def artifact_get(asker: Asker, **ref: Any) -> ArtifactVersionDetail:
    asked = VersionRef.model_validate(ref)
    return artifacts.version_detail(artifacts.find_version(asked.ref, asked.version))


def artifact_versions(asker: Asker, **filters: Any) -> ArtifactVersionPage:
    return artifacts.list_versions(VersionFilters.model_validate(filters))


def artifact_list(asker: Asker, **filters: Any) -> ArtifactPage:
    return artifacts.list_artifacts(ArtifactFilters.model_validate(filters))


def artifact_root(asker: Asker) -> dict[str, str]:
    """Say where the files are, for a process on this machine."""
    return {"root": str(inputs.artifact_root())}


def pipeline_get(asker: Asker, *, ref: str) -> Any:
    return shapes.pipeline_detail(lookup.find_pipeline(ref))


def pipeline_list(asker: Asker, **filters: Any) -> Any:
    return reading.pipeline_page(PipelineFilters.model_validate(filters))


def secret_get(asker: Asker, *, name: str) -> SecretDetail:
    if asker.secrets is not None and name not in asker.secrets and name not in _declared(asker.secrets):
        raise Denied(
            f"The step does not declare the secret {name}.", hint=f'Write @step(secrets=["{name}"]) to use it.'
        )
    return secret_detail(queries.get_secret(name))


def _declared(refs: Iterable[str]) -> set[str]:
    """Return names and ids of the secrets that a step declares, by either."""
    found = queries.find_secrets(refs).values()
    return {secret.name for secret in found} | {str(secret.id) for secret in found}


def secret_list(asker: Asker) -> SecretList:
    rows = Secret.objects.order_by("name")
    if asker.secrets is not None:
        rows = rows.filter(id__in=[secret.id for secret in queries.find_secrets(asker.secrets).values()])
    return SecretList(items=[secret_detail(row) for row in rows])


def secret_detail(secret: Secret) -> SecretDetail:
    """Return a secret as it may be seen: without its values."""
    set_at = secret.rotated_at or secret.created_at
    return SecretDetail(id=secret.id, name=secret.name, keys=secret.keys, version=secret.version, set_at=set_at)


def step_find(asker: Asker, *, id: str) -> StepDetail:  # noqa: A002 - the name callers use
    return shapes.step_detail(lookup.step_with_id(id), full=_sees_all(asker))


def _sees_all(asker: Asker) -> bool:
    # The values of environment variables are for people, not for other steps.
    return asker.claim is None


OPERATIONS: dict[str, Callable[..., Any]] = {
    "run.get": run_get,
    "run.list": run_list,
    "call.list": call_list,
    "wait.list": wait_list,
    "step.list": step_list,
    "step.find": step_find,
    "step.get": step_get,
    "step.artifacts": step_artifacts,
    "log.read": log_read,
    "artifact.get": artifact_get,
    "artifact.list": artifact_list,
    "artifact.versions": artifact_versions,
    "artifact.root": artifact_root,
    "pipeline.get": pipeline_get,
    "pipeline.list": pipeline_list,
    "secret.get": secret_get,
    "secret.list": secret_list,
}

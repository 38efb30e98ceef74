"""The operations that change something: metadata, tags, saved artifacts, runs, secrets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stepwell.artifacts import model_actions
from stepwell.core.status import Trigger
from stepwell.core.wire import Rerun, RunDetail, StartRun
from stepwell.core.wire_artifacts import (
    ArtifactVersionDetail,
    Done,
    MetadataToLog,
    NewSecret,
    NewVersion,
    SecretDetail,
    SecretToStore,
    TagsToChange,
    Target,
)
from stepwell.core.wire_dynamic import WaitAnswer, WaitDetail
from stepwell.errors import Denied
from stepwell.execution import actions, artifacts, callreads, journal, lookup, notes, shapes, waits
from stepwell.vault import actions as vault
from stepwell.vault import queries

if TYPE_CHECKING:
    from stepwell.execution.calls import Asker


def metadata_log(asker: Asker, **asked: Any) -> Done:
    request = MetadataToLog.model_validate(asked)
    notes.log_metadata(request, row=_own(asker, request.target))
    return Done()


def tags_change(asker: Asker, **asked: Any) -> Done:
    request = TagsToChange.model_validate(asked)
    notes.change_tags(request, row=_own(asker, request.target))
    return Done()


def artifact_save(asker: Asker, **new: Any) -> ArtifactVersionDetail:
    producer = asker.claim.step if asker.claim else None
    saved = artifacts.save_version(NewVersion.model_validate(new), producer=producer)
    if producer and (worked_on := model_actions.version_of(producer)):
        model_actions.link_artifact(worked_on, saved)
    return artifacts.version_detail(saved)


def run_start(asker: Asker, *, pipeline: str, **body: Any) -> RunDetail:
    asked = StartRun.model_validate(body)
    run = actions.start_run(
        pipeline=lookup.find_pipeline(pipeline),
        parameters=asked.parameters,
        trigger=Trigger.API,
        overrides=asked.overrides,
        name=asked.name,
        tags=tuple(asked.tags),
    )
    return shapes.run_detail(run, full=True)


def run_cancel(asker: Asker, *, ref: str) -> RunDetail:
    return shapes.run_detail(actions.cancel_run(run=lookup.find_run(ref), by="a script"), full=True)


def run_rerun(asker: Asker, *, ref: str, **body: Any) -> RunDetail:
    asked = Rerun.model_validate(body)
    run = actions.rerun(
        run=lookup.find_run(ref),
        scope=asked.scope,
        from_steps=asked.from_steps,
        code=asked.code,
        parameters=asked.parameters,
        overrides=asked.overrides,
    )
    return shapes.run_detail(run, full=True)


def wait_answer(asker: Asker, *, ref: str, wait: str, **body: Any) -> WaitDetail:
    asked = WaitAnswer.model_validate(body)
    found = waits.find_wait(lookup.find_run(ref), wait)
    return journal.wait_detail(waits.answer(found, asked.answer, by="a script"))


def secret_create(asker: Asker, **new: Any) -> SecretDetail:
    asked = NewSecret.model_validate(new)
    return callreads.secret_detail(vault.put_secret(name=asked.name, values=asked.values, by=None))


def secret_rotate(asker: Asker, *, name: str, **body: Any) -> SecretDetail:
    asked = SecretToStore.model_validate(body)
    return callreads.secret_detail(vault.rotate_secret(secret=queries.get_secret(name), values=asked.values, by=None))


def secret_delete(asker: Asker, *, name: str) -> Done:
    vault.delete_secret(secret=queries.get_secret(name), by=None)
    return Done()


def _own(asker: Asker, target: Target) -> notes.Row:
    """Return what a target names, when a step may change it: things of its own run.

    Raises:
        Denied: It belongs to another run.
    """
    row = notes.find_target(target)
    if asker.run_id is not None and notes.run_of(row) != asker.run_id:
        raise Denied(
            "A step writes metadata and tags on its own run, its steps and what they made.",
            hint="Do it in a script, or with Client(url=..., token=...).",
        )
    return row


#: what a step may do to what is its own
OWN: dict[str, Callable[..., Any]] = {
    "metadata.log": metadata_log,
    "tags.change": tags_change,
    "artifact.save": artifact_save,
}
#: what a person's script may do as well
PERSONS: dict[str, Callable[..., Any]] = {
    "run.start": run_start,
    "run.cancel": run_cancel,
    "run.rerun": run_rerun,
    "wait.answer": wait_answer,
    "secret.create": secret_create,
    "secret.rotate": secret_rotate,
    "secret.delete": secret_delete,
}

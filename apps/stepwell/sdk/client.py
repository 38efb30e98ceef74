"""``Client``: what is stored and what runs, to read and to act on, with the same calls everywhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from stepwell.errors import UsageError
from stepwell.sdk import artifactversion, calls, responses
from stepwell.sdk.artifactversion import Artifact, ArtifactVersion
from stepwell.sdk.client_local import StoreTransport, Transport
from stepwell.sdk.modelversions import ModelCalls
from stepwell.sdk.responses import (
    Page,
    PipelineInfo,
    PipelineRun,
    SecretInfo,
    StepRun,
)
from stepwell.sdk.waitcalls import WaitCalls

_MOST_A_PAGE = 200
Ref = str | int | UUID


class Client(ModelCalls, WaitCalls):
    """Reads and acts on the store of this machine, or on a server.

    In a running step it asks the runner that started the step, and may do less. With ``url`` and ``token``, or where
    ``STEPWELL_URL`` and ``STEPWELL_TOKEN`` are set, it asks that server.

    Example:
        client = Client()
        model = client.get_artifact_version("training::train::model").load()
    """

    def __init__(self, *, url: str | None = None, token: str | None = None) -> None:
        self._server = http_transport(url, token) if url else None

    def __repr__(self) -> str:
        return f"<Client of {self._server or 'this machine'}>"

    # Runs

    def get_pipeline_run(self, name_id_or_prefix: Ref) -> PipelineRun:
        """Return a run by its number, id, unique beginning of its id, or name (the newest of that name).

        Raises:
            NotFound: There is no such run.
        """
        return responses.pipeline_run(self._ask("run.get", ref=str(name_id_or_prefix)), self._transport)

    def list_runs(
        self, *, pipeline: str | None = None, status: str | Iterable[str] | None = None, limit: int = 50
    ) -> Page:
        """Return runs, newest first, of one pipeline or all, in one status, several or any.

        Raises:
            NotFound: There is no such pipeline.
        """
        wanted = [status] if isinstance(status, str) else list(status or [])
        rows = self._pages("run.list", limit, pipeline=pipeline, status=[str(one) for one in wanted])
        return Page(responses.pipeline_run(row, self._transport) for row in rows)

    list_pipeline_runs = list_runs

    def list_run_steps(self, run: Ref | PipelineRun) -> Page:
        """Return the steps of a run, in the order they are called.

        Raises:
            NotFound: There is no such run.
        """
        return Page(self._run(run).steps.values())

    def get_run_step(self, step_id: str | UUID) -> StepRun:
        """Return a step of a run by its id.

        Raises:
            NotFound: There is none.
        """
        told = self._ask("step.find", id=str(step_id))
        return responses.step_run(told, run=str(told["run_id"]), transport=self._transport)

    def trigger(
        self,
        pipeline: str | UUID,
        parameters: Mapping[str, Any] | None = None,
        *,
        steps: Mapping[str, Mapping[str, Any]] | None = None,
        name: str | None = None,
        tags: Iterable[str] = (),
    ) -> PipelineRun:
        """Start a run of a registered pipeline on a runner and return it at once.

        Args:
            pipeline: its name, slug or id.
            parameters: plain JSON; those left out take their defaults.
            steps: options to change for this run, by invocation id.
            name: the run's name.
            tags: the run's tags.

        Raises:
            NotFound: There is no such pipeline, or a step names a secret that does not exist.
            UsageError: A parameter or option does not fit, or the pipeline's code was not kept.
            Denied: This is a running step, or the token's role is too low.
        """
        body = {"parameters": dict(parameters or {}), "steps": dict(steps or {}), "name": name, "tags": list(tags)}
        return responses.pipeline_run(self._ask("run.start", pipeline=str(pipeline), **body), self._transport)

    trigger_pipeline = trigger

    def cancel(self, run: Ref | PipelineRun) -> PipelineRun:
        """Ask a run to stop and return it as it is then.

        Raises:
            NotFound: There is no such run.
            Conflict: It has ended already.
            Denied: This is a running step, or the token's role is too low.
        """
        return self._run(run).cancel()

    def rerun(self, run: Ref | PipelineRun, **changes: Any) -> PipelineRun:
        """Start a new run from an earlier one; ``changes`` are those of ``PipelineRun.rerun``.

        Raises:
            NotFound: There is no such run.
            Conflict: The scope is ``failed`` and the run has not ended.
            UsageError: A parameter or option does not fit, or its code was not kept.
        """
        return self._run(run).rerun(**changes)

    def follow_logs(self, run: Ref | PipelineRun, *, follow: bool = True) -> Iterator[str]:
        """Yield the lines a run's steps print, each as ``step | line``, until the run has ended.

        Raises:
            NotFound: There is no such run.
        """
        return self._run(run).logs(follow=follow)

    # Artifacts

    def get_artifact_version(self, name_id_or_prefix: str | UUID, version: str | int | None = None) -> ArtifactVersion:
        """Return a version of an artifact: by the artifact's name, or by the version's id or a beginning of it.

        With a name, ``version`` picks one; without it the newest is taken.

        Raises:
            NotFound: There is none.
        """
        told = self._ask("artifact.get", ref=str(name_id_or_prefix), version=None if version is None else str(version))
        return artifactversion.artifact_version(told, self._transport)

    def list_artifact_versions(
        self,
        artifact: str | None = None,
        *,
        tag: str | None = None,
        run: Ref | PipelineRun | None = None,
        limit: int = 50,
    ) -> Page:
        """Return artifact versions, newest first: of one artifact, with one tag, made by one run, or all.

        Raises:
            NotFound: There is no such run.
        """
        made_by = None if run is None else _run_ref(run)
        rows = self._pages("artifact.versions", limit, artifact=artifact, tag=tag, run=made_by)
        return Page(artifactversion.artifact_version(row, self._transport) for row in rows)

    def list_artifacts(self, name: str | None = None, *, limit: int = 50) -> Page:
        """Return artifacts by name; with ``name`` those that have this text in theirs."""
        rows = self._pages("artifact.list", limit, name=name)
        return Page(
            Artifact(
                id=UUID(row["id"]),
                name=row["name"],
                n_versions=row["n_versions"],
                latest_version=row["latest_version"],
            )
            for row in rows
        )

    # Pipelines

    def get_pipeline(self, name_or_id: str | UUID) -> PipelineInfo:
        """Return a registered pipeline by name, slug or id.

        Raises:
            NotFound: There is none.
        """
        return _pipeline(self._ask("pipeline.get", ref=str(name_or_id)))

    def list_pipelines(self, *, limit: int = 50) -> Page:
        """Return the registered pipelines by name."""
        return Page(_pipeline(row) for row in self._pages("pipeline.list", limit))

    # Secrets

    def get_secret(self, name: str) -> SecretInfo:
        """Return a secret by name or id: its keys, and in a step that declares it ``secret_values``.

        Raises:
            NotFound: There is none.
            Denied: This is a running step that does not declare it, or the token's role is too low.
        """
        return _secret(self._ask("secret.get", name=name))

    def list_secrets(self) -> Page:
        """Return the secrets by name, without values; in a step those it declares.

        Raises:
            Denied: The token's role is too low.
        """
        return Page(_secret(row) for row in self._ask("secret.list")["items"])

    def create_secret(self, name: str, values: Mapping[str, str]) -> SecretInfo:
        """Create a secret. Each key becomes an environment variable of the steps that declare it.

        Raises:
            Conflict: There is one of this name.
            UsageError: The name, a key or a value does not do.
            Denied: This is a running step, or the token's role is too low.
        """
        return _secret(self._ask("secret.create", name=name, values=dict(values)))

    def update_secret(self, name: str, values: Mapping[str, str]) -> SecretInfo:
        """Replace all keys and values of a secret.

        Raises:
            NotFound: There is none.
            UsageError: A key or a value does not do.
            Denied: This is a running step, or the token's role is too low.
        """
        return _secret(self._ask("secret.rotate", name=name, values=dict(values)))

    def delete_secret(self, name: str) -> None:
        """Delete a secret. Steps that declare it fail from now on.

        Raises:
            NotFound: There is none.
            Denied: This is a running step, or the token's role is too low.
        """
        self._ask("secret.delete", name=name)

    @property
    def _transport(self) -> Transport:
        return self._server or default_transport()

    def _ask(self, operation: str, **arguments: Any) -> Any:
        return self._transport.ask(operation, **arguments)

    def _run(self, run: Ref | PipelineRun) -> PipelineRun:
        return run if isinstance(run, PipelineRun) else self.get_pipeline_run(run)

    def _pages(self, operation: str, limit: int, **filters: Any) -> Iterator[dict[str, Any]]:
        if limit < 1:
            raise UsageError(f"limit is {limit}.", hint="Give 1 or more.")
        cursor, left = None, limit
        while left:
            page = self._ask(operation, **filters, cursor=cursor, limit=min(left, _MOST_A_PAGE))
            yield from page["items"]
            left -= len(page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                return


def default_transport() -> Transport:
    """Return how this process reaches Stepwell: the runner from a step, a server that is named, else the store here."""
    url = os.environ.get("STEPWELL_URL", "")
    if url and not calls.has_line():
        return http_transport(url, None)
    return StoreTransport()


def http_transport(url: str, token: str | None) -> Transport:
    """Return the way to a server; the token is ``STEPWELL_TOKEN`` unless given.

    Raises:
        UsageError: There is no token, or the address does not do.
    """
    # http and tar support are for those who use them.
    from stepwell.sdk.client_http import HttpTransport

    token = token or os.environ.get("STEPWELL_TOKEN", "")
    if not token:
        raise UsageError(
            f"There is no token for {url}.", hint="Make one on the page Tokens and set STEPWELL_TOKEN to it."
        )
    return HttpTransport(url, token)


def _run_ref(run: Ref | PipelineRun) -> str:
    return str(run.id) if isinstance(run, PipelineRun) else str(run)


def _pipeline(told: Mapping[str, Any]) -> PipelineInfo:
    return PipelineInfo(
        id=UUID(str(told["id"])),
        name=told["name"],
        docstring=told["docstring"],
        can_run=told["can_run"],
        parameters_schema=told.get("parameters_schema", {}),
    )


def _secret(told: Mapping[str, Any]) -> SecretInfo:
    return SecretInfo(id=UUID(str(told["id"])), name=told["name"], keys=list(told["keys"]), version=told["version"])

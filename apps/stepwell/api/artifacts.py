"""Artifacts: list and look at them, take their bytes, store new versions."""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
import pathlib
import tarfile
from collections.abc import AsyncIterator, Iterator

from django.core.handlers.asgi import ASGIRequest
from django.http.response import HttpResponseBase
from ninja import Path, Query, Router
from ninja.responses import Status

from stepwell.accounts.models import Role
from stepwell.api.answers import answers, only_query, record_act
from stepwell.api.auth import ApiRequest, needs
from stepwell.core.wire_artifacts import (
    ArtifactFilters,
    ArtifactPage,
    ArtifactVersionDetail,
    ArtifactVersionPage,
    Done,
    NewVersion,
    Upload,
    UploadPart,
    VersionFilters,
    VersionRef,
)
from stepwell.errors import StepwellError, UsageError
from stepwell.execution import artifacts
from stepwell.kit.downloads import Download

router = Router(tags=["Artifacts"], auth=needs(Role.VIEWER))
_CHUNK = 256 * 1024


@router.get("/artifacts", response=answers(ArtifactPage), summary="List artifacts by name")
def list_artifacts(request: ApiRequest, filters: Query[ArtifactFilters]) -> ArtifactPage:
    only_query(request, ArtifactFilters)
    return artifacts.list_artifacts(filters)


@router.get(
    "/artifact-versions", response=answers(ArtifactVersionPage, 404), summary="List artifact versions, newest first"
)
def list_versions(request: ApiRequest, filters: Query[VersionFilters]) -> ArtifactVersionPage:
    only_query(request, VersionFilters)
    return artifacts.list_versions(filters)


@router.get(
    "/artifact-versions/find",
    response=answers(ArtifactVersionDetail, 404),
    summary="Get a version by the artifact's name, or by its id or the beginning of it",
    description="Names may hold any character, so they travel in the query. Without “version” the newest is given.",
)
def find_version(request: ApiRequest, ref: Query[VersionRef]) -> ArtifactVersionDetail:
    only_query(request, VersionRef)
    return artifacts.version_detail(artifacts.find_version(ref.ref, ref.version))


@router.get(
    "/artifact-versions/{version_id}", response=answers(ArtifactVersionDetail, 404), summary="Get a version by its id"
)
def get_version(request: ApiRequest, version_id: Path[str]) -> ArtifactVersionDetail:
    return artifacts.version_detail(artifacts.version_with_id(version_id))


@router.get(
    "/artifact-versions/{version_id}/content",
    response=answers(ArtifactVersionDetail, 404, 429),
    summary="Take a version's files as a tar archive",
    description="The files are checked against the recorded size and hash first; a damaged version is not given out.",
)
def get_content(request: ApiRequest, version_id: Path[str]) -> HttpResponseBase:
    version = artifacts.version_with_id(version_id)
    # The place first: checking reads every byte.
    response = Download(caller=request.auth.user.pk, content_type="application/x-tar")
    try:
        chunks = _archive(*artifacts.checked_files(version))
    except StepwellError:
        response.leave()
        raise
    response.streaming_content = _in_turn(chunks) if isinstance(request, ASGIRequest) else chunks
    response["Content-Disposition"] = f'attachment; filename="{version.id}.tar"'
    return response


@router.post(
    "/uploads", response=answers(Upload, 429, 503, status=201), auth=needs(Role.OPERATOR), summary="Begin an upload"
)
def begin_upload(request: ApiRequest) -> Status:
    return Status(201, Upload(upload=artifacts.begin_upload(owner=request.auth.user.pk)))


@router.post(
    "/uploads/{upload}/parts",
    response=answers(Done, 404, 409, 413, 503),
    auth=needs(Role.OPERATOR),
    summary="Append bytes to a file of an upload",
)
def add_part(request: ApiRequest, upload: Path[str], body: UploadPart) -> Done:
    try:
        content = base64.b64decode(body.content, validate=True)
    except (binascii.Error, ValueError):
        raise UsageError("The content of a part is base64.") from None
    artifacts.add_part(upload, owner=request.auth.user.pk, file=body.file, offset=body.offset, content=content)
    return Done()


@router.post(
    "/artifact-versions",
    response=answers(ArtifactVersionDetail, 404, 409, status=201),
    auth=needs(Role.OPERATOR),
    summary="Store an upload as a version of an artifact",
)
def save_version(request: ApiRequest, body: NewVersion) -> Status:
    version = artifacts.save_version(body, owner=request.auth.user.pk)
    record_act(request, "artifact.saved", kind="artifact", row=version)
    return Status(201, artifacts.version_detail(version))


def _archive(folder: pathlib.Path, names: list[str]) -> Iterator[bytes]:
    """Yield a tar archive made while it is read: nothing of it is kept in memory or on disk."""
    for name in names:
        with (folder / name).open("rb") as file:
            entry = tarfile.TarInfo(name)
            entry.size = file.seek(0, io.SEEK_END)
            file.seek(0)
            yield entry.tobuf(tarfile.PAX_FORMAT)
            while chunk := file.read(_CHUNK):
                yield chunk
            yield bytes(-entry.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


async def _in_turn(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    # Reading blocks, and the server's loop must not.
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        yield chunk

"""Stored artifacts: finding a version, listing them, storing one that no step's result carries."""

from __future__ import annotations

import shutil
from difflib import get_close_matches
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, Max, OuterRef, QuerySet, Subquery

from stepwell.accounts.models import as_uuid
from stepwell.artifacts.models import Artifact, ArtifactVersion
from stepwell.core.ids import new_id
from stepwell.core.wire_artifacts import (
    ArtifactFilters,
    ArtifactPage,
    ArtifactSummary,
    ArtifactVersionDetail,
    ArtifactVersionPage,
    NewVersion,
    VersionFilters,
)
from stepwell.errors import ArtifactError, Conflict, NotFound, Unavailable, UsageError
from stepwell.execution import disk, inputs
from stepwell.execution.lookup import find_run
from stepwell.runs.models import StepRun
from stepwell.sdk.artifactstore import DRAFTS, ArtifactStore, Draft

#: below the store's root: what scripts and steps saved by ``save_artifact``
SAVED = "saved"
#: the folder of an upload that becomes the version's
CONTENT = "content"
#: in one upload
MOST_FILES = 1000
#: of one person, begun and not stored
MOST_UPLOADS = 100


class DataGone(NotFound):
    """The data of an artifact version is missing or damaged."""

    code = "artifact"


class TooLarge(UsageError):
    """The upload has become too large."""

    code = "too_large"
    status = 413


class TooManyUploads(TooLarge):
    """Too many uploads were begun and not stored."""

    code = "too_many"
    status = 429


class VersionExists(Conflict):
    """The artifact has this version already."""

    code = "version_exists"


def store() -> ArtifactStore:
    return ArtifactStore(inputs.artifact_root())


def find_version(ref: str, version: str | None = None) -> ArtifactVersion:
    """Return an artifact version by the artifact's name, or by the version's id or a unique beginning of it.

    With a name, ``version`` picks one; without it the newest is taken.

    Raises:
        NotFound: There is none, or there are several.
    """
    rows = ArtifactVersion.objects.select_related("artifact", "producer__run")
    if "\0" in ref or "\0" in (version or ""):
        raise NotFound("There is no artifact of this name.")
    named = rows.filter(artifact__name=ref)
    if version is not None:
        named = named.filter(version=version)
    if found := named.order_by("-number").first():
        return found
    if version is None and (found := _by_id(rows, ref)):
        return found
    raise _missing(ref, version)


def list_versions(filters: VersionFilters) -> ArtifactVersionPage:
    """Return one page of artifact versions, newest first.

    Raises:
        NotFound: There is no such run.
    """
    rows = ArtifactVersion.objects.select_related("artifact", "producer__run").order_by("-id")
    if filters.artifact is not None:
        rows = rows.filter(artifact__name=filters.artifact)
    if filters.run is not None:
        rows = rows.filter(producer__run=find_run(filters.run))
    if filters.cursor is not None:
        rows = rows.filter(id__lt=filters.cursor)
    if filters.tag is not None:
        # Containment in JSON is not the same on every database; tags are few and short.
        tagged = (row for row in rows.iterator(chunk_size=500) if filters.tag in row.tags)
        found = [row for row, _ in zip(tagged, range(filters.limit + 1), strict=False)]
    else:
        found = list(rows[: filters.limit + 1])
    page = found[: filters.limit]
    return ArtifactVersionPage(
        items=[version_detail(row) for row in page],
        next_cursor=page[-1].id if len(found) > filters.limit else None,
    )


def list_artifacts(filters: ArtifactFilters) -> ArtifactPage:
    """Return one page of artifacts by name."""
    newest = ArtifactVersion.objects.filter(artifact=OuterRef("id")).order_by("-number").values("version")[:1]
    rows = Artifact.objects.order_by("name").annotate(n_versions=Count("versions"), latest=Subquery(newest))
    if filters.name is not None:
        rows = rows.filter(name__contains=filters.name)
    if filters.cursor is not None:
        rows = rows.filter(name__gt=filters.cursor)
    found = list(rows[: filters.limit + 1])
    page = found[: filters.limit]
    items = [
        ArtifactSummary(
            id=row.id,
            name=row.name,
            n_versions=row.n_versions,
            latest_version=row.latest or "",
            created_at=row.created_at,
        )
        for row in page
    ]
    return ArtifactPage(items=items, next_cursor=page[-1].name if len(found) > filters.limit else None)


def version_detail(row: ArtifactVersion) -> ArtifactVersionDetail:
    producer = row.producer
    return ArtifactVersionDetail(
        id=row.id,
        artifact=row.artifact.name,
        version=row.version,
        number=row.number,
        type=row.type,
        size=row.size,
        sha256=row.sha256,
        uri=row.uri,
        materializer=row.materializer,
        metadata=row.metadata,
        visualizations=row.visualizations,
        tags=row.tags,
        created_at=row.created_at,
        run_id=producer.run_id if producer else None,
        run_number=producer.run.number if producer else None,
        step=producer.invocation_id if producer else None,
    )


def begin_upload(*, owner: UUID) -> str:
    """Make an empty upload of a person and return what it is called.

    Raises:
        TooManyUploads: The person has too many that were not stored.
        Unavailable: There is too little room on the disk.
    """
    _check_disk()
    if len(_drafts_of(owner)) >= MOST_UPLOADS:
        raise TooManyUploads(hint="Store them. Those that nobody goes on with are removed after a day.")
    draft = store().begin(owner=_mark(owner))
    draft.folder(CONTENT)
    return draft.path.name


def add_part(upload: str, *, owner: UUID, file: str, offset: int, content: bytes) -> None:
    """Append to a file of an upload.

    Raises:
        NotFound: This person has no such upload.
        UsageError: The name of the file is not safe, or the person's uploads have become too large.
        Unavailable: There is too little room on the disk.
        Conflict: ``offset`` is not where the file ends.
    """
    folder = _draft(upload, owner=owner).path / CONTENT
    try:
        path = ArtifactStore(folder).resolve(file)
    except ArtifactError as exc:
        raise UsageError(f"{file[:80]!r} cannot be the name of a file.") from exc
    _check_room(folder, content, owner=owner)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as target:
        if target.tell() != offset:
            raise Conflict(f"The file has {target.tell()} bytes so far, not {offset}.", hint="Start the upload anew.")
        target.write(content)


def save_version(new: NewVersion, *, owner: UUID | None = None, producer: StepRun | None = None) -> ArtifactVersion:
    """Publish an upload as a version of an artifact; a step's has no owner.

    Raises:
        NotFound: There is no such upload, or it is somebody else's.
        VersionExists: The artifact has this version already.
        ArtifactError: The upload holds something else than files and folders.
    """
    draft = _draft(new.upload, owner=owner)
    stored = store().publish(draft, f"{SAVED}/{new_id()}")[CONTENT]
    try:
        with transaction.atomic():
            artifact, _ = Artifact.objects.select_for_update().get_or_create(name=new.artifact)
            kept = artifact.versions.filter(sha256=stored.sha256, size=stored.size).first() if new.reuse else None
            made = kept or _create(artifact, new, uri=stored.uri, size=stored.size, sha256=stored.sha256)
            made.producer = made.producer or producer
            made.save(update_fields=["producer"])
    except (Conflict, IntegrityError):
        _discard(stored.uri)
        raise
    if kept is not None:
        _discard(stored.uri)
    return find_version(str(made.id))


def version_with_id(version_id: str) -> ArtifactVersion:
    """Return the artifact version with this id.

    Raises:
        NotFound: There is none.
    """
    rows = ArtifactVersion.objects.select_related("artifact", "producer__run")
    version = rows.filter(id=number).first() if (number := as_uuid(version_id)) else None
    if version is None:
        raise NotFound("There is no artifact version with this id.")
    return version


def checked_files(version: ArtifactVersion) -> tuple[Path, list[str]]:
    """Return the folder of a version and the names of its files, after every byte was checked.

    Raises:
        DataGone: The data is missing or is not what was recorded.
    """
    try:
        folder = store().verify(version.uri, size=version.size, sha256=version.sha256)
    except ArtifactError as exc:
        raise DataGone(exc.message, hint="Run the step that made it again.") from exc
    return folder, sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _create(artifact: Artifact, new: NewVersion, *, uri: str, size: int, sha256: str) -> ArtifactVersion:
    number = (artifact.versions.aggregate(newest=Max("number"))["newest"] or 0) + 1
    label = new.version or str(number)
    if artifact.versions.filter(version=label).exists():
        raise VersionExists(
            f"Artifact {artifact.name} has a version “{label}” already.", hint="Give another version, or leave it out."
        )
    return ArtifactVersion.objects.create(
        artifact=artifact,
        version=label,
        number=number,
        uri=uri,
        size=size,
        sha256=sha256,
        type=new.type,
        materializer=new.materializer,
        metadata=new.metadata,
        visualizations=new.visualizations,
        tags=list(dict.fromkeys(new.tags)),
    )


def _by_id(rows: QuerySet[ArtifactVersion], ref: str) -> ArtifactVersion | None:
    if number := as_uuid(ref):
        return rows.filter(id=number).first()
    digits = ref.replace("-", "").lower()
    if not 4 <= len(digits) <= 32 or any(char not in "0123456789abcdef" for char in digits):
        return None
    found = list(rows.filter(id__gte=UUID(digits.ljust(32, "0")), id__lte=UUID(digits.ljust(32, "f")))[:2])
    return found[0] if len(found) == 1 else None


def _missing(ref: str, version: str | None) -> NotFound:
    shown = ref[:80]
    artifact = Artifact.objects.filter(name=ref).first()
    if artifact is not None:
        known = ", ".join(artifact.versions.order_by("-number").values_list("version", flat=True)[:10])
        return NotFound(f"Artifact {shown} has no version “{version}”.", hint=f"It has: {known or 'none'}.")
    near = get_close_matches(ref[:255], Artifact.objects.values_list("name", flat=True)[:2000], n=3, cutoff=0.5)
    return NotFound(
        f"There is no artifact “{shown}”.", hint=f"Did you mean {' or '.join(near)}?" if near else "Give its full name."
    )


def _check_disk() -> None:
    if problem := disk.shortage():
        raise Unavailable(f"{problem} Nothing is stored until there is more.", hint="Free space on the server's disk.")


def _check_room(folder: Path, content: bytes, *, owner: UUID) -> None:
    _check_disk()
    n_files = sum(1 for path in folder.rglob("*") if path.is_file())
    n_bytes = sum(_size(draft) for draft in _drafts_of(owner))
    if n_files > MOST_FILES or n_bytes + len(content) > settings.UPLOAD_BYTES:
        raise TooLarge(
            hint=f"At most {MOST_FILES:,} files in one, and {settings.UPLOAD_BYTES // 2**20:,} MiB in all you began."
        )


def _drafts_of(owner: UUID) -> list[Path]:
    return list((store().root / DRAFTS).glob(f"{_mark(owner)}*"))


def _mark(owner: UUID) -> str:
    # The half of an id that is chance, so that the name stays short.
    return owner.hex[16:]


def _size(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    except FileNotFoundError:
        # Stored or swept meanwhile.
        return 0


def _draft(upload: str, *, owner: UUID | None) -> Draft:
    path = store().root / DRAFTS / upload
    if not upload.isalnum() or not upload.startswith(_mark(owner) if owner else "") or not path.is_dir():
        raise NotFound("There is no such upload.", hint="It was stored or removed; start it anew.")
    return Draft(path)


def _discard(uri: str) -> None:
    shutil.rmtree(store().root / Path(uri).parent, ignore_errors=True)

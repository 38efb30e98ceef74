"""What artifacts look like: pages that show files a step made, and those files, kept from doing harm."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils.http import content_disposition_header
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role
from stepwell.artifacts.models import ArtifactVersion
from stepwell.errors import NotFound
from stepwell.kit.downloads import Download
from stepwell.web import present
from stepwell.web.access import needs, shown
from stepwell.web.request import WebRequest, render_page, stream
from stepwell.web.run_page import step_url

#: shown inside a frame that can run scripts but belongs to no site: it reaches neither cookies nor our pages
_FRAMED = {".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".svg": "image/svg+xml"}
_IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
_TEXTS = frozenset({".txt", ".md", ".csv", ".tsv", ".json", ".log", ".yaml", ".yml", ".toml", ".xml"})
_TEXT_LIMIT = 512 * 1024
_CHUNK = 256 * 1024
#: of a text, beside what made it
_PREVIEW_BYTES = 4000
_PREVIEW_LINES = 12
_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_CLOSED_POLICY = "sandbox; default-src 'none'; frame-ancestors 'self'"


@require_safe
@needs(Role.VIEWER)
def visualization(request: WebRequest, version: uuid.UUID, file: str) -> HttpResponse:
    """Show one file a step made of its artifact: framed, as an image, as text, or as a download."""
    found, place = _find(version, file)
    suffix = place.suffix.lower()
    kind = "frame" if suffix in _FRAMED else "image" if suffix in _IMAGES else "text" if suffix in _TEXTS else "file"
    context: dict[str, Any] = {
        "version": found,
        "file": file,
        "kind": kind,
        "size": present.size(place.stat().st_size),
        "raw_url": reverse("artifacts:raw", args=[found.id, file]),
        "text": "",
        "is_cut": False,
    }
    if found.producer:
        context["step"] = found.producer
        context["step_url"] = step_url(found.producer.run, found.producer.invocation_id)
    if kind == "text":
        with place.open("rb") as stream:
            content = stream.read(_TEXT_LIMIT + 1)
        context["text"] = content[:_TEXT_LIMIT].decode(errors="replace")
        context["is_cut"] = len(content) > _TEXT_LIMIT
    return render_page(request, "runs/visualization.html", context)


@require_safe
@xframe_options_sameorigin
@needs(Role.VIEWER)
def raw(request: WebRequest, version: uuid.UUID, file: str) -> HttpResponseBase:
    """Send the file; what a browser would run or draw goes out sandboxed, anything unknown as a download."""
    _, place = _find(version, file)
    suffix = place.suffix.lower()
    content_type = {**_FRAMED, **_IMAGES}.get(suffix)
    is_download = content_type is None or "download" in request.GET
    response = Download(
        stream(request, _chunks(place)),
        caller=request.user.pk,
        content_type="application/octet-stream" if is_download else content_type,
    )
    response["Content-Length"] = str(place.stat().st_size)
    response["Content-Disposition"] = content_disposition_header(is_download, _safe_name(place.name)) or "inline"
    response["Content-Security-Policy"] = _POLICY if suffix in _FRAMED and not is_download else _CLOSED_POLICY
    response["X-Content-Type-Options"] = "nosniff"
    # The frame's document has no origin, so "same-origin" would keep its own image from loading.
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def preview(version: ArtifactVersion) -> tuple[str, str]:
    """Return the address of an image of an artifact version and the first lines of a text of it; "" for none."""
    image_url = text = ""
    for item in version.visualizations:
        file = str(item.get("file", ""))
        suffix = PurePosixPath(file).suffix.lower()
        if suffix in _IMAGES and not image_url:
            image_url = reverse("artifacts:raw", args=[version.id, file])
        if suffix in _TEXTS and not text and (place := _place(version, file)):
            with place.open("rb") as content:
                text = content.read(_PREVIEW_BYTES).decode(errors="replace")
    return image_url, "\n".join(text.splitlines()[:_PREVIEW_LINES])


def _chunks(place: Path) -> Iterator[bytes]:
    with place.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _find(version_id: uuid.UUID, file: str) -> tuple[ArtifactVersion, Path]:
    """Return the version and the file, which must be one of its visualizations and lie in its folder.

    Raises:
        NotFound: There is no such version or file.
    """
    missing = NotFound(
        f"There is no visualization “{shown(file)}” of this artifact.", hint="Open the step that made it."
    )
    version = ArtifactVersion.objects.select_related("artifact", "producer__run").filter(id=version_id).first()
    if version is None or file not in {str(item.get("file", "")) for item in version.visualizations}:
        raise missing
    place = _place(version, file)
    if place is None:
        raise missing
    return version, place


def _place(version: ArtifactVersion, file: str) -> Path | None:
    """Return where a visualization lies; None when that is not in the version's folder, or not there."""
    root = (Path(settings.HOME) / "artifacts").resolve()
    parts = (*PurePosixPath(version.uri).parts, *PurePosixPath(file).parts)
    if any(part in {"..", "/"} for part in parts):
        return None
    folder = root.joinpath(*PurePosixPath(version.uri).parts).resolve()
    place = folder.joinpath(*PurePosixPath(file).parts).resolve()
    is_inside = folder.is_relative_to(root) and place.is_relative_to(folder)
    return place if is_inside and place.is_file() else None


def _safe_name(name: str) -> str:
    return "".join(char if char.isascii() and (char.isalnum() or char in "-_. ") else "_" for char in name)[:120]


urlpatterns = [
    path("artifacts/<uuid:version>/view/<path:file>", visualization, name="visualization"),
    path("artifacts/<uuid:version>/raw/<path:file>", raw, name="raw"),
]

"""Asking a Stepwell server over HTTP with a token; nothing but the standard library."""

from __future__ import annotations

import base64
import json
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

from stepwell.errors import ArtifactError, Unavailable, UsageError
from stepwell.sdk import calls

#: seconds without a byte after which a request is given up
TIMEOUT = 60
#: bytes of a file in one part of an upload; base64 makes them a third more
_PART = 512 * 1024

#: operation -> method and path; what the path does not name goes into the query of a GET, else into the body
_ROUTES: dict[str, tuple[str, str]] = {
    "run.get": ("GET", "/runs/{ref}"),
    "run.list": ("GET", "/runs"),
    "run.start": ("POST", "/pipelines/{pipeline}/runs"),
    "run.cancel": ("POST", "/runs/{ref}/cancellation"),
    "run.rerun": ("POST", "/runs/{ref}/reruns"),
    "call.list": ("GET", "/runs/{ref}/calls"),
    "wait.list": ("GET", "/runs/{ref}/waits"),
    "wait.answer": ("POST", "/runs/{ref}/waits/{wait}/answer"),
    "step.list": ("GET", "/runs/{run}/steps"),
    "step.get": ("GET", "/runs/{run}/steps/{step}"),
    "step.find": ("GET", "/steps/{id}"),
    "step.artifacts": ("GET", "/runs/{run}/steps/{step}/artifacts"),
    "log.read": ("GET", "/runs/{run}/steps/{step}/attempts/{number}/log"),
    "artifact.get": ("GET", "/artifact-versions/find"),
    "artifact.list": ("GET", "/artifacts"),
    "artifact.versions": ("GET", "/artifact-versions"),
    "artifact.save": ("POST", "/artifact-versions"),
    "upload.begin": ("POST", "/uploads"),
    "upload.part": ("POST", "/uploads/{upload}/parts"),
    "metadata.log": ("POST", "/metadata"),
    "tags.change": ("POST", "/tags"),
    "pipeline.get": ("GET", "/pipelines/{ref}"),
    "pipeline.list": ("GET", "/pipelines"),
    "model.list": ("GET", "/models"),
    "model.get": ("GET", "/models/{ref}"),
    "model.versions": ("GET", "/models/{model}/versions"),
    "model.version": ("GET", "/models/{model}/versions/{version}"),
    "model.artifact": ("GET", "/models/{model}/versions/{version}/artifact"),
    "model.stage": ("POST", "/models/{model}/versions/{version}/stage"),
    "model.metadata": ("POST", "/models/{model}/versions/{version}/metadata"),
    "model.link": ("POST", "/models/{model}/versions/{version}/artifacts"),
    "secret.get": ("GET", "/secrets/{name}"),
    "secret.list": ("GET", "/secrets"),
    "secret.create": ("POST", "/secrets"),
    "secret.rotate": ("PUT", "/secrets/{name}"),
    "secret.delete": ("DELETE", "/secrets/{name}"),
}


class HttpTransport:
    """A server at ``url`` (without a path), asked with ``token``."""

    def __init__(self, url: str, token: str) -> None:
        address = urllib.parse.urlsplit(url)
        if address.scheme not in {"http", "https"} or not address.netloc:
            raise UsageError(f"{url!r} is not the address of a server.", hint="Write http://host:port or https://host.")
        self.url = url.rstrip("/")
        self._token = token
        # A redirect would carry the token elsewhere.
        self._opener = urllib.request.build_opener(_NoRedirects)

    def __repr__(self) -> str:
        return f"<server {self.url}>"

    def ask(self, operation: str, /, **arguments: Any) -> Any:
        if operation not in _ROUTES:
            raise UsageError(f"A server has no operation {operation!r}.")
        method, path = _ROUTES[operation]
        named = {name for name in arguments if f"{{{name}}}" in path}
        rest = {name: value for name, value in arguments.items() if name not in named and value is not None}
        place = path.format_map({name: urllib.parse.quote(str(arguments[name]), safe="") for name in named})
        if method == "GET":
            place += f"?{urllib.parse.urlencode(rest, doseq=True)}" if rest else ""
            return self._send(method, place, None)
        return self._send(method, place, json.dumps(rest).encode())

    @contextmanager
    def open_files(self, version: Mapping[str, Any], /) -> Iterator[Path]:
        from stepwell.sdk.artifactstore import measure

        folder = Path(tempfile.mkdtemp(prefix="stepwell-"))
        try:
            with self._open("GET", f"/artifact-versions/{version['id']}/content", None) as answer:
                _unpack(answer, folder)
            if measure(folder) != (version["size"], version["sha256"]):
                raise ArtifactError(
                    f"The data of {version['artifact']} {version['version']} arrived damaged.", hint="Try again."
                )
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def upload(self, fill: Callable[[Path], Any], /) -> tuple[str, Any]:
        with tempfile.TemporaryDirectory(prefix="stepwell-") as made:
            folder = Path(made)
            filled = fill(folder)
            upload = self.ask("upload.begin")["upload"]
            for path in sorted(folder.rglob("*")):
                if path.is_symlink() or not path.is_file():
                    continue
                self._upload_file(upload, path, path.relative_to(folder).as_posix())
        return upload, filled

    def _upload_file(self, upload: str, path: Path, name: str) -> None:
        with path.open("rb") as source:
            offset = 0
            while (chunk := source.read(_PART)) or offset == 0:
                content = base64.b64encode(chunk).decode()
                self.ask("upload.part", upload=upload, file=name, offset=offset, content=content)
                if not chunk:
                    return
                offset += len(chunk)

    def _send(self, method: str, place: str, body: bytes | None) -> Any:
        with self._open(method, place, body) as answer:
            try:
                content = answer.read()
                return json.loads(content) if content else None
            except (OSError, HTTPException, ValueError) as exc:
                raise Unavailable(f"{self.url} gave an answer that cannot be read: {exc}.") from exc

    def _open(self, method: str, place: str, body: bytes | None) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(f"{self.url}/api/v1{place}", data=body, method=method, headers=headers)  # noqa: S310 - checked in __init__
        try:
            return self._opener.open(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as exc:
            with exc:
                calls.raise_told({"status": exc.code, **_told(exc)})
        except (OSError, HTTPException) as exc:
            reason = getattr(exc, "reason", exc)
            raise Unavailable(f"{self.url} cannot be reached: {reason}.", hint="Is the server running?") from exc


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _told(exc: urllib.error.HTTPError) -> dict[str, Any]:
    try:
        told = json.loads(exc.read(1024 * 1024))
    except (OSError, HTTPException, ValueError):
        told = None
    if isinstance(told, dict) and "message" in told:
        return told
    return {
        "code": "",
        "message": f"The server answered {exc.code} {exc.reason}.",
        "hint": "Is this a Stepwell server?",
    }


def _unpack(answer: Any, folder: Path) -> None:
    try:
        with tarfile.open(fileobj=answer, mode="r|") as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, HTTPException) as exc:
        raise ArtifactError(f"An artifact's data could not be received: {exc}.", hint="Try again.") from exc

"""Artifacts over the API: found, listed, taken as checked bytes, stored; metadata and tags; secrets go in only."""

from __future__ import annotations

import base64
import io
import tarfile
from pathlib import Path

import pytest
from django.conf import settings

from stepwell.accounts.models import AuditEvent
from stepwell.execution import artifacts
from stepwell.kit import downloads
from tests import factories
from tests.api.conftest import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(people) -> Caller:
    return Caller(people["admin"])


def upload(operator: Caller, **files: bytes) -> str:
    made = operator.post("/uploads").json()["upload"]
    for file, content in files.items():
        part = {"file": file, "offset": 0, "content": base64.b64encode(content).decode()}
        assert operator.post(f"/uploads/{made}/parts", part).status_code == 200
    return made


def save(operator: Caller, artifact: str = "numbers", **changes):
    new = {"artifact": artifact, "upload": upload(operator, value=b"[1, 2]"), "materializer": "m", **changes}
    return operator.post("/artifact-versions", new)


def test_a_version_is_stored_found_and_listed(viewer, operator):
    made = save(operator, "a/b::c", tags=["x"], metadata={"rows": 2})
    assert made.status_code == 201
    save(operator, "a/b::c")

    found = viewer.get("/artifact-versions/find", data={"ref": "a/b::c", "version": "1"}).json()
    assert found == made.json()
    assert (found["number"], found["size"], found["tags"], found["metadata"]) == (1, 6, ["x"], {"rows": 2})
    assert viewer.get(f"/artifact-versions/{found['id']}").json() == found
    assert viewer.get("/artifact-versions/find", data={"ref": "a/b::c"}).json()["version"] == "2"
    listed = viewer.get("/artifacts", data={"name": "b::"}).json()["items"]
    assert [(row["name"], row["n_versions"], row["latest_version"]) for row in listed] == [("a/b::c", 2, "2")]
    assert AuditEvent.objects.filter(action="artifact.saved").count() == 2


def test_lists_come_in_pages(viewer, operator):
    for name in ("a", "b", "c"):
        save(operator, name)
    first = viewer.get("/artifacts", data={"limit": 2}).json()
    rest = viewer.get("/artifacts", data={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [row["name"] for row in first["items"] + rest["items"]] == ["a", "b", "c"]
    assert rest["next_cursor"] is None

    newest = viewer.get("/artifact-versions", data={"limit": 2}).json()
    older = viewer.get("/artifact-versions", data={"limit": 2, "cursor": newest["next_cursor"]}).json()
    assert [row["artifact"] for row in newest["items"] + older["items"]] == ["c", "b", "a"]
    assert viewer.get("/artifact-versions", data={"wrong": 1}).status_code == 422


def test_the_bytes_come_as_an_archive_and_damaged_ones_do_not(viewer, operator):
    version = save(operator).json()
    answer = viewer.get(f"/artifact-versions/{version['id']}/content")
    with tarfile.open(fileobj=io.BytesIO(b"".join(answer.streaming_content))) as packed:
        files = {entry.name: packed.extractfile(entry).read() for entry in packed}

    assert answer["Content-Type"] == "application/x-tar"
    assert answer["Content-Disposition"] == f'attachment; filename="{version["id"]}.tar"'
    assert files == {"value": b"[1, 2]"}

    (Path(settings.HOME) / "artifacts" / version["uri"] / "value").write_bytes(b"[1, 3]")
    answer = viewer.get(f"/artifact-versions/{version['id']}/content")
    assert (answer.status_code, answer.json()["code"]) == (404, "artifact")
    assert "is not what was stored" in answer.json()["message"]


@pytest.mark.parametrize("uri", ["../../etc", "/etc", "a/../../b", ".drafts/x"])
def test_a_place_outside_the_store_is_never_sent(viewer, uri):
    version = factories.make_artifact(factories.make_step(factories.make_run()), uri=uri)

    assert viewer.get(f"/artifact-versions/{version.id}/content").status_code == 404


def test_a_version_that_exists_is_a_conflict_and_leaves_no_files(operator):
    save(operator, version="v1")
    before = sorted((artifacts.store().root / artifacts.SAVED).iterdir())
    answer = save(operator, version="v1")

    assert (answer.status_code, answer.json()["code"]) == (409, "version_exists")
    assert sorted((artifacts.store().root / artifacts.SAVED).iterdir()) == before


def test_parts_are_checked(operator):
    made = upload(operator)
    for body, said in (
        ({"file": "../x", "offset": 0, "content": ""}, "cannot be the name of a file"),
        ({"file": "x", "offset": 0, "content": "%%%"}, "is base64"),
        ({"file": "x", "offset": -1, "content": ""}, "do not fit"),
    ):
        answer = operator.post(f"/uploads/{made}/parts", body)
        assert answer.status_code == 422
        assert said in answer.json()["message"]
    assert operator.post("/uploads/..%2f../parts", {"file": "x", "offset": 0, "content": ""}).status_code == 404


def test_an_upload_has_a_limit_of_bytes_and_files(operator, settings, monkeypatch):
    settings.UPLOAD_BYTES = 10
    monkeypatch.setattr(artifacts, "MOST_FILES", 2)
    made = upload(operator, a=b"123456")
    part = {"file": "b", "offset": 0, "content": base64.b64encode(b"12345").decode()}

    answer = operator.post(f"/uploads/{made}/parts", part)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    for file in ("b", "c"):
        assert operator.post(f"/uploads/{made}/parts", {**part, "file": file, "content": ""}).status_code == 200
    assert operator.post(f"/uploads/{made}/parts", {**part, "file": "d", "content": ""}).status_code == 413


def test_the_uploads_of_one_person_have_a_limit_together(operator, people, settings, monkeypatch):
    settings.UPLOAD_BYTES = 10
    monkeypatch.setattr(artifacts, "MOST_UPLOADS", 2)
    other = Caller(people["admin"])
    part = {"file": "b", "offset": 0, "content": base64.b64encode(b"12345").decode()}
    first, second = upload(operator, a=b"123456"), upload(operator)

    assert operator.post(f"/uploads/{second}/parts", part).status_code == 413
    answer = operator.post("/uploads")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many")
    assert "after a day" in answer.json()["hint"]
    assert upload(other, a=b"123456")
    new = {"artifact": "numbers", "upload": first, "materializer": "m"}
    assert other.post(f"/uploads/{second}/parts", {**part, "content": ""}).status_code == 404
    assert other.post("/artifact-versions", new).status_code == 404

    assert operator.post("/artifact-versions", new).status_code == 201
    assert operator.post(f"/uploads/{second}/parts", part).status_code == 200
    assert operator.post("/uploads").status_code == 201


def test_a_disk_that_is_nearly_full_takes_no_upload(operator, settings):
    made = upload(operator)
    settings.DISK_RESERVE_BYTES = 2**63
    artifacts.disk._SHARE, share = 1.0, artifacts.disk._SHARE
    try:
        for path, body in (("/uploads", None), (f"/uploads/{made}/parts", {"file": "a", "offset": 0, "content": ""})):
            answer = operator.post(path, body)
            assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    finally:
        artifacts.disk._SHARE = share


def test_so_many_downloads_at_once_and_no_more(viewer, operator, monkeypatch):
    monkeypatch.setattr(downloads, "seats", downloads.Seats(for_one=1, in_all=5))
    save(operator)
    version = viewer.get("/artifact-versions").json()["items"][0]["id"]
    first = viewer.get(f"/artifact-versions/{version}/content")
    second = viewer.get(f"/artifact-versions/{version}/content")

    assert (first.status_code, second.status_code, second["Retry-After"]) == (200, 429, "5")
    assert operator.get(f"/artifact-versions/{version}/content").status_code == 200
    assert b"".join(first.streaming_content)
    assert viewer.get(f"/artifact-versions/{version}/content", headers={"Range": "bytes=9-"}).status_code == 200


def test_metadata_and_tags_go_on_runs_steps_and_versions(viewer, operator):
    run = factories.make_run(steps=["load"])
    version = factories.make_artifact(run.steps.get())
    for target in ({"run": str(run.number)}, {"run": run.name, "step": "load"}, {"artifact": str(version.id)}):
        assert operator.post("/metadata", {"target": target, "metadata": {"a": 1}}).status_code == 200
    for target in ({"run": str(run.number)}, {"artifact": version.artifact.name}):
        assert operator.post("/tags", {"target": target, "add": ["x", "y"], "remove": ["y"]}).status_code == 200

    assert viewer.get(f"/runs/{run.number}").json()["metadata"] == {"a": 1}
    assert viewer.get(f"/runs/{run.number}").json()["tags"] == ["x"]
    assert viewer.get(f"/steps/{run.steps.get().id}").json()["metadata"] == {"a": 1}
    found = viewer.get(f"/artifact-versions/{version.id}").json()
    assert (found["metadata"], found["tags"], found["step"]) == ({"a": 1}, ["x"], "load")
    assert AuditEvent.objects.filter(action__in=["metadata.logged", "tags.changed"]).count() == 5
    assert operator.post("/tags", {"target": {"run": run.name, "step": "load"}, "add": ["x"]}).status_code == 422


def test_a_viewer_writes_nothing_and_an_operator_sees_no_secrets(viewer, operator):
    for path in ("/uploads", "/artifact-versions", "/metadata", "/tags"):
        assert viewer.post(path, {}).status_code == 403
    for caller in (viewer, operator):
        assert caller.get("/secrets").status_code == 403
        assert caller.post("/secrets", {"name": "a", "values": {"A_KEY": "long enough"}}).status_code == 403


def test_a_secret_goes_in_is_replaced_and_deleted_and_never_comes_out(admin):
    value = "swordfish-and-chips"
    answers = [
        admin.post("/secrets", {"name": "db", "values": {"DB_PASSWORD": value}}),
        admin.get("/secrets"),
        admin.get("/secrets/db"),
        admin.put("/secrets/db", {"values": {"DB_PASSWORD": value, "DB_USER": value}}),
        admin.post("/secrets", {"name": "db", "values": {"DB_PASSWORD": value}}),
        admin.post("/secrets", {"name": "short", "values": {"DB_PASSWORD": "abc"}}),
        admin.delete("/secrets/db"),
        admin.delete("/secrets/db"),
    ]

    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 409, 422, 200, 404]
    assert all(value not in answer.content.decode() for answer in answers)
    assert answers[3].json()["keys"] == ["DB_PASSWORD", "DB_USER"]
    assert value not in str(list(AuditEvent.objects.values()))
    made = AuditEvent.objects.filter(object_kind="secret").order_by("id")
    assert [event.action for event in made] == ["secret.created", "secret.rotated", "secret.deleted"]

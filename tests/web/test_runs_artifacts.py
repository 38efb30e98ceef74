"""What steps made, shown: framed without an origin, as an image, as text, or only as a download."""

from __future__ import annotations

import pickle
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.test import Client

from stepwell.artifacts.models import Artifact, ArtifactVersion
from tests import factories
from tests.web.page import read


def made(files: dict[str, str | bytes], **fields: object) -> ArtifactVersion:
    run = factories.make_run(status="completed")
    return factories.make_artifact(factories.make_step(run, "train"), "report", files=files, **fields)


def body(client: Client, address: str) -> bytes:
    return b"".join(client.get(address).streaming_content)


class Evil:
    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        return open, (self.canary, "w")


def test_a_pickled_value_is_opened_by_no_page(as_alice: Client, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    evil = pickle.dumps(Evil(str(canary)))
    version = made({"value.pkl": evil, "value.txt": evil, "value.png": evil})
    run = version.producer.run
    Artifact.objects.filter(id=version.artifact_id).update(name="evil")

    for address in (
        f"/artifacts/{version.id}/",
        *(f"/artifacts/{version.id}/{how}/value.{kind}" for how in ("view", "raw") for kind in ("pkl", "txt", "png")),
        f"/runs/{run.number}/",
        f"/runs/{run.number}/artifacts/",
        f"/runs/compare/?run={run.number}&run={run.number}",
        f"/api/v1/artifact-versions/{version.id}",
        f"/api/v1/artifact-versions/{version.id}/content",
        "/api/v1/artifact-versions",
        "/artifacts/",
    ):
        response = as_alice.get(address)
        assert response.status_code in {200, 404}, address
        if response.streaming:
            assert b"".join(response.streaming_content)
    assert not canary.exists()
    pickle.loads(evil)
    assert canary.exists()


def test_html_is_framed_where_it_can_reach_nothing(as_charlie: Client) -> None:
    version = made({"report.html": "<script>parent.document</script>"})

    response = as_charlie.get(f"/artifacts/{version.id}/view/report.html")

    frame = read(response).one("iframe")
    assert frame["sandbox"] == "allow-scripts"
    assert "parent.document" not in response.content.decode()
    raw = as_charlie.get(frame["src"])
    policy = raw["Content-Security-Policy"]
    assert raw["Content-Type"] == "text/html; charset=utf-8"
    assert policy.startswith("sandbox allow-scripts; default-src 'none';")
    assert "allow-same-origin" not in policy
    assert "connect-src" not in policy
    assert raw["X-Content-Type-Options"] == "nosniff"
    assert raw["X-Frame-Options"] == "SAMEORIGIN"


def test_svg_is_never_an_image_of_the_page(as_charlie: Client) -> None:
    version = made({"chart.svg": "<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>"})

    page = read(as_charlie.get(f"/artifacts/{version.id}/view/chart.svg"))

    assert not page.has("img")
    assert as_charlie.get(page.one("iframe")["src"])["Content-Security-Policy"].startswith("sandbox ")


def test_an_image_is_shown_as_one(as_charlie: Client) -> None:
    version = made({"plot.png": b"\x89PNG<script>"})

    page = read(as_charlie.get(f"/artifacts/{version.id}/view/plot.png"))

    raw = as_charlie.get(page.one("img")["src"])
    assert (raw["Content-Type"], raw["X-Content-Type-Options"]) == ("image/png", "nosniff")


@pytest.mark.parametrize("file", ["notes.md", "head.csv", "spec.json"])
def test_text_is_shown_as_escaped_text_and_downloaded_raw(as_charlie: Client, file: str) -> None:
    version = made({file: "<img src=x onerror=alert(1)>"})

    page = read(as_charlie.get(f"/artifacts/{version.id}/view/{file}"))

    assert page.one("pre").text == "<img src=x onerror=alert(1)>"
    assert not page.has("img")
    raw = as_charlie.get(f"/artifacts/{version.id}/raw/{file}")
    assert raw["Content-Type"] == "application/octet-stream"
    assert raw["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize("file", ["page.xhtml", "movie.swf", "noending", "x.js"])
def test_any_other_file_is_only_a_download(as_charlie: Client, file: str) -> None:
    version = made({file: "<script>1</script>"})

    assert "does not show files of this kind" in read(as_charlie.get(f"/artifacts/{version.id}/view/{file}")).text
    raw = as_charlie.get(f"/artifacts/{version.id}/raw/{file}")
    assert raw["Content-Type"] == "application/octet-stream"
    assert raw["Content-Disposition"].startswith("attachment;")


def test_a_framed_file_can_be_downloaded(as_charlie: Client) -> None:
    version = made({"report.html": "<b>"})

    raw = as_charlie.get(f"/artifacts/{version.id}/raw/report.html?download=1")

    assert raw["Content-Type"] == "application/octet-stream"
    assert raw["Content-Disposition"] == 'attachment; filename="report.html"'


def test_the_name_of_a_download_breaks_no_header(as_charlie: Client) -> None:
    quoted, broken = 'a"; filename=b\\é.bin', "a\r\nSet-Cookie: x=1.bin"
    version = made({quoted: "1", broken: "1"})

    raw = as_charlie.get(f"/artifacts/{version.id}/raw/{quote(quoted)}")

    assert raw["Content-Disposition"] == 'attachment; filename="a__ filename_b__.bin"'
    assert as_charlie.get(f"/artifacts/{version.id}/raw/{quote(broken)}").status_code == 404


def test_files_in_folders_are_found(as_charlie: Client) -> None:
    version = made({"a/b/c.txt": "deep"})

    assert body(as_charlie, f"/artifacts/{version.id}/raw/a/b/c.txt") == b"deep"


def test_only_what_a_step_listed_is_sent(as_charlie: Client) -> None:
    version = made({"report.html": "<b>"})
    folder = Path(settings.HOME) / "artifacts" / version.uri
    (folder / "data.pkl").write_bytes(b"secret")

    assert as_charlie.get(f"/artifacts/{version.id}/raw/data.pkl").status_code == 404


@pytest.mark.parametrize(
    "file", ["../../outside.txt", "/etc/hostname", "a/../../outside.txt", "link.txt", "gone.txt", "."]
)
def test_nothing_outside_the_artifacts_folder_is_sent(as_charlie: Client, file: str) -> None:
    version = made({"inside.txt": "x"}, visualizations=[{"kind": "txt", "file": file, "size": 1}])
    root = Path(settings.HOME) / "artifacts"
    (root / "outside.txt").write_text("secret")
    link = root / version.uri / "link.txt"
    link.unlink(missing_ok=True)
    link.symlink_to(root / "outside.txt")

    for view in ("raw", "view"):
        assert as_charlie.get(f"/artifacts/{version.id}/{view}/{file}").status_code in {301, 404}


@pytest.mark.parametrize("uri", ["../../..", "/etc", "a/../.."])
def test_a_hostile_place_of_an_artifact_is_refused(as_charlie: Client, uri: str) -> None:
    version = made({"x.txt": "x"})
    version.uri = uri
    version.visualizations = [{"kind": "txt", "file": "hostname", "size": 1}]
    version.save()

    assert as_charlie.get(f"/artifacts/{version.id}/raw/hostname").status_code == 404


def test_the_page_leads_back_to_the_step(as_charlie: Client) -> None:
    version = made({"report.html": "<b>"})

    page = read(as_charlie.get(f"/artifacts/{version.id}/view/report.html"))

    assert page.has("a", href=f"/runs/{version.producer.run.number}/?step=train")


def test_artifacts_need_a_person_and_answer_reads_only(as_bob: Client, client: Client) -> None:
    version = made({"report.html": "<b>"})

    for view in ("view", "raw"):
        address = f"/artifacts/{version.id}/{view}/report.html"
        assert client.get(address)["Location"].startswith("/login/")
        assert as_bob.post(address).status_code == 405

"""Steps, artifacts and logs over the API."""

from __future__ import annotations

import pytest

from stepwell.artifacts.models import Artifact, ArtifactVersion, StepArtifact
from stepwell.engine.logfile import LogWriter
from stepwell.runs.logs import log_path
from stepwell.runs.models import Attempt
from tests.execution.make import make_run

pytestmark = pytest.mark.django_db

TEXT = "one\nzwei €\nтри\n😀 four\n"


@pytest.fixture
def run():
    return make_run({"load": [], "train": ["load"]})


@pytest.fixture
def attempt(run):
    return Attempt.objects.create(step_run=run.steps.get(invocation_id="train"), number=1, status="running")


@pytest.fixture
def log(run, attempt):
    path = log_path(run.id, attempt.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = LogWriter(path, cap_bytes=1024 * 1024)
    writer.write(TEXT.encode())
    writer.flush()
    yield f"/runs/{run.number}/steps/train/attempts/1/log"
    writer.seal()


def test_steps_come_with_their_attempts(viewer, run, attempt, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        answer = viewer.get(f"/runs/{run.number}/steps").json()

    assert [step["invocation_id"] for step in answer["items"]] == ["load", "train"]
    assert answer["items"][1]["upstream"] == ["load"]
    assert [one["number"] for one in answer["items"][1]["attempts"]] == [1]
    assert answer["items"][1]["attempts"][0]["status"] == "running"


def test_an_unknown_step_names_those_there_are(viewer, run):
    response = viewer.get(f"/runs/{run.number}/steps/trian")

    assert response.status_code == 404
    assert response.json()["hint"] == "It has: load, train."


def test_a_log_is_read_in_parts_that_never_cut_a_character(viewer, log):
    text, offset = "", 0
    while True:
        part = viewer.get(log, data={"offset": offset, "limit": 16}).json()
        assert part["from"] == offset
        assert part["to"] - part["from"] == len(part["text"].encode())
        text, offset = text + part["text"], part["to"]
        if offset == part["size"]:
            break

    assert text == TEXT
    assert part["sealed"] is False


def test_a_log_as_text_is_the_bytes_themselves(viewer, log):
    response = viewer.get(log, data={"offset": 4}, headers={"Accept": "text/plain"})

    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content == TEXT.encode()[4:]
    assert response["Stepwell-Log-From"] == "4"
    assert response["Stepwell-Log-To"] == response["Stepwell-Log-Size"] == str(len(TEXT.encode()))
    assert response["Stepwell-Log-Sealed"] == "false"


def test_an_offset_behind_the_end_gives_nothing(viewer, log):
    part = viewer.get(log, data={"offset": 10**12}).json()

    assert part["from"] == part["to"] == part["size"] == len(TEXT.encode())
    assert part["text"] == ""


def test_half_a_character_at_the_end_of_a_sealed_log_is_not_kept_back(viewer, run, attempt):
    path = log_path(run.id, attempt.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = LogWriter(path, cap_bytes=1024)
    writer.write(b"end \xe2\x82")
    writer.seal()
    attempt.log_sealed = True
    attempt.save(update_fields=["log_sealed"])

    part = viewer.get(f"/runs/{run.number}/steps/train/attempts/1/log").json()

    assert part["to"] == part["size"]
    assert part["text"].startswith("end ")
    assert "\ufffd" in part["text"]


def test_an_attempt_without_a_log_has_an_empty_one(viewer, run, attempt):
    part = viewer.get(f"/runs/{run.number}/steps/train/attempts/1/log").json()

    assert part == {"from": 0, "to": 0, "size": 0, "text": "", "sealed": False}


def test_reading_goes_on_behind_what_was_dropped_even_when_a_character_was_cut_there(viewer, run, attempt):
    writer = LogWriter(log_path(run.id, attempt.id), cap_bytes=64 * 1024)
    # Characters of three bytes: no border of a file falls between two of them by design.
    for _ in range(200):
        writer.write(("€" * 500 + "\n").encode())
        writer.flush()
    address, offset, texts = f"/runs/{run.number}/steps/train/attempts/1/log", 0, []
    for _ in range(1000):
        part = viewer.get(address, data={"offset": offset, "limit": 4096}).json()
        texts.append(part["text"])
        if part["to"] == offset:
            break
        offset = part["to"]
    writer.seal()

    assert offset == part["size"]
    assert sum("bytes dropped here" in text for text in texts) == 1


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"offset": "-1"}, 422),
        ({"offset": "x"}, 422),
        ({"offset": str(2**63)}, 422),
        ({"limit": "0"}, 422),
        ({"limit": str(1024 * 1024 + 1)}, 422),
        ({"path": "/etc/passwd"}, 422),
    ],
)
def test_log_ranges_are_checked(viewer, log, query, status):
    assert viewer.get(log, data=query).status_code == status


@pytest.mark.parametrize("number", ["0", "2", "-1", "9" * 30])
def test_an_attempt_that_is_not_there_is_404(viewer, run, attempt, number):
    assert viewer.get(f"/runs/{run.number}/steps/train/attempts/{number}/log").status_code == 404


def test_artifacts_are_listed_for_inputs_and_outputs(viewer, run):
    load, train = run.steps.all()
    artifact = Artifact.objects.create(name="train::load::output")
    version = ArtifactVersion.objects.create(
        artifact=artifact, version="1", number=1, uri="x/y", size=12, sha256="a" * 64, type="int", materializer="m"
    )
    StepArtifact.objects.create(step_run=load, artifact_version=version, direction="output", name="output")
    StepArtifact.objects.create(step_run=train, artifact_version=version, direction="input", name="rows")

    made = viewer.get(f"/runs/{run.number}/steps/load/artifacts").json()["items"]
    taken = viewer.get(f"/runs/{run.number}/steps/train/artifacts").json()["items"]

    assert [(item["direction"], item["name"], item["artifact"]) for item in made + taken] == [
        ("output", "output", "train::load::output"),
        ("input", "rows", "train::load::output"),
    ]
    assert made[0]["size"] == 12
    assert made[0]["sha256"] == "a" * 64
    assert "uri" not in made[0]

"""``Client`` without a server: the line of a step process, the way over HTTP, what is refused at once."""

from __future__ import annotations

import io
import json
import socket
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

import stepwell
from stepwell import Client, ExternalArtifact, Tag, add_tags, errors, log_metadata, pipeline, save_artifact, step
from stepwell.engine.protocol import FrameSocket
from stepwell.sdk import calls, client, references
from stepwell.sdk.artifactstore import measure
from stepwell.sdk.artifactversion import artifact_version
from stepwell.sdk.client_http import HttpTransport
from stepwell.sdk.tags import tag_names

ID = "01890000-0000-7000-8000-000000000007"
VERSION = {
    "id": ID,
    "artifact": "numbers",
    "version": "3",
    "number": 3,
    "type": "list",
    "size": 1,
    "sha256": "ab",
    "uri": "saved/x/content",
    "materializer": "stepwell.sdk.materializers.plain.PlainMaterializer",
    "metadata": {"rows": 2},
    "visualizations": [],
    "tags": [],
    "created_at": "2026-01-02T03:04:05Z",
    "run_id": None,
    "run_number": None,
    "step": None,
}


class Supervisor:
    """The other end of a line: answers calls by ``answers``, a function from frame to the rest of the answer."""

    def __init__(self, answer: Any) -> None:
        ours, theirs = socket.socketpair()
        self.seen: list[dict[str, Any]] = []
        self._end = FrameSocket(ours)
        self.line = FrameSocket(theirs)
        self._answer = answer
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while (frame := self._end.receive()) is not None:
            self.seen.append(frame)
            if (said := self._answer(frame)) is None:
                self._end.close()
                return
            self._end.send({"t": "stop"})
            self._end.send({"t": "answer", "id": -1, "result": "an old one"})
            self._end.send({"t": "answer", "id": frame["id"], **said})

    def close(self) -> None:
        self.line.close()
        self._thread.join(5)
        self._end.close()


@pytest.fixture
def supervise():
    made: list[Supervisor] = []

    def start(answer: Any) -> Supervisor:
        made.append(Supervisor(answer))
        calls.open_line(made[-1].line)
        return made[-1]

    yield start
    calls.close_line()
    for one in made:
        one.close()


def test_a_call_takes_its_own_answer_and_passes_over_others(supervise):
    supervisor = supervise(lambda frame: {"result": {"op": frame["op"], **frame["arguments"]}})

    assert calls.ask("run.get", ref="7") == {"op": "run.get", "ref": "7"}
    assert supervisor.seen == [{"t": "call", "id": 1, "op": "run.get", "arguments": {"ref": "7"}}]


def test_threads_get_their_own_answers(supervise):
    supervise(lambda frame: {"result": frame["arguments"]["number"]})
    got: dict[int, int] = {}

    def ask(number: int) -> None:
        for index in range(20):
            got[number * 100 + index] = calls.ask("x", number=number * 100 + index)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(got) == 160
    assert all(key == value for key, value in got.items())


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"code": "not_found", "status": 404}, errors.NotFound),
        ({"code": "run_finished", "status": 409}, errors.Conflict),
        ({"code": "artifact", "status": 404}, errors.ArtifactError),
        ({"code": "denied", "status": 403}, errors.Denied),
        ({"code": "secret_refused", "status": 422}, errors.UsageError),
        ({"code": "whatever", "status": 500}, errors.StepwellError),
    ],
)
def test_an_error_arrives_as_the_class_it_was(supervise, told, kind):
    supervise(lambda frame: {"error": {"message": "It did not work.", "hint": "Do this.", **told}})

    with pytest.raises(errors.StepwellError) as caught:
        calls.ask("x")

    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.hint) == ("It did not work.", "Do this.")


def test_a_supervisor_that_is_gone_ends_the_call(supervise):
    supervise(lambda frame: None)

    with pytest.raises(errors.Unavailable, match="line to Stepwell is closed"):
        calls.ask("x")


def test_in_a_step_process_the_line_is_asked_whatever_server_is_named(supervise, monkeypatch):
    monkeypatch.setenv("STEPWELL_URL", "http://127.0.0.1:9")
    supervise(lambda frame: {"result": VERSION})

    version = Client().get_artifact_version("numbers")

    assert (str(version.id), version.version, version.run_metadata) == (ID, "3", {"rows": 2})


def test_without_a_step_or_ids_metadata_and_tags_have_no_place():
    with pytest.raises(ValueError, match="outside of a step"):
        log_metadata({"a": 1})
    with pytest.raises(ValueError, match="Which run or artifact"):
        add_tags(["a"])
    with pytest.raises(TypeError, match="takes no run_nmae"):
        log_metadata({"a": 1}, run_nmae="x")
    with pytest.raises(TypeError, match="no JSON form"):
        log_metadata({"a": object()}, step_id=ID)
    with pytest.raises(ValueError, match="name one thing"):
        log_metadata({"a": 1}, step_id=ID, artifact_name="b")


def test_tags_are_texts_or_tag_objects():
    assert tag_names([" a ", Tag(name="b")]) == ["a", "b"]
    assert tag_names("one") == ["one"]
    with pytest.raises(TypeError, match="non-empty text, not 3"):
        tag_names([3])


def test_an_external_artifact_is_a_value_or_an_id():
    for wrong in ({}, {"value": 1, "id": ID}):
        with pytest.raises(errors.UsageError, match="either value= or id="):
            ExternalArtifact(**wrong)


def test_while_a_file_is_imported_nothing_is_asked(monkeypatch):
    monkeypatch.setattr("stepwell.sdk.tracing.importing", True)

    with pytest.raises(errors.UsageError, match="while the file is imported"):
        Client().list_runs()


# Arguments of steps and pipelines


@step
def total(numbers: list, factor: int = 1) -> int:
    return sum(numbers) * factor


@pipeline
def adding(numbers: list, factor: int = 1) -> None:
    total(numbers, factor)


@pytest.fixture
def stored(monkeypatch):
    """A store with one version."""
    asked: list[tuple[str, dict[str, Any]]] = []

    class Store:
        def ask(self, operation: str, /, **arguments: Any) -> Any:
            asked.append((operation, arguments))
            if operation == "artifact.get" and arguments["ref"] not in (ID, "numbers"):
                raise errors.NotFound("There is no such artifact.")
            return VERSION

        def upload(self, fill: Any, /) -> Any:
            raise AssertionError("nothing is to be stored")

    monkeypatch.setattr(client, "default_transport", Store)
    monkeypatch.setattr("stepwell.sdk.artifactcalls.default_transport", Store)
    return asked


@pytest.mark.parametrize("how", ["version", "uuid", "text", "external"])
def test_a_stored_artifact_is_an_argument_by_version_and_by_id(stored, how):
    version = Client().get_artifact_version("numbers")
    given = {"version": version, "uuid": version.id, "text": ID, "external": ExternalArtifact(id=ID)}[how]

    plan, _ = adding.trace({"numbers": given})

    bound = plan.steps[0].inputs["numbers"]
    assert (bound.kind, bound.artifact) == ("artifact", ID)
    assert plan.steps[0].inputs["factor"].value == 1
    assert adding.plain_parameters({"numbers": version, "factor": 1}) == {"numbers": ID, "factor": 1}


def test_stored_artifacts_are_found_in_lists(stored):
    version = Client().get_artifact_version("numbers")

    @step
    def join(parts: list) -> int:
        return len(parts)

    @pipeline
    def joining() -> None:
        join([version, 5])

    plan, _ = joining.trace()

    assert [item.kind for item in plan.steps[0].inputs["parts"].items] == ["artifact", "value"]


def test_what_an_annotation_takes_as_it_is_is_not_looked_up(stored):
    from uuid import UUID

    assert references.understand(UUID(ID), UUID) == UUID(ID)
    assert references.understand(ID, str) == ID
    assert stored == []


def test_an_id_that_is_no_artifact_stops_before_anything_runs(stored):
    with pytest.raises(errors.NotFound, match="no such artifact"):
        adding.trace({"numbers": "01890000-0000-7000-8000-00000000ffff"})


# Over HTTP


class _Answers(BaseHTTPRequestHandler):
    """Answers with what the test put in ``next``, and keeps what it is asked."""

    next: tuple[int, dict[str, str], bytes] = (200, {}, b"{}")
    seen: list[tuple[str, str, dict[str, str]]]

    def _answer(self) -> None:
        type(self).seen.append((self.command, self.path, dict(self.headers)))
        status, headers, body = type(self).next
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer  # noqa: N815 - the names http.server calls

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server():
    handler = type("Handler", (_Answers,), {"seen": []})
    running = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    handler.url = f"http://127.0.0.1:{running.server_port}"
    yield handler
    running.shutdown()
    running.server_close()
    thread.join(5)


def test_names_with_any_character_reach_the_server(server):
    server.next = (200, {}, json.dumps(VERSION).encode())
    Client(url=f"{server.url}/", token="sw_x").get_artifact_version("a::b/ä?&", "v 1")

    method, path, headers = server.seen[0]
    assert (method, path) == ("GET", "/api/v1/artifact-versions/find?ref=a%3A%3Ab%2F%C3%A4%3F%26&version=v+1")
    assert headers["Authorization"] == "Bearer sw_x"


def test_the_token_does_not_follow_a_redirect(server):
    server.next = (302, {"Location": f"{server.url}/elsewhere"}, b"")

    with pytest.raises(errors.StepwellError, match="The server answered 302"):
        HttpTransport(server.url, "sw_x").ask("run.get", ref="1")
    assert len(server.seen) == 1


@pytest.mark.parametrize("body", [b"<html>", b'["no"]', b""])
def test_an_error_that_is_not_stepwells_is_told_with_its_status(server, body):
    server.next = (503, {}, body)

    with pytest.raises(errors.Unavailable, match="The server answered 503"):
        HttpTransport(server.url, "sw_x").ask("run.get", ref="1")


def test_fields_that_do_not_fit_are_named(server):
    told = {"code": "parameters", "message": "No.", "hint": "See “fields”.", "fields": {"rows": "is no number"}}
    server.next = (422, {}, json.dumps(told).encode())

    with pytest.raises(errors.UsageError, match="rows: is no number"):
        Client(url=server.url, token="sw_x").trigger("p", {"rows": "x"})


def archive(**files: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as packed:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def test_bytes_that_are_not_what_was_recorded_are_never_loaded(server):
    server.next = (200, {}, archive(value=b"[1]"))
    version = artifact_version(VERSION, HttpTransport(server.url, "sw_x"))

    with pytest.raises(errors.ArtifactError, match="numbers 3 arrived damaged"):
        version.load()


@pytest.mark.parametrize("name", ["../out", "/tmp/stepwell-out", "a/../../out"])
def test_an_archive_writes_nowhere_but_into_its_folder(server, tmp_path, name):
    server.next = (200, {}, archive(**{name: b"evil"}))
    transport = HttpTransport(server.url, "sw_x")

    with pytest.raises(errors.ArtifactError), transport.open_files(VERSION):
        raise AssertionError("it was opened")


def test_checked_bytes_are_there_while_they_are_read_and_gone_afterwards(server, tmp_path):
    (tmp_path / "value").write_bytes(b"[1]")
    size, sha256 = measure(tmp_path)
    server.next = (200, {}, archive(value=b"[1]"))

    with HttpTransport(server.url, "sw_x").open_files({**VERSION, "size": size, "sha256": sha256}) as folder:
        assert (folder / "value").read_bytes() == b"[1]"
    assert not folder.exists()


def test_the_public_names_are_there():
    for name in (
        "Client ExternalArtifact Tag add_tags load_artifact register_artifact remove_tags save_artifact".split()  # noqa: SIM905
    ):
        assert name in stepwell.__all__
        assert callable(getattr(stepwell, name))
    assert save_artifact is stepwell.save_artifact


def test_an_output_may_be_written_as_a_list_of_one() -> None:
    version = artifact_version(VERSION, client.default_transport())

    assert version[0] is version
    assert list(version) == [version]
    assert len(version) == 1
    with pytest.raises(IndexError):
        version[1]

"""What a step process may ask of the store, and what it is answered."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from stepwell.core.ids import new_id
from stepwell.core.plan import StepOptions
from stepwell.execution import artifacts, calls
from stepwell.execution.calls import Asker
from stepwell.execution.claims import Claim
from stepwell.execution.watching import AttemptWatcher, StopRequests
from stepwell.runs.models import StepRun
from stepwell.vault.actions import put_secret
from tests import factories

pytestmark = pytest.mark.django_db

ALICE = new_id()


@pytest.fixture
def step() -> StepRun:
    run = factories.make_run(status="running")
    return factories.make_step(run, "train", status="running", options=StepOptions(secrets=["mine"]))


@pytest.fixture
def asker(step) -> Asker:
    return Asker(claim=Claim(attempt=step.attempts.get(), step=step, owner_id=step.id, fence=0))


def test_a_call_frame_is_answered_by_the_attempts_watcher(step, asker):
    watcher = AttemptWatcher(asker.claim, stops=StopRequests())
    answer = watcher.frame({"t": "call", "id": 4, "op": "run.get", "arguments": {"ref": str(step.run.number)}})

    assert (answer["t"], answer["id"], answer["result"]["id"]) == ("answer", 4, str(step.run.id))


@pytest.mark.parametrize(
    ("operation", "arguments", "code", "said"),
    [
        ("run.get", {"ref": "none"}, "not_found", "There is no single run"),
        ("run.start", {"pipeline": "p"}, "denied", "run.start cannot be done in a running step."),
        ("run.cancel", {"ref": "1"}, "denied", "run.cancel cannot be done"),
        ("secret.create", {"name": "x", "values": {}}, "denied", "secret.create cannot be done"),
        ("upload.begin", {}, "usage", "There is no operation"),
        ("run.list", {"limit": 100_000}, "usage", "limit: Input should be less than or equal to 200"),
        ("run.get", {"wrong": 1}, "error", "failed inside Stepwell"),
    ],
)
def test_what_goes_wrong_is_an_answer(asker, operation, arguments, code, said):
    answer = calls.answer_frame({"id": 1, "op": operation, "arguments": arguments}, asker=asker)

    assert answer["error"]["code"] == code
    assert said in answer["error"]["message"]


def test_a_database_that_does_not_answer_is_said_to_be_unavailable(asker, monkeypatch):
    def away(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setitem(calls._OPERATIONS, "run.get", away)
    answer = calls.answer_frame({"id": 1, "op": "run.get", "arguments": {"ref": "1"}}, asker=asker)

    assert (answer["error"]["code"], answer["error"]["status"]) == ("unavailable", 503)


def test_a_step_sees_the_names_of_the_secrets_it_declares_only(asker):
    for name in ("mine", "other"):
        put_secret(name=name, values={f"{name.upper()}_KEY": "a-long-value"}, by=None)

    assert [row["name"] for row in calls.ask("secret.list", {}, asker=asker)["items"]] == ["mine"]
    assert calls.ask("secret.get", {"name": "mine"}, asker=asker)["keys"] == ["MINE_KEY"]
    assert "a-long-value" not in str(calls.ask("secret.get", {"name": "mine"}, asker=asker))
    answer = calls.answer_frame({"id": 1, "op": "secret.get", "arguments": {"name": "other"}}, asker=asker)
    assert answer["error"]["code"] == "denied"


def test_a_step_that_declares_a_secret_by_its_id_sees_it_by_either(step, asker):
    secret = put_secret(name="by-id", values={"KEY": "a-long-value"}, by=None)
    step.plan = {**step.plan, "options": StepOptions(secrets=[str(secret.id)]).model_dump(mode="json")}

    assert [row["name"] for row in calls.ask("secret.list", {}, asker=asker)["items"]] == ["by-id"]
    for ref in ("by-id", str(secret.id)):
        assert calls.ask("secret.get", {"name": ref}, asker=asker)["id"] == str(secret.id)


def test_the_values_of_environment_variables_are_for_people(step, asker):
    other = factories.make_step(step.run, "other", options=StepOptions(environment={"PLACE": "in-the-open"}))
    asked = {"run": str(step.run.id), "step": other.invocation_id}

    assert "in-the-open" not in str(calls.ask("step.get", asked, asker=asker))
    assert "in-the-open" in str(calls.ask("step.get", asked))


def test_a_step_writes_on_its_own_run_and_what_it_made(step, asker):
    own = factories.make_artifact(step)
    foreign = factories.make_artifact(factories.make_step(factories.make_run()))

    for target in ({"run": str(step.run.id)}, {"step_id": str(step.id)}, {"artifact": str(own.id)}):
        assert calls.ask("metadata.log", {"target": target, "metadata": {"a": 1}}, asker=asker) == {"done": True}
    for target in ({"artifact": str(foreign.id)}, {"run": str(foreign.producer.run_id)}):
        answer = calls.answer_frame(
            {"id": 1, "op": "metadata.log", "arguments": {"target": target, "metadata": {"a": 1}}}, asker=asker
        )
        assert answer["error"]["code"] == "denied"
    step.refresh_from_db()
    own.refresh_from_db()
    foreign.refresh_from_db()
    assert (step.metadata, own.metadata, foreign.metadata) == ({"a": 1}, {"a": 1}, {})


def test_metadata_has_one_target_and_a_limit(asker):
    for target in ({}, {"run": "1", "artifact": "x"}, {"step": "train"}):
        answer = calls.answer_frame(
            {"id": 1, "op": "metadata.log", "arguments": {"target": target, "metadata": {}}}, asker=asker
        )
        assert answer["error"]["code"] == "usage"
    run = asker.claim.step.run
    many = {f"name{index}": index for index in range(600)}
    calls.ask("metadata.log", {"target": {"run": str(run.id)}, "metadata": many}, asker=asker)
    with pytest.raises(ValueError, match="at most 1,000 names"):
        calls.ask(
            "metadata.log",
            {"target": {"run": str(run.id)}, "metadata": {f"other{index}": 1 for index in range(600)}},
            asker=asker,
        )


def test_while_a_file_is_read_nothing_changes_but_external_values(asker):
    reading = Asker(read_only=True)
    answer = calls.answer_frame({"id": 1, "op": "artifact.save", "arguments": {}}, asker=reading)
    assert answer["error"]["message"] == "artifact.save cannot be done while a file is read."

    ids = []
    for _ in range(2):
        upload = artifacts.begin_upload(owner=ALICE)
        artifacts.add_part(upload, owner=ALICE, file="value.json", offset=0, content=b"[1]")
        new = {"artifact": "p::external", "upload": upload, "materializer": "m", "reuse": True}
        ids.append(calls.ask("artifact.save", new, asker=reading)["id"])
    assert ids[0] == ids[1]


@pytest.mark.parametrize("file", ["../out", "/etc/passwd", "a/../../b", "a//b", ".", "x" * 300])
def test_an_upload_stays_in_its_folder(file):
    upload = artifacts.begin_upload(owner=ALICE)

    with pytest.raises(ValueError, match="cannot be the name of a file"):
        artifacts.add_part(upload, owner=ALICE, file=file, offset=0, content=b"x")


def test_a_part_of_an_upload_follows_the_one_before():
    upload = artifacts.begin_upload(owner=ALICE)
    artifacts.add_part(upload, owner=ALICE, file="a", offset=0, content=b"12")

    with pytest.raises(artifacts.Conflict, match="has 2 bytes so far, not 0"):
        artifacts.add_part(upload, owner=ALICE, file="a", offset=0, content=b"12")
    with pytest.raises(LookupError, match="no such upload"):
        artifacts.add_part("0" * 24, owner=ALICE, file="a", offset=0, content=b"")
    with pytest.raises(LookupError, match="no such upload"):
        artifacts.add_part("..", owner=ALICE, file="a", offset=0, content=b"")


def test_a_version_is_found_by_its_name_before_an_id_and_a_short_beginning_of_several_is_refused(step):
    made = [factories.make_artifact(step, name) for name in ("a", "b")]

    assert artifacts.find_version(made[0].artifact.name) == made[0]
    assert artifacts.find_version(str(made[1].id)) == made[1]
    with pytest.raises(LookupError, match="There is no artifact"):
        artifacts.find_version(str(made[0].id)[:8])
    with pytest.raises(LookupError, match="has no version"):
        artifacts.find_version(made[0].artifact.name, "9")

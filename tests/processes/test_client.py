"""``Client`` in the three places it works in, on a real instance."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from stepwell import Client, save_artifact
from stepwell.errors import Denied, Unavailable, UsageError
from tests.commands import told
from tests.contracts import client_code
from tests.contracts.client import ClientContract, PersonsContract

pytestmark = pytest.mark.timeout(180)
SECRET = "the-word-is-swordfish"


@pytest.fixture(scope="module", autouse=True)
def secret(instance):
    instance.make_secret("open-sesame", WORD=SECRET)


@pytest.fixture(scope="module")
def run(instance):
    """A completed run of ``made`` to read."""
    ended = instance.wait_for(instance.start("made")["id"])
    assert ended["status"] == "completed", instance.steps(ended["id"])
    return ended


class Place:
    @pytest.fixture(autouse=True)
    def _in_place(self, instance, run, monkeypatch):
        self.instance, self.run = instance, run
        monkeypatch.setenv("STEPWELL_URL", instance.url)
        monkeypatch.setenv("STEPWELL_TOKEN", instance.token)

    def damage(self, name):
        stored = Client().get_artifact_version(name)
        folder = Path(self.instance.commands.environment["STEPWELL_HOME"]) / "artifacts" / stored.uri
        file = next(path for path in folder.rglob("*") if path.is_file())
        file.write_bytes(bytes(byte ^ 1 for byte in file.read_bytes()))


class TestOverHttp(Place, ClientContract, PersonsContract):
    place = "http"

    def do(self, call, /, **arguments):
        return client_code.perform(call, arguments)


class TestInAScript(Place, ClientContract, PersonsContract):
    place = "script"

    def do(self, call, /, **arguments):
        words = f"import json, client_code; print(json.dumps(client_code.perform({call!r}, {arguments!r})))"
        done = self.instance.commands.python("-c", words)
        assert done.returncode == 0, told(done)
        return json.loads(done.stdout.splitlines()[-1])


class TestInAStep(Place, ClientContract):
    place = "step"

    def do(self, call, /, **arguments):
        asked = self.instance.start("asker", parameters={"name": call, "arguments": arguments})
        ended = self.instance.wait_for(asked["id"])
        assert ended["status"] == "completed", self.instance.steps(asked["id"])
        return Client().get_pipeline_run(asked["id"]).steps["asks"].output.load()

    def test_a_step_starts_stops_and_deletes_nothing(self):
        for name, arguments in (
            ("start_run", {"pipeline": "made", "rows": 1}),
            ("rerun_run", {"ref": self.run["id"], "rows": 1}),
            ("keep_secret", {"name": "new-secret"}),
        ):
            answer = self.do(name, **arguments)
            assert answer["raised"] == "Denied", answer
            assert "in a running step" in answer["message"]

    def test_a_step_writes_on_its_own_run_only(self):
        assert self.do("log_on_run", ref=self.run["id"])["raised"] == "Denied"
        seen = self.gives("log_on_own_step")

        assert seen["metadata"] == {"by_id": 1, "plain": 2}
        assert seen["tags"] == []
        assert seen["status"] == "running"

    def test_a_step_reads_the_secrets_it_declares_and_no_other(self):
        self.instance.make_secret("hidden", HIDDEN=SECRET + "x")

        assert self.gives("secret_names") == {"listed": ["open-sesame"], "keys": ["WORD"]}
        answer = self.do("secret_values", name="hidden")
        assert answer["raised"] == "Denied"
        assert 'secrets=["hidden"]' in answer["message"]


def test_a_body_looks_things_up_and_stores_a_value_once_on_the_runner_and_in_a_script(instance, run):
    instance.register(Path(instance.commands.folder) / "bodied.py")
    client = Client(url=instance.url, token=instance.token)
    first = client.trigger("bodied", {"numbers": [1, 2]}).wait(timeout=60)
    stored = client.list_artifact_versions("bodied::external")

    assert first.status == "completed", first.reason
    assert first.steps["add_up"].output.load() == 33 + client.get_artifact_version("made::double::output").load()
    assert [version.load() for version in stored] == [[10, 20]]

    second = client.trigger("bodied", {"numbers": str(stored[0].id)}).wait(timeout=60)
    again = client.rerun(second).wait(timeout=60)
    assert [one.steps["add_up"].inputs["numbers"] for one in (second, again)] == [stored[0], stored[0]]
    assert len(client.list_artifact_versions("bodied::external")) == 1
    with pytest.raises(UsageError, match="numbers: "):
        client.trigger("bodied", {"numbers": str(first.id)})

    done = instance.commands.python("bodied.py")
    number = client.get_artifact_version("made::double::output").load()
    printed = done.stdout.splitlines()
    assert printed[:2] == [str(31 + number), f"{60 + number} ['more', 'number', 'numbers']"], told(done)
    assert "TypeError failed failed" in printed, told(done)


def test_a_token_that_may_only_read_acts_on_nothing(instance, run):
    made = instance.commands.stepwell("tokens", "create", "reader", "--role", "viewer")
    token = next(word for word in made.stdout.split() if word.startswith("sw_"))
    reader = Client(url=instance.url, token=token)

    assert reader.get_pipeline_run(run["id"]).steps["double"].output.load() == 6
    for act in (
        lambda: reader.trigger("made"),
        lambda: reader.cancel(run["id"]),
        lambda: reader.create_secret("x", {"A_KEY": "value"}),
        lambda: reader.list_secrets(),
    ):
        with pytest.raises(Denied, match="needs the role"):
            act()


def test_a_wrong_token_an_absent_server_and_no_token_are_told_apart(instance, monkeypatch):
    monkeypatch.delenv("STEPWELL_TOKEN", raising=False)

    with pytest.raises(Denied, match="not signed in"):
        Client(url=instance.url, token="sw_wrong").list_runs()
    with pytest.raises(Unavailable, match="cannot be reached"):
        Client(url="http://127.0.0.1:9", token="sw_x").list_runs()
    with pytest.raises(UsageError, match="no token"):
        Client(url=instance.url)
    with pytest.raises(UsageError, match="not the address"):
        Client(url="file:///etc", token="sw_x")


def test_an_artifact_whose_files_are_gone_is_not_sent(instance, monkeypatch):
    monkeypatch.setenv("STEPWELL_URL", instance.url)
    monkeypatch.setenv("STEPWELL_TOKEN", instance.token)
    version = save_artifact([1], "gone soon")
    folder = Path(instance.commands.environment["STEPWELL_HOME"]) / "artifacts" / version.uri
    shutil.rmtree(folder)

    answer = instance.api.get(f"/artifact-versions/{version.id}/content")
    assert answer.status_code == 404
    assert answer.json()["code"] == "artifact"

"""What ``Client`` and its functions do wherever they are called: one behaviour for script, step and server."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

_numbers = itertools.count(1)

FILES = {
    "made.py": """
import time

from stepwell import pipeline, step


@step
def make(rows: int) -> tuple[int, str]:
    return rows, "rows"


@step
def double(rows: int, seconds: float) -> int:
    time.sleep(seconds)
    print("doubles", rows)
    return rows * 2


@pipeline
def made(rows: int = 3, seconds: float = 0.0):
    number, _ = make(rows)
    double(number, seconds)
""",
    "asker.py": """
from client_code import perform
from stepwell import pipeline, step


@step(enable_cache=False, secrets=["open-sesame"])
def asks(name: str, arguments: dict) -> dict:
    return perform(name, arguments)


@pipeline
def asker(name: str, arguments: dict):
    asks(name, arguments)
""",
    "bodied.py": """
from stepwell import Client, ExternalArtifact, pipeline, step


@step
def add_up(numbers: list, more: list, number: int) -> int:
    return sum(numbers) + sum(more) + number


@pipeline
def bodied(numbers: list):
    newest = Client().get_artifact_version("made::double::output")
    add_up(numbers, ExternalArtifact(value=[10, 20]), newest)


if __name__ == "__main__":
    run = bodied([1])
    print(run.steps["add_up"].output.load())
    again = bodied(run.steps["add_up"].inputs["more"])
    print(again.steps["add_up"].output.load(), sorted(again.steps["add_up"].inputs))
    try:
        bodied(Client().get_artifact_version("made::make::output_1").id)
    except Exception as exc:
        print(type(exc).__name__, exc.run.status, exc.run.steps["add_up"].status)
""",
    "client_code.py": (Path(__file__).parent / "client_code.py").read_text(),
}


class ClientContract:
    """``self.do(name, **arguments)`` calls a function of ``client_code`` in the place and returns its answer."""

    #: the run of ``made`` everybody may read
    run: dict[str, Any]
    place: str

    def do(self, call: str, /, **arguments: Any) -> dict[str, Any]:
        raise NotImplementedError

    def gives(self, call: str, /, **arguments: Any) -> Any:
        answer = self.do(call, **arguments)
        assert "gave" in answer, answer
        return answer["gave"]

    def new_name(self) -> str:
        return f"{self.place}-{next(_numbers)}"

    @pytest.mark.parametrize("how", ["number", "id", "prefix", "name"])
    def test_a_run_is_found_and_its_values_load(self, how):
        run = self.run
        ref = {"number": str(run["number"]), "prefix": run["id"][:30]}.get(how) or run[how]
        seen = self.gives("look_at_run", ref=ref)

        assert (seen["id"], seen["number"], seen["pipeline"]) == (run["id"], run["number"], "made")
        assert seen["status"] == "completed"
        assert seen["parameters"] == {"rows": 3, "seconds": 0.0}
        assert seen["steps"] == {"make": "completed", "double": "completed"}
        assert seen["took"] == {"rows": "3"}
        assert seen["gave"] == "6"
        assert seen["times"] is True
        assert seen["lines"] == ["double | doubles 3"]
        assert seen["found_by_id"] == "double"
        assert seen["by_name"] == "'rows'"

    def test_everything_is_listed(self):
        seen = self.gives("list_everything", pipeline="made", run=self.run["id"])

        assert self.run["number"] in seen["runs"]
        assert seen["runs"] == sorted(seen["runs"], reverse=True)
        assert seen["completed"] >= 1
        assert self.run["number"] not in seen["failed"]
        assert seen["pipelines"] is True
        assert seen["pipeline"] is True
        assert seen["steps"] == ["make", "double"]
        assert seen["artifacts"] == ["made::double::output", "made::make::output_0", "made::make::output_1"]
        assert seen["versions"] == seen["artifacts"]
        assert len(seen["one"]) == 1

    def test_an_artifact_version_is_found_by_name_version_and_id(self):
        seen = self.gives("find_artifact", name="made::make::output_1")

        assert seen == {
            "value": "'rows'",
            "again": "'rows'",
            "is_new_each_time": seen["is_new_each_time"],
            "same": [True] * 4,
            "type": "str",
            "step": "make",
            "has_run": True,
        }

    def test_saved_values_come_back_equal_with_tags_and_metadata(self):
        assert self.gives("save_values", name=self.new_name()) == {
            "equal": True,
            "large": 1_500_003,
            "versions": ["1", "2"],
            "tags": ["kept", "late"],
            "metadata": {"rows": 2, "score": 0.75},
            "tagged": ["1"],
        }

    def test_a_version_is_stored_once(self):
        name = self.new_name()
        answer = self.do("save_twice", name=name)

        assert "Conflict" in answer["kinds"]
        assert answer["message"].startswith(f"Artifact {name} has a version “v1” already.")
        assert self.gives("load_named", name=name) == "1"

    def test_what_cannot_be_stored_names_its_type_and_leaves_nothing(self):
        name = self.new_name()
        answer = self.do("save_what_cannot_be_stored", name=name)

        assert answer["raised"] == "ArtifactError"
        assert "generator" in answer["message"]
        assert self.do("load_named", name=name)["raised"] == "NotFound"

    def test_files_are_registered_whole_and_load_as_a_copy(self):
        assert self.gives("register_files", name=self.new_name()) == {
            "name": "data",
            "files": ["a.txt", "deep/b.txt", "empty"],
            "text": "data/deep/b.txt",
            "file": "data/a.txt",
        }

    @pytest.mark.parametrize(
        ("kind", "ref", "said"),
        [
            ("run", "999999", "There is no single run “999999”."),
            ("artifact", "made::double::outptu", "Did you mean made::double::output"),
            ("pipeline", "mdae", "There is no pipeline “mdae”."),
        ],
    )
    def test_what_is_not_there_is_said_so(self, kind, ref, said):
        answer = self.do("ask_for", kind=kind, ref=ref)

        assert answer["raised"] == "NotFound"
        assert said in answer["message"]

    def test_an_absent_model_is_a_key_error(self):
        answer = self.do("ask_for", kind="model", ref="no-such-model")

        assert {"KeyError", "NotFound"} <= set(answer["kinds"])

    def test_metadata_that_is_no_json_is_a_type_error_and_no_target_a_value_error(self):
        assert "TypeError" in self.do("log_nothing_storable", name=self.new_name())["kinds"]
        assert "ValueError" in self.do("log_on_nothing")["kinds"]

    def test_damaged_data_is_never_loaded(self):
        name = self.new_name()
        assert "Conflict" in self.do("save_twice", name=name)["kinds"]
        self.damage(name)
        answer = self.do("load_named", name=name)

        assert "ArtifactError" in answer["kinds"], answer

    def damage(self, name: str) -> None:
        """Change a byte of what is stored."""
        raise NotImplementedError


class PersonsContract:
    """What a person's script and a token may do, and a step may not."""

    def test_a_triggered_run_is_followed_to_its_end(self):
        rows = 100 + next(_numbers)

        assert self.gives("start_run", pipeline="made", rows=rows) == {
            "status": "completed",
            "tags": ["by-client"],
            "lines": [f"double | doubles {rows}"],
            "value": 2 * rows,
        }

    def test_a_rerun_changes_a_parameter_and_keeps_the_others(self):
        assert self.gives("rerun_run", ref=self.run["id"], rows=8) == {
            "status": "completed",
            "parameters": {"rows": 8, "seconds": 0.0},
            "parent": self.run["id"],
        }

    def test_a_cancelled_run_ends_and_cannot_be_cancelled_again(self):
        seen = self.gives("cancel_run", pipeline="made")

        assert seen["status"] == "cancelled"
        assert "is already cancelled" in seen["again"]

    def test_metadata_and_tags_go_on_any_run(self):
        assert self.gives("log_on_run", ref=self.run["id"]) == {
            "run": self.run["id"],
            "step": 1,
            "tagged": True,
            "untagged": True,
        }

    def test_secrets_are_created_changed_and_deleted_and_their_values_stay_inside(self):
        seen = self.gives("keep_secret", name=self.new_name())

        assert seen["made"] == ["CLIENT_KEY"]
        assert seen["changed"] == ["CLIENT_KEY", "CLIENT_OTHER"]
        assert seen["version"] == 2
        assert "value-two" not in seen["repr"]
        assert self.do("secret_values", name="open-sesame")["raised"] == "Denied"

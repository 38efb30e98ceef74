"""What is refused before a step runs says the same in a script and on the runner, and runs nothing."""

from __future__ import annotations

import json
import re

import pytest

from tests.conformance.places import PLACES

CASES = {
    "unpacks": ({"count": 3}, ["pair has 2 outputs (output_0, output_1), but 3 are unpacked", "Unpack 2"]),
    "circle": ({"closed": True}, ["circle: a → b → a"]),
    "unfit": ({"value": "many"}, ["Step take: number is 'many'", "It takes int"]),
    "unknown_secret": ({"name": "no-such-secret"}, ["no-such-secret"]),
    "unknown_option": ({"name": "timeuot"}, ["Step take has no option timeuot. Did you mean timeout?"]),
}


@pytest.fixture(scope="module")
def refusals(conforming):
    """What each case is told, by place and pipeline; the script runs them all in one process."""
    cases = json.dumps([[name, parameters] for name, (parameters, _) in CASES.items()])
    done = conforming.commands.python("refused.py", cases)
    lines = [json.loads(line) for line in re.findall(r"^@@(.*)$", done.stdout, re.MULTILINE)]
    assert [line["number"] for line in lines] == [None] * len(CASES), done.stdout + done.stderr
    found = {("script", line["pipeline"]): line["error"][1] for line in lines}
    for name, (parameters, _) in CASES.items():
        answer = conforming.api.post(f"/pipelines/{name}/runs", json={"parameters": parameters})
        if answer.status_code < 400:
            run = conforming.wait_for(answer.json()["id"])
            assert (run["status"], conforming.steps(run["id"])) == ("failed", {})
            found["runner", name] = run["status_reason"]
        else:
            found["runner", name] = answer.text
    return found


class TestRefusals:
    @pytest.mark.parametrize("place", PLACES)
    @pytest.mark.parametrize("name", CASES)
    def test_it_is_told_in_words(self, refusals, place, name):
        assert [word for word in CASES[name][1] if word not in refusals[place, name]] == []

    def test_a_parameter_that_does_not_fit_is_refused_before_a_run_exists(self, conforming):
        before = conforming.api.get("/runs").json()["items"][0]["number"]
        answer = conforming.api.post("/pipelines/typed/runs", json={"parameters": {"count": "many"}})

        assert answer.status_code == 422
        assert "count" in answer.json()["fields"]
        assert conforming.api.get("/runs").json()["items"][0]["number"] == before

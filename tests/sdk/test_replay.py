"""``pipeline.replay``: which run it begins from, and what it hands on."""

from __future__ import annotations

from typing import Any

import pytest

from stepwell import errors, pipeline, step
from stepwell.sdk import client


@step
def load() -> int:
    return 1


@pipeline
def etl() -> None:
    load()


def told(number: int, name: str = "etl") -> dict[str, Any]:
    return {
        "id": f"01890000-0000-7000-8000-{number:012}",
        "number": number,
        "name": f"{name}-{number}",
        "pipeline": name,
        "status": "completed",
        "status_reason": "",
    }


class Store:
    """Runs by number; keeps what it was asked."""

    def __init__(self, *runs: dict[str, Any]) -> None:
        self.runs = {str(run["number"]): run for run in runs}
        self.reruns: list[dict[str, Any]] = []

    def ask(self, operation: str, /, **arguments: Any) -> Any:
        if operation == "run.list":
            newest = sorted(self.runs.values(), key=lambda run: -run["number"])
            return {"items": [run for run in newest if run["pipeline"] == arguments["pipeline"]], "next_cursor": None}
        if operation == "run.rerun":
            self.reruns.append(arguments)
            return told(99)
        return self.runs[arguments["ref"]]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store(told(3), told(5), told(7, "other"))
    monkeypatch.setattr(client, "default_transport", lambda: store)
    return store


def test_the_newest_run_of_the_pipeline_is_the_default(store: Store) -> None:
    made = etl.replay(scope="failed", parameters={"rows": 2}, steps={"load": {"retry": {"max_retries": 3}}})

    assert made.number == 99
    (asked,) = store.reruns
    assert asked == {
        "ref": told(5)["id"],
        "scope": "failed",
        "from_steps": [],
        "code": "as_run",
        "parameters": {"rows": 2},
        "steps": {"load": {"retry": {"max_retries": 3}}},
    }


def test_a_run_is_named_by_number_and_steps_choose_the_scope(store: Store) -> None:
    etl.replay(3, from_steps=["load"], code="newest")

    (asked,) = store.reruns
    assert (asked["ref"], asked["scope"], asked["from_steps"]) == (told(3)["id"], "steps", ["load"])
    assert asked["code"] == "newest"


def test_a_run_of_another_pipeline_is_refused(store: Store) -> None:
    with pytest.raises(errors.UsageError, match="Run #7 is of the pipeline other, not of etl"):
        etl.replay(7)
    assert store.reruns == []


def test_without_a_run_it_says_so(store: Store) -> None:
    store.runs.clear()
    with pytest.raises(errors.NotFound, match="The pipeline etl has no run yet"):
        etl.replay()

"""The queue: what is not ours runs nothing."""

from __future__ import annotations

import json
import pickle

import pytest

from stepwell.execution.queueing import JsonSerializer


class Evil:
    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        return open, (self.canary, "w")


def test_a_pickled_message_is_refused_and_not_opened(tmp_path) -> None:
    canary = tmp_path / "canary"

    with pytest.raises(ValueError, match=r"codec|not ours"):
        JsonSerializer().deserialize(pickle.dumps(Evil(str(canary))))
    assert not canary.exists()


@pytest.mark.parametrize(
    "body",
    [
        {"v": 2, "id": "x", "attempt": "01890000-0000-7000-8000-000000000000"},
        {"v": 1, "id": "x", "attempt": "../../etc"},
        {"v": 1, "id": "x", "attempt": "x" * 2000},
        {"v": 1, "id": "x", "name": "os.system", "attempt": "rm"},
    ],
)
def test_what_is_no_attempt_is_refused(body) -> None:
    with pytest.raises((ValueError, KeyError)):
        JsonSerializer().deserialize(json.dumps(body).encode())


def test_a_message_names_one_task_only() -> None:
    body = {"v": 1, "id": "x", "name": "os.system", "attempt": "01890000-0000-7000-8000-000000000000"}

    assert JsonSerializer().deserialize(json.dumps(body).encode()).name.endswith(".attempt")

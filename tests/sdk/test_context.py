from __future__ import annotations

import datetime
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from stepwell.sdk import metadata
from stepwell.sdk.context import get_step_context
from stepwell.sdk.metadata import log_metadata, log_progress
from tests.sdk.childkit import inside_step


def test_outside_of_a_step_there_is_no_context() -> None:
    with pytest.raises(RuntimeError, match="inside a running step"):
        get_step_context()
    with pytest.raises(ValueError, match="outside of a step"):
        log_metadata({"a": 1})
    with pytest.raises(RuntimeError, match="inside a running step"):
        log_progress(1, 2)


def test_threads_of_a_step_see_its_context() -> None:
    seen: list[str] = []

    with inside_step():
        thread = threading.Thread(target=lambda: seen.append(get_step_context().pipeline_run.name))
        thread.start()
        thread.join()

    assert seen == ["first"]


def test_metadata_goes_to_the_step() -> None:
    with inside_step() as frames:
        log_metadata({"accuracy": 0.9, "shape": (1, 2), "nested": {"a": [None, True]}})

    assert frames == [
        {
            "t": "metadata",
            "metadata": {"accuracy": 0.9, "shape": [1, 2], "nested": {"a": [None, True]}},
            "infer_artifact": False,
            "artifact_name": None,
        }
    ]


@pytest.mark.parametrize("bad", [{"a": object()}, {"a": {1, 2}}, {1: 2}, ["a"], {"a": lambda: 1}, None])
def test_metadata_that_has_no_json_form_is_a_type_error(bad: Any) -> None:
    with inside_step() as frames, pytest.raises(TypeError):
        log_metadata(bad)

    assert frames == []


def test_metadata_without_json_form_is_named_with_its_type_and_what_fits() -> None:
    with inside_step(), pytest.raises(TypeError) as caught:
        log_metadata({"rows": 3, "made": [datetime.date(2026, 1, 2)]})

    assert str(caught.value) == (
        "Metadata made: A value of type datetime.date has no JSON form. Give text, numbers, lists or dicts of them."
    )


def test_metadata_databases_would_refuse_is_made_harmless() -> None:
    with inside_step() as frames:
        log_metadata({"loss": float("nan"), "text": "a\0b\ud800", "limit": float("-inf")})

    assert frames[0]["metadata"] == {"loss": "NaN", "text": "a\ufffdb?", "limit": "-Infinity"}


def test_numpy_numbers_are_metadata() -> None:
    numpy = pytest.importorskip("numpy")
    with inside_step() as frames:
        log_metadata({"a": numpy.float32(0.5), "b": numpy.int64(3), "c": numpy.bool_(True)})

    assert frames[0]["metadata"] == {"a": 0.5, "b": 3, "c": True}
    assert [type(value) for value in frames[0]["metadata"].values()] == [float, int, bool]


def test_metadata_is_bounded() -> None:
    with inside_step(), pytest.raises(ValueError, match="1000"):
        log_metadata({str(number): number for number in range(1001)})
    with inside_step(), pytest.raises(ValueError, match="256 KiB"):
        log_metadata({str(number): "x" * 60_000 for number in range(6)})


def test_metadata_for_the_output_waits_for_it() -> None:
    with inside_step(output_names={"model": "etl::model"}) as frames:
        log_metadata({"a": 1}, infer_artifact=True)
        log_metadata({"b": 2}, artifact_name="etl::model")
        get_step_context().add_output_metadata({"c": 3}, "model")
        get_step_context().add_output_tags(["x", "y"])
        get_step_context().add_output_tags(["y", "z"], output_name="model")
        notes = get_step_context().notes["model"]

    assert notes.metadata == {"a": 1, "b": 2, "c": 3}
    assert notes.tags == ["x", "y", "z"]
    assert frames == []


def test_the_output_must_be_named_when_there_are_several() -> None:
    with inside_step(output_names={"a": None, "b": None}):
        with pytest.raises(ValueError, match="Which output"):
            log_metadata({"x": 1}, infer_artifact=True)
        with pytest.raises(ValueError, match="no output 'c'; it has: a, b"):
            get_step_context().add_output_metadata({"x": 1}, "c")


def test_files_can_be_put_beside_an_output(tmp_path: Path) -> None:
    with inside_step(output_names={"model": None}, draft=tmp_path):
        folder = get_step_context().get_output_artifact_uri()

    assert folder == str(tmp_path / "model")
    assert os.path.isdir(folder)


def test_progress_is_told_now_and_then_and_its_end_always(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(metadata.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(metadata, "_progress", metadata._Progress())

    with inside_step() as frames:
        for done in range(1, 101):
            now[0] += 0.01
            log_progress(done, 100, f"at {done}")

    told = [frame["progress"]["done"] for frame in frames.of("beat")]
    assert told[0] == 1
    assert told[-1] == 100
    assert 4 <= len(told) <= 7
    assert frames[0] == {"t": "beat", "progress": {"done": 1, "total": 100, "message": "at 1"}}


def test_progress_that_was_held_back_is_told_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "_progress", metadata._Progress())

    with inside_step() as frames:
        log_progress(1)
        log_progress(2)
        metadata.flush_progress()
        metadata.flush_progress()

    assert [frame["progress"]["done"] for frame in frames] == [1, 2]


@pytest.mark.parametrize("bad", ["5", True, None, object()])
def test_progress_is_a_number(bad: Any) -> None:
    with inside_step(), pytest.raises(TypeError):
        log_progress(bad)


def test_a_process_the_step_forked_cannot_write_into_its_frames() -> None:
    with inside_step() as frames:
        get_step_context()._pid = -1
        with pytest.raises(RuntimeError, match="own process"):
            log_metadata({"a": 1})

    assert frames == []

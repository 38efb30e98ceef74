"""Real steps run as a step process runs them, with real files; only the socket is a list."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest

from stepwell.sdk.artifactconfig import ArtifactConfig
from stepwell.sdk.context import get_step_context
from stepwell.sdk.local import load_stored
from stepwell.sdk.materializers import pickled
from stepwell.sdk.materializers.base import BaseMaterializer
from stepwell.sdk.metadata import log_metadata, log_progress
from stepwell.sdk.steps import BaseStep, step
from tests.sdk.childkit import Frames, parameters, run_step, stored


def outputs(frames: Frames, root: Path) -> dict[str, Any]:
    assert frames.result["status"] == "completed", frames.error["traceback"]
    return {one["name"]: load_stored(one, root) for one in frames.result["outputs"]}


@dataclasses.dataclass
class Settings:
    rate: float


@step
def scale(number: int, factor: float = 2.0) -> float:
    return number * factor


@step
def split(values: list[int]) -> tuple[list[int], int]:
    return values[::2], len(values)


def test_a_step_says_started_and_then_its_result(tmp_path: Path) -> None:
    frames = run_step(scale, tmp_path, inputs=parameters(number=4))

    assert [frame["t"] for frame in frames] == ["result"]
    (output,) = frames.result["outputs"]
    assert output == {
        "name": "output",
        "uri": "run/scale/1/output",
        "size": 3,
        "sha256": output["sha256"],
        "type": "float",
        "materializer": "stepwell.sdk.materializers.plain.PlainMaterializer",
        "metadata": {"value": 8.0},
        "visualizations": [],
        "artifact_name": None,
        "version": None,
        "kind": "",
        "tags": [],
    }
    assert (tmp_path / "run/scale/1/output/value.json").read_text() == "8.0"


def test_parameters_are_made_to_fit_their_annotations(tmp_path: Path) -> None:
    @step
    def look(number: int, path: Path, settings: Settings, mode: Literal["a", "b"] = "a", free: Any = None) -> list[str]:
        return [type(item).__name__ for item in (number, path, settings, mode, free)]

    frames = run_step(look, tmp_path, inputs=parameters(number="3", path="/x", settings={"rate": "0.5"}, free=(1,)))

    assert outputs(frames, tmp_path) == {"output": ["int", "PosixPath", "Settings", "str", "tuple"]}


def test_a_parameter_that_does_not_fit_fails_the_step_by_name(tmp_path: Path) -> None:
    frames = run_step(scale, tmp_path, inputs=parameters(number="many"))

    assert frames.result["status"] == "failed"
    assert frames.error["type"] == "stepwell.errors.StepInterfaceError"
    assert "number" in frames.error["message"]


def test_outputs_of_one_step_are_inputs_of_the_next(tmp_path: Path) -> None:
    first = run_step(split, tmp_path, inputs=parameters(values=[1, 2, 3]))
    odd, count = (stored(one) for one in first.result["outputs"])

    @step
    def join(odd: list[int], both: list[Any], named: dict[str, Any]) -> dict[str, Any]:
        odd.append(99)
        return {"odd": odd, "both": both, "named": named}

    inputs = {
        "odd": odd,
        "both": {"kind": "list", "items": [odd, count]},
        "named": {"kind": "dict", "entries": {"n": count, "pair": {"kind": "tuple", "items": [count]}}},
    }
    result = outputs(run_step(join, tmp_path, inputs=inputs), tmp_path)["output"]

    assert result == {"odd": [1, 3, 99], "both": [[1, 3], 3], "named": {"n": 3, "pair": (3,)}}


def test_a_damaged_input_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    first = run_step(split, tmp_path, inputs=parameters(values=[1, 2, 3]))
    odd = stored(first.result["outputs"][0])
    (tmp_path / odd["uri"] / "value.json").write_text("[1,4]")

    @step
    def use(odd: list[int]) -> None:
        raise AssertionError("must not run")

    frames = run_step(use, tmp_path, inputs={"odd": odd})

    assert frames.error["type"] == "stepwell.sdk.artifactstore.ArtifactCorrupt"
    assert "artifact_corrupt" in frames.error["message"]
    for part in ("use", odd["uri"], odd["sha256"], "wanted 5 bytes", "got 5 bytes"):
        assert part in frames.error["message"]


def test_a_swapped_pickle_never_runs(tmp_path: Path) -> None:
    @step
    def make() -> Any:
        return lambda: 1

    (output,) = run_step(make, tmp_path).result["outputs"]
    canary = tmp_path / "canary"

    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (canary,)

    (tmp_path / output["uri"] / "value.pkl").write_bytes(pickled.dumps(Evil()))

    @step
    def use(value: Any) -> None: ...

    frames = run_step(use, tmp_path, inputs={"value": stored(output)})

    assert frames.error["type"].endswith("ArtifactCorrupt")
    assert not canary.exists()


def test_an_async_step_runs_to_completion(tmp_path: Path) -> None:
    @step
    async def later() -> str:
        await asyncio.sleep(0)
        return "done"

    assert outputs(run_step(later, tmp_path), tmp_path) == {"output": "done"}


def test_an_instance_keeps_its_state(tmp_path: Path) -> None:
    class Times(BaseStep):
        def __init__(self, k: int) -> None:
            super().__init__()
            self.k = k

        def entrypoint(self, number: int) -> int:
            return number * self.k

    assert outputs(run_step(Times(5), tmp_path, inputs=parameters(number=2)), tmp_path) == {"output": 10}


def test_a_step_that_returns_none_has_no_outputs_and_leaves_no_files(tmp_path: Path) -> None:
    @step
    def quiet() -> None: ...

    frames = run_step(quiet, tmp_path)

    assert frames.result == {"t": "result", "status": "completed", "outputs": []}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("returned", [(1, "x"), [1, "x"], {"count": 1, "name": "x"}])
def test_several_outputs_come_as_a_tuple_or_by_name(returned: Any, tmp_path: Path) -> None:
    @step
    def both() -> tuple[Annotated[int, "count"], Annotated[str, ArtifactConfig(name="name", tags=["t"])]]:
        return returned  # type: ignore[no-any-return]

    assert outputs(run_step(both, tmp_path), tmp_path) == {"count": 1, "name": "x"}


@pytest.mark.parametrize(
    ("annotation", "returned", "message"),
    [
        (int, "1", "returned str as its output, which is annotated int"),
        (int, None, "returned NoneType"),
        (int, 1.0, "returned float"),
        (None, 3, "says it returns None"),
        (tuple[int, int], (1,), "1 values for its 2 outputs output_0, output_1"),
        (tuple[int, int], 5, "one int for its 2 outputs"),
        (tuple[int, str], ("a", "b"), "output output_0"),
        (list[int], (1,), "returned tuple"),
        (Literal["a"], "b", "returned str"),
        (Settings, {"rate": 1}, "returned dict"),
        (int | str, 1.5, "returned float"),
    ],
)
def test_a_value_that_is_not_what_was_declared_fails_the_step(
    annotation: Any, returned: Any, message: str, tmp_path: Path
) -> None:
    def wrong():  # type: ignore[no-untyped-def]
        return returned

    wrong.__annotations__["return"] = annotation
    frames = run_step(step(wrong), tmp_path)

    assert frames.error["type"] == "stepwell.errors.StepInterfaceError"
    assert message in frames.error["message"]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("annotation", "returned"),
    [
        (float, 1),
        (int, True),
        (Optional[int], None),  # noqa: UP045 - people write it
        (int | None, None),
        (Any, None),
        (dict[str, int], {"a": 1}),
        (tuple[int, ...], (1, 2)),
        (Annotated[tuple[int, int], "pair"], (1, 2)),
        (Literal["a", 1], 1),
        (Path, Path("/x")),
    ],
)
def test_a_value_that_fits_its_declaration_is_stored_as_it_is(annotation: Any, returned: Any, tmp_path: Path) -> None:
    def right():  # type: ignore[no-untyped-def]
        return returned

    right.__annotations__["return"] = annotation
    (found,) = outputs(run_step(step(right), tmp_path), tmp_path).values()

    assert found == returned
    assert type(found) is type(returned)


def test_numpy_numbers_fit_where_numbers_are_declared(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")

    @step
    def measure() -> tuple[float, int]:
        return numpy.float32(0.5), numpy.int64(2)

    assert outputs(run_step(measure, tmp_path), tmp_path) == {"output_0": 0.5, "output_1": 2}


def test_what_cannot_be_stored_fails_the_step_and_publishes_nothing(tmp_path: Path) -> None:
    @step
    def bad() -> tuple[int, Any]:
        return 1, (item for item in ())

    frames = run_step(bad, tmp_path)

    assert frames.error["type"] == "stepwell.errors.ArtifactError"
    assert "output_1" in frames.error["message"]
    assert "generator" in frames.error["message"]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_the_code_says_of_its_output_is_published_with_it(tmp_path: Path) -> None:
    @step
    def train(rate: float) -> Annotated[float, "score"]:
        context = get_step_context()
        log_metadata({"steps": 3})
        log_metadata({"mine": rate}, infer_artifact=True)
        context.add_output_tags(["best"])
        Path(context.get_output_artifact_uri(), "notes.txt").write_text("hello")
        log_progress(1, 1, "done")
        facts = [context.step_name, context.pipeline.name, context.pipeline_run.name, context.pipeline_run.number]
        assert facts == ["train", "etl", "first", 7]
        return 0.5

    frames = run_step(train, tmp_path, inputs=parameters(rate=0.1))
    assert [frame["t"] for frame in frames] == ["metadata", "beat", "result"]
    (output,) = frames.result["outputs"]
    assert output["metadata"] == {"value": 0.5, "mine": 0.1}
    assert output["tags"] == ["best"]
    assert (tmp_path / output["uri"] / "notes.txt").read_text() == "hello"


def test_facts_and_pictures_are_off_when_the_options_say_so(tmp_path: Path) -> None:
    @step
    def listing() -> list[int]:
        return [1]

    options = {"enable_artifact_metadata": False, "enable_artifact_visualization": False}
    (output,) = run_step(listing, tmp_path, options=options).result["outputs"]

    assert output["metadata"] == {}
    assert output["visualizations"] == []


def test_the_materializer_that_was_asked_for_is_used(tmp_path: Path) -> None:
    @step(output_materializers=Upper)
    def shout() -> str:
        return "hey"

    frames = run_step(shout, tmp_path)

    assert frames.result["outputs"][0]["materializer"] == f"{__name__}.Upper"
    assert outputs(frames, tmp_path) == {"output": "HEY"}


def test_a_value_stored_with_cloudpickle_is_warned_of(tmp_path: Path) -> None:
    @step
    def make() -> Any:
        return lambda: 1

    (warning,) = run_step(make, tmp_path).of("warning")

    assert "output" in warning["message"]
    assert "cloudpickle" in warning["message"]


def test_a_step_called_inside_a_step_is_a_plain_call(tmp_path: Path) -> None:
    @step
    def outer() -> float:
        return scale(3)  # type: ignore[no-any-return]

    assert outputs(run_step(outer, tmp_path), tmp_path) == {"output": 6.0}


def test_a_task_nobody_knows_is_refused_with_a_result(tmp_path: Path) -> None:
    frames = run_step(scale, tmp_path, kind="dance")

    assert frames.result["status"] == "failed"
    assert "dance" in frames.error["message"]


def test_a_small_step_costs_little(tmp_path: Path) -> None:
    run_step(scale, tmp_path, inputs=parameters(number=1))
    began = time.perf_counter()
    for number in range(20):
        run_step(scale, tmp_path, inputs=parameters(number=number), output_folder=f"run/{number}/1")

    assert (time.perf_counter() - began) / 20 < 0.03


class Upper(BaseMaterializer):
    SKIP_REGISTRATION = True

    def save(self, data: str) -> None:
        self.file("text").write_text(data.upper())

    def load(self, data_type: type[Any]) -> str:
        return self.file("text").read_text()

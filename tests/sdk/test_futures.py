"""Futures, maps and their mistakes in the body of a dynamic pipeline, against a store that is a dict: no Django."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from stepwell import pipeline, step, unmapped, wait
from stepwell.errors import StepExecutionException, StepInterfaceError, UsageError
from stepwell.sdk import loading, publishing
from stepwell.sdk.artifactstore import ArtifactStore
from stepwell.sdk.context import PipelineRef, RunRef, StepContext, StepRunRef
from stepwell.sdk.detection import is_dynamic
from stepwell.sdk.driver import Driver


class Line:
    """Runs every step as it is called, and keeps the journal of calls."""

    def __init__(self, steps: dict[str, Any], store: ArtifactStore) -> None:
        self.statuses: dict[str, str] = {}
        self.answered: set[str] = set()
        self.entries: list[dict[str, Any]] = []
        self._steps = steps
        self._store = store
        self._outputs: dict[str, dict[str, Any]] = {}
        self._ids: dict[str, str] = {}
        self._failures: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def ask(self, operation: str, arguments: dict[str, Any]) -> Any:
        return getattr(self, operation.replace("driver.", "on_"))(**arguments)

    def on_call(self, entry: dict[str, Any], template: dict[str, Any], steps: list[Any]) -> dict[str, Any]:
        self.entries.append(entry)
        return {"steps": [self._run(template, row) for row in steps]}

    def on_outputs(self, steps: list[str]) -> dict[str, Any]:
        return {one: self._outputs[one] for one in steps}

    def on_failure(self, step: str) -> dict[str, Any]:
        status = self.statuses[step]
        return {
            "step": step,
            "cause": step,
            "status": status,
            "reason": "above",
            "type": "X",
            "message": "",
            "pickled": "",
        }

    def note_load(self, entry: dict[str, Any]) -> None:
        self.entries.append(entry)

    def send(self, frame: dict[str, Any]) -> None:
        pass

    def flush(self) -> None:
        pass

    def is_settled(self, thing_id: str) -> bool:
        return thing_id in self.statuses

    def wait_until(self, is_so: Any, timeout: float | None = None) -> bool:
        return bool(is_so())

    def _run(self, template: dict[str, Any], row: list[Any]) -> list[str]:
        invocation_id, given, _, upstream, _ = row
        step_id = self._ids[invocation_id] = f"id-{next(self._numbers)}"
        if any(self.statuses[self._ids[name]] not in ("completed",) for name, loose in upstream if not loose):
            self.statuses[step_id] = "skipped"
            return [step_id, "skipped"]
        inputs = {name: self._resolve(one) for name, one in {**template["inputs"], **given}.items()}
        found = self._steps[template["name"]]
        try:
            value = found.run_entrypoint(loading.load_inputs(inputs, store=self._store, step_name=invocation_id))
        except Exception:
            self.statuses[step_id] = "failed"
            return [step_id, "failed"]
        self._outputs[step_id] = self._keep(found, value, step_id)
        self.statuses[step_id] = "completed"
        return [step_id, "completed"]

    def _keep(self, found: Any, value: Any, step_id: str) -> dict[str, Any]:
        names = [output.name for output in found.signature.outputs]
        values = value if len(names) > 1 else [value]
        context = StepContext(
            pipeline=PipelineRef(name="p"),
            pipeline_run=RunRef(id="1", name="r"),
            step_run=StepRunRef(id="1", name="s"),
            step_name="s",
            output_names=dict.fromkeys(names),
        )
        outputs = [publishing.Output(name=name, value=one) for name, one in zip(names, values, strict=True)]
        made = publishing.publish(
            outputs, store=self._store, draft=self._store.begin(), folder=step_id, context=context
        )
        extra = {"id": "00000000-0000-0000-0000-000000000001", "version": "1"}
        return {one["name"]: {**one, **extra} for one in made}

    def _resolve(self, binding: dict[str, Any]) -> dict[str, Any]:
        kind = binding["kind"]
        if kind == "output":
            return {**self._outputs[self._ids[binding["step"]]][binding["name"]], "kind": "stored"}
        if kind == "item":
            return {"kind": "item", "of": self._resolve({**binding, "kind": "output"}), "index": binding["index"]}
        if kind in ("list", "tuple"):
            return {"kind": kind, "items": [self._resolve(item) for item in binding["items"]]}
        if kind == "dict":
            return {"kind": kind, "entries": {key: self._resolve(one) for key, one in binding["entries"].items()}}
        return {"kind": "value", "value": binding["value"]}


@step
def numbers(n: int) -> list[int]:
    return list(range(n))


@step
def texts(n: int) -> list[str]:
    return ["x" * 40_000 + str(number) for number in range(n)]


@step
def add(left: int, right: int = 1) -> int:
    return left + right


@step
def length(text: str) -> int:
    return len(text)


@step
def pair(value: int) -> tuple[int, int]:
    return value, -value


@step
def fails() -> int:
    raise ValueError("no")


@step
def total(values: list[int], named: dict[str, int]) -> int:
    return sum(values) + sum(named.values())


STEPS = {one.name: one for one in (numbers, texts, add, length, pair, fails, total)}


@pytest.fixture
def drive(tmp_path):
    """``drive(body)`` runs a body and returns what it returns; ``drive.line`` is what it asked."""

    def run(body, *, tolerates=False):
        wrapped = pipeline(dynamic=True, name="p")(body)
        store = ArtifactStore(tmp_path)
        run.line = Line(STEPS, store)
        driver = Driver.of(wrapped, line=run.line, store=store)
        with driver.active():
            found = body()
            driver.conclude(None, tolerates=tolerates)
        return found

    return run


def test_a_call_gives_an_artifact_and_a_future_is_passed_on_unawaited(drive):
    def body():
        first = add(1)
        future = add.submit(first, right=first)
        return first.load(), future.load(), future.result().load(), len(future), [one.load() for one in future]

    assert drive(body) == (2, 4, 4, 1, [4])
    assert [entry["invocation_id"] for entry in drive.line.entries if entry["kind"] == "step"] == ["add", "add_2"]


def test_lists_tuples_and_dicts_may_hold_futures_at_any_depth(drive):
    def body():
        one, two = add.submit(1), add.submit(2)
        return total([one, two, 10], {"a": one, "b": pair(5)[0]}).load()

    assert drive(body) == 2 + 3 + 10 + 2 + 5


def test_several_outputs_are_unpacked_named_and_sliced(drive):
    def body():
        future = pair.submit(3)
        low, high = future
        return low.load(), high.load(), future["output_1"].load(), future[-1].load(), len(future[:1]), future.load()

    assert drive(body) == (3, -3, -3, -3, 1, (3, -3))


def test_map_zips_broadcasts_and_keeps_the_order(drive):
    def body():
        source = numbers(3)
        mapped = add.map(left=source, right=[10, 20, 30])
        shared = add.map(left=mapped, right=100)
        whole = total.map(values=unmapped([1, 2]), named=[{"a": 1}, {"a": 2}])
        return mapped.load(), shared.load(), whole.load(), [one.invocation_id for one in mapped], len(mapped[1:])

    assert drive(body) == (
        [10, 21, 32],
        [110, 121, 132],
        [4, 5],
        ["map:add:0", "map:add:1", "map:add:2"],
        2,
    )


def test_product_varies_the_last_input_of_the_signature_fastest(drive):
    def body():
        return add.product(right=[10, 20], left=[1, 2]).load()

    assert drive(body) == [11, 21, 12, 22]


def test_large_items_are_taken_out_of_the_stored_list_by_the_step(drive):
    def body():
        return length.map(text=texts(2)).load()

    assert drive(body) == [40_001, 40_001]


def test_an_empty_sequence_gives_an_empty_result(drive):
    def body():
        results = add.map(left=[])
        return results.load(), len(results), results.running(), results.unpack()

    assert drive(body) == ([], 0, False, ())


def test_unequal_lengths_and_nothing_to_map_are_refused_before_anything_runs(drive):
    def uneven():
        add.map(left=[1, 2], right=[1])

    def nothing():
        add.map(left=1)

    with pytest.raises(RuntimeError, match="left has 2, right has 1"):
        drive(uneven)
    assert drive.line.entries == []
    with pytest.raises(RuntimeError, match="nothing to map over"):
        drive(nothing)


def test_a_future_with_several_outputs_is_no_input(drive):
    with pytest.raises(StepInterfaceError, match="all outputs of step pair at once"):
        drive(lambda: add.submit(pair.submit(1)))


@pytest.mark.parametrize("given", ["add", 3], ids=["text", "number"])
def test_after_takes_futures_only(drive, given):
    with pytest.raises(TypeError, match="Step add: after holds"):
        drive(lambda: add.submit(1, after=given))


def test_an_unawaited_failure_is_raised_at_the_end_unless_tolerated(drive):
    def body():
        fails.submit()

    with pytest.raises(StepExecutionException, match="Step fails failed, and the pipeline did not ask"):
        drive(body)
    drive(body, tolerates=True)


def test_a_step_fed_by_a_failed_future_is_skipped_and_awaiting_it_raises(drive):
    def body():
        fed = add.submit(fails.submit())
        with pytest.raises(StepExecutionException, match="was skipped"):
            fed.result()

    drive(body, tolerates=True)


def test_the_same_body_makes_the_same_journal(drive):
    def body():
        add.map(left=numbers(3)).load()
        add.submit(4)

    drive(body)
    first = [(entry["ordinal"], entry["kind"], entry["name"], entry["hash"]) for entry in drive.line.entries]
    drive(body)
    assert [(entry["ordinal"], entry["kind"], entry["name"], entry["hash"]) for entry in drive.line.entries] == first
    assert [place for place, *_ in first] == list(range(1, len(first) + 1))


def test_wait_outside_of_a_dynamic_body_is_refused():
    with pytest.raises(UsageError, match=r"wait\(\) works in the body of a dynamic pipeline only"):
        wait(schema=bool)


class TestDetection:
    def test_calls_of_steps_make_a_body_dynamic(self):
        def by_submit():
            add.submit(1)

        def by_map_of_a_variant():
            varied = add.with_options(name="x")
            varied.map(left=[1])

        def by_load():
            found = numbers(3)
            for one in found.load():
                add(one)

        def by_wait():
            wait()

        def by_a_helper():
            helper()

        @pipeline(dynamic=True)
        def inner():
            pass

        def by_a_dynamic_pipeline():
            inner()

        assert is_dynamic(by_a_dynamic_pipeline)
        assert all(map(is_dynamic, (by_submit, by_map_of_a_variant, by_load, by_wait, by_a_helper)))

    def test_other_things_of_those_names_do_not(self):
        import json

        def static(path: str = "x"):
            with open(path) as file:
                json.load(file)
            list(itertools.product([1], [2]))
            [1].copy()
            add(numbers(1))

        assert not is_dynamic(static)

    def test_nothing_is_run_to_find_out(self):
        ran = []

        def body():
            ran.append(1)
            add.submit(1)

        assert pipeline(body).is_dynamic
        assert ran == []


def helper():
    return add.submit(1)

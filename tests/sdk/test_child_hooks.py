from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stepwell.sdk import errorinfo, hookcalls
from stepwell.sdk.context import get_step_context
from stepwell.sdk.steps import step
from tests.sdk.childkit import run_step

calls: list[Any] = []


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    calls.clear()


def note(name: str) -> Callable[[], None]:
    return lambda: calls.append(name)


def note_exception(name: str) -> Callable[[BaseException | None], None]:
    return lambda exc: calls.append((name, type(exc).__name__))


def dotted(exc: BaseException) -> None:
    calls.append(("dotted", str(exc)))


HOOKS: dict[str, Any] = {
    "on_start": note("start"),
    "on_end": note_exception("end"),
    "on_success": note("success"),
    "on_failure": note_exception("failure"),
}


@step(**HOOKS)
def fine() -> int:
    calls.append("body")
    return 1


@step(**HOOKS)
def broken() -> int:
    raise ValueError("no")


def test_hooks_of_a_step_that_completes_run_in_order_and_after_the_result(tmp_path: Path) -> None:
    frames = run_step(fine, tmp_path)

    assert calls == ["start", "body", ("end", "NoneType"), "success"]
    assert [frame.get("hook", frame["t"]) for frame in frames if frame["t"] != "hook_begins"] == [
        "on_start",
        "result",
        "on_end",
        "on_success",
    ]
    assert all(frame["ok"] and frame["error"] == "" and frame["seconds"] >= 0 for frame in frames.of("hook"))


def test_hooks_of_a_step_that_fails_get_the_exception(tmp_path: Path) -> None:
    frames = run_step(broken, tmp_path)

    assert calls == ["start", ("end", "ValueError"), ("failure", "ValueError")]
    assert frames.result["status"] == "failed"


def test_the_failure_hook_waits_for_the_last_attempt(tmp_path: Path) -> None:
    run_step(broken, tmp_path, last_attempt=False)

    assert calls == ["start", ("end", "ValueError")]


def test_the_failure_hook_runs_at_once_when_no_attempt_follows(tmp_path: Path) -> None:
    @step(on_failure=note_exception("failure"))
    def leave() -> None:
        sys.exit(1)

    run_step(leave, tmp_path, last_attempt=False)

    assert calls == [("failure", "SystemExit")]


def test_the_failure_hook_runs_when_an_input_cannot_be_loaded(tmp_path: Path) -> None:
    gone = {"kind": "stored", "uri": "run/x/1/output", "size": 1, "sha256": "0", "materializer": "x", "type": "int"}

    @step(**HOOKS)
    def use(value: int) -> int:
        return value

    run_step(use, tmp_path, inputs={"value": gone})

    assert calls == ["start", ("end", "ArtifactCorrupt"), ("failure", "ArtifactCorrupt")]


def test_hooks_may_take_no_argument_or_be_any_callable(tmp_path: Path) -> None:
    class Notifier:
        def told(self, exc: BaseException) -> None:
            calls.append(("method", type(exc).__name__))

        async def later(self) -> None:
            calls.append("async")

    for hook in (
        note("none"),
        Notifier().told,
        functools.partial(calls.append),
        f"{__name__}.dotted",
        Notifier().later,
    ):
        run_step(broken.with_options(on_failure=hook, on_start=note("-"), on_end=note("-")), tmp_path)

    assert [call if not isinstance(call, BaseException) else type(call) for call in calls if call != "-"] == [
        "none",
        ("method", "ValueError"),
        ValueError,
        ("dotted", "no"),
        "async",
    ]


def raise_error(*_: Any) -> None:
    raise RuntimeError("hook broke")


def leave(*_: Any) -> None:
    sys.exit(5)


@pytest.mark.parametrize("bad", [raise_error, leave])
@pytest.mark.parametrize("name", ["on_start", "on_end", "on_success"])
def test_a_hook_that_fails_changes_nothing_but_is_told(
    name: str, bad: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = functools.partial(bad)
    frames = run_step(fine.with_options(**{name: hook}), tmp_path)
    (failed,) = [frame for frame in frames.of("hook") if not frame["ok"]]

    assert frames.result["status"] == "completed"
    assert failed["hook"] == name
    assert failed["error"].startswith(("RuntimeError: hook broke", "SystemExit: 5"))
    assert f"The hook {name} failed" in capsys.readouterr().err


def test_a_hook_that_hangs_is_stopped_and_the_next_one_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang() -> None:
        try:
            time.sleep(30)
        except Exception:
            calls.append("swallowed")

    monkeypatch.setattr(hookcalls, "HOOK_SECONDS", 0.1)
    frames = run_step(fine.with_options(on_end=hang), tmp_path)
    end, success = frames.of("hook")[1:]

    assert end["ok"] is False
    assert "stopped after 0.1 seconds" in end["error"]
    assert 0.1 <= end["seconds"] < 5
    assert success["ok"] is True
    assert calls == ["start", "body", "success"]


def test_hooks_know_their_step_and_see_the_outputs_stored(tmp_path: Path) -> None:
    def look() -> None:
        calls.append((get_step_context().step_name, (tmp_path / "run/fine/1/output/value.json").exists()))

    run_step(fine.with_options(on_success=look), tmp_path)

    assert calls[-1] == ("fine", True)


def test_a_hook_knows_its_event_which_is_the_same_when_it_runs_again_late(tmp_path: Path) -> None:
    def look() -> None:
        assert get_step_context().event_id == os.environ["STEPWELL_EVENT_ID"]
        calls.append(os.environ["STEPWELL_EVENT_ID"])

    looking = fine.with_options(on_success=look, on_end=look)
    run_step(looking, tmp_path)
    first = [call for call in calls if call not in ("start", "body")]
    calls.clear()
    run_step(looking, tmp_path, kind="hook", hook="on_success")

    assert len({*first}) == 2
    assert calls == first[1:]
    assert "STEPWELL_EVENT_ID" not in os.environ


def test_a_late_hook_without_an_error_is_one_of_a_success(tmp_path: Path) -> None:
    run_step(fine, tmp_path, kind="hook", hook="on_end")

    assert calls == [("end", "NoneType")]


def test_hooks_that_are_switched_off_do_not_run(tmp_path: Path) -> None:
    frames = run_step(fine, tmp_path, options={"hooks_enabled": False})

    assert calls == ["body"]
    assert frames.of("hook") == []


def test_the_failure_hook_runs_in_a_fresh_process_after_a_crash(tmp_path: Path) -> None:
    error = {"type": "", "message": "The process was ended by SIGKILL.", "traceback": ""}
    frames = run_step(broken, tmp_path, kind="hook", hook="on_failure", error=error)

    assert calls == [("failure", "StepExecutionException")]
    assert [frame["t"] for frame in frames] == ["hook_begins", "hook", "result"]
    assert frames.result["status"] == "completed"


def test_a_late_failure_hook_gets_what_the_step_raised(tmp_path: Path) -> None:
    error = {"type": "KeyError", "message": "'lost'", "pickled": errorinfo.pickled(KeyError("lost"))}
    run_step(broken, tmp_path, kind="hook", hook="on_failure", error=error)
    run_step(broken, tmp_path, kind="hook", hook="on_failure", error={**error, "type": "ConfigError", "pickled": ""})
    run_step(broken, tmp_path, kind="hook", hook="on_failure", error={**error, "pickled": "bm90IG9uZQ=="})

    assert calls == [("failure", name) for name in ("KeyError", "ConfigError", "StepExecutionException")]


def test_a_failure_hook_after_a_crash_that_fails_is_told(tmp_path: Path) -> None:
    frames = run_step(broken.with_options(on_failure=functools.partial(raise_error)), tmp_path, kind="hook")

    assert frames.result["status"] == "failed"
    assert "hook broke" in frames.error["message"]

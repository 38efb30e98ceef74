"""What supervision promises, with real processes and real signals."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from stepwell.engine import supervision, trees
from stepwell.engine.logfile import LogReader
from stepwell.engine.ports import ErrorInfo, Outcome
from stepwell.engine.stephost import StepHost
from stepwell.engine.supervise import Group, Pace
from tests.engine.support import PACE, Attempt, Recorder, child_main, is_running, read_pid, until


def test_completed_step_is_published_once_with_its_usage(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, do="print", texts=["hello\n", "world"])

    outcome = attempt.run()

    assert outcome.status == "completed"
    assert outcome.peak_memory_bytes is not None
    assert outcome.peak_memory_bytes > 1_000_000
    assert outcome.cpu_seconds is not None
    assert [result.status for result in attempt.watcher.results] == ["completed"]
    assert attempt.text == "hello\nworld"
    assert attempt.watcher.pid == attempt.supervision.pid


def test_output_is_in_the_log_before_the_result_is_published(host: StepHost, tmp_path: Path) -> None:
    stored: list[bytes] = []

    class Looks(Recorder):
        def result(self, outcome: Outcome) -> None:
            stored.append(LogReader(tmp_path / "attempt.log").read(0, 1 << 20))
            super().result(outcome)

    Attempt(host, tmp_path, watcher=Looks(), do="print", texts=["a\n"] * 1000).run()

    assert stored == [b"a\n" * 1000]


def test_step_killed_with_9_is_a_crash_that_names_the_signal(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, do="sleep")
    killer = threading.Thread(target=lambda: os.kill(read_pid(tmp_path / "pid"), signal.SIGKILL))
    killer.start()

    outcome = attempt.run()

    killer.join()
    assert (outcome.status, outcome.signal) == ("crashed", 9)
    assert outcome.reason == "killed by signal 9 (SIGKILL), possibly out of memory"
    assert "killed by signal 9 (SIGKILL), possibly out of memory" in attempt.text
    assert attempt.seconds < 2


def test_exit_without_a_result_is_a_crash_that_names_the_code(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, do="exit", code=3)

    outcome = attempt.run()

    assert (outcome.status, outcome.exit_code) == ("crashed", 3)
    assert "exit code 3" in outcome.reason


def test_segfault_leaves_a_traceback_in_the_log(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, do="segfault")

    outcome = attempt.run()

    assert outcome.signal == signal.SIGSEGV
    assert "step_segfault" in attempt.text


def test_exception_outside_the_step_is_in_the_log(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, do="missing")

    outcome = attempt.run()

    assert (outcome.status, outcome.exit_code) == ("crashed", 1)
    assert "KeyError: 'step_missing'" in attempt.text


def test_process_that_dies_in_the_middle_of_a_frame_is_a_crash(host: StepHost, tmp_path: Path) -> None:
    assert Attempt(host, tmp_path, do="half_frame").run().status == "crashed"


def test_oversized_frame_ends_the_step_and_names_the_size(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, do="huge_frame")

    outcome = attempt.run()

    assert outcome.status == "crashed"
    assert "2,000,000,000 bytes" in outcome.reason
    assert attempt.seconds < 3


def test_host_killed_with_9_takes_the_whole_tree_with_it(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, do="stubborn")

    def kill_host() -> None:
        read_pid(tmp_path / "pid")
        os.kill(host.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_host)
    killer.start()
    outcome = attempt.run()
    killer.join()

    assert outcome.status == "crashed"
    assert "step host ended" in outcome.reason
    assert not is_running(attempt.supervision.pid)
    assert not is_running(attempt.pid_of("daemon"))
    assert not host.alive


def test_host_that_is_gone_crashes_the_attempt(host: StepHost, tmp_path: Path) -> None:
    os.kill(host.pid, signal.SIGKILL)
    until(lambda: not host.alive, "the host lives")
    attempt = Attempt(host, tmp_path, do="noop")

    assert attempt.run().status == "crashed"
    assert attempt.seconds < 2


def test_host_that_fails_to_import_says_so_in_the_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(.2); raise ImportError('no module named torchvision')"]
    host = StepHost.spawn(command, environment=dict(os.environ), work_folder=str(tmp_path))
    attempt = Attempt(host, tmp_path, do="noop")

    outcome = attempt.run()

    host.close()
    assert outcome.status == "crashed"
    assert "no module named torchvision" in attempt.text


def test_daemon_of_a_finished_step_is_ended_and_does_not_block(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, do="daemon")
    begin = time.monotonic()

    outcome = attempt.run()

    assert outcome.status == "completed"
    assert attempt.watcher.result_at - begin < 0.5
    assert attempt.seconds < 2.8
    until(lambda: not is_running(attempt.pid_of("daemon")), "the daemon lives on")


def test_pipe_held_by_a_process_out_of_reach_does_not_block(
    host: StepHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "_DRAIN_SECONDS", 0.3)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "friend"))
        listener.listen()
        attempt = Attempt(host, tmp_path, do="gives_pipe_away", friend=str(tmp_path / "friend"))

        outcome = attempt.run()

        friend, _ = listener.accept()
        _, (pipe,), _, _ = socket.recv_fds(friend, 1, 1)
    friend.close()
    os.close(pipe)
    assert outcome.status == "completed"
    assert attempt.text == "last words\n"
    assert 0.3 <= attempt.seconds < 1.5


def test_time_out_ends_a_step_that_ignores_term_and_its_daemon(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, do="stubborn", timeout=0.4)

    outcome = attempt.run()

    assert outcome.status == "timed_out"
    assert outcome.reason == "stopped after 400 ms, its time-out"
    assert 0.8 <= attempt.seconds < 2.5
    assert not is_running(attempt.supervision.pid)
    until(lambda: not is_running(attempt.pid_of("daemon")), "the daemon lives on")
    assert "its time-out" in attempt.text


def test_cancel_ends_a_willing_step_at_once(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, watcher=Recorder("go", "cancel"), pace=Pace(beat=0.1, grace=30), do="sleep")

    outcome = attempt.run()

    assert (outcome.status, outcome.signal) == ("cancelled", signal.SIGTERM)
    assert attempt.seconds < 2
    assert [result.status for result in attempt.watcher.results] == ["cancelled"]


def test_cancel_that_meets_a_process_still_being_set_up_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up = trees.die_with_parent
    monkeypatch.setattr(trees, "die_with_parent", lambda parent: (time.sleep(0.4), set_up(parent)))
    host = StepHost.fork(child_main)
    watcher = Recorder()
    attempt = Attempt(host, tmp_path, watcher=watcher, pace=Pace(beat=0.1, grace=30), do="sleep")
    # Once there is a process: what is cancelled before that is never forked.
    monkeypatch.setattr(watcher, "started", lambda pid: attempt.supervision.ask("cancel"))

    outcome = attempt.run()

    host.close()
    assert (outcome.status, outcome.signal) == ("cancelled", signal.SIGTERM)
    assert attempt.seconds < 2


def test_step_hears_a_polite_stop_before_term_ends_it(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, do="polite")
    asker = threading.Thread(target=lambda: (read_pid(tmp_path / "pid"), attempt.supervision.ask("stop")))
    asker.start()

    outcome = attempt.run()

    asker.join()
    assert outcome.status == "interrupted"
    assert "asked to stop" in attempt.text


def test_ask_wakes_a_supervisor_that_waits_for_its_next_beat(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, pace=Pace(beat=60, grace=5), do="sleep")
    asker = threading.Thread(target=lambda: (read_pid(tmp_path / "pid"), attempt.supervision.ask("cancel")))
    asker.start()

    outcome = attempt.run()

    asker.join()
    attempt.supervision.ask("cancel")
    assert outcome.status == "cancelled"
    assert attempt.seconds < 2


def test_lost_lease_kills_and_publishes_nothing(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, watcher=Recorder("go", "lost"), pace=Pace(beat=0.1, grace=30), do="stubborn")

    outcome = attempt.run()

    assert (outcome.status, outcome.reason) == ("interrupted", "lease lost")
    assert attempt.supervision.is_lost
    assert attempt.watcher.results == []
    assert attempt.seconds < 3
    assert not is_running(attempt.supervision.pid)


def test_supervisor_that_cannot_store_beats_ends_the_step_before_the_lease_does(host: StepHost, tmp_path: Path) -> None:
    watcher = Recorder("go", ConnectionError("the database is away"))
    attempt = Attempt(host, tmp_path, watcher=watcher, pace=Pace(beat=0.1, lease=1.0, grace=30), do="sleep")

    outcome = attempt.run()

    assert outcome.status == "interrupted"
    assert "heartbeat" in outcome.reason
    assert attempt.supervision.is_lost
    assert 0.8 <= attempt.seconds < 1.0 + 0.5
    assert watcher.results == []
    assert not is_running(attempt.supervision.pid)


def test_beats_that_fail_for_a_while_change_nothing(host: StepHost, tmp_path: Path) -> None:
    away = ConnectionError("the database is away")
    watcher = Recorder("go", away, away, "go")
    attempt = Attempt(host, tmp_path, watcher=watcher, do="sleep", seconds=0.6)

    assert attempt.run().status == "completed"


def test_result_that_cannot_be_stored_is_tried_again(host: StepHost, tmp_path: Path) -> None:
    class FailsTwice(Recorder):
        tries = 0

        def result(self, outcome: Outcome) -> None:
            self.tries += 1
            if self.tries < 3:
                raise ConnectionError("the database is away")
            super().result(outcome)

    watcher = FailsTwice()
    outcome = Attempt(host, tmp_path, watcher=watcher, do="noop").run()

    assert outcome.status == "completed"
    assert len(watcher.results) == 1


def test_result_that_can_never_be_stored_leaves_the_attempt_lost(host: StepHost, tmp_path: Path) -> None:
    class Broken(Recorder):
        def result(self, outcome: Outcome) -> None:
            raise RuntimeError("broken")

    attempt = Attempt(host, tmp_path, watcher=Broken(), pace=Pace(lease=0.5), do="noop")

    outcome = attempt.run()

    assert outcome.status == "interrupted"
    assert attempt.supervision.is_lost
    assert attempt.seconds < 5


@pytest.mark.parametrize("stored_as", [None, "failed", "interrupted"])
def test_process_hears_what_was_stored_of_its_result(host: StepHost, tmp_path: Path, stored_as: str | None) -> None:
    class Stores(Recorder):
        def result(self, outcome: Outcome) -> Outcome | None:
            super().result(outcome)
            # Longer than a hook may take: that time begins when the result is stored.
            time.sleep(1.2 if stored_as == "failed" else 0)
            error = ErrorInfo(type="ConfigError", message="taken")
            return Outcome(status=stored_as, reason="taken", error=error) if stored_as else None

    attempt = Attempt(host, tmp_path, watcher=Stores(), pace=replace(PACE, hook=1.0), do="waits_for_the_store")
    outcome = attempt.run()

    assert outcome.status == (stored_as or "completed")
    assert attempt.supervision.is_lost == (stored_as == "interrupted")
    told = re.findall(r"told (.*)", attempt.text)
    error = {"type": "ConfigError", "message": "taken"} if stored_as else None
    expected = str({"t": "published", "status": str(outcome.status), "error": error})
    assert told == ([] if stored_as == "interrupted" else [expected])


def test_hook_that_hangs_is_stopped_and_the_result_stands(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, do="hook_hangs")
    begin = time.monotonic()

    outcome = attempt.run()

    assert outcome.status == "completed"
    assert attempt.watcher.result_at - begin < 0.4
    assert 0.4 <= attempt.seconds < 2
    assert not is_running(attempt.supervision.pid)
    assert "hooks took longer" in attempt.text


def test_step_that_holds_the_interpreter_lock_still_beats(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, do="holds_gil")

    outcome = attempt.run()

    assert outcome.status == "completed"
    assert len(attempt.watcher.beats) >= 5


def test_group_runs_attempts_together_and_takes_more_on_the_way(host: StepHost, tmp_path: Path) -> None:
    group = Group()
    results: list[str] = []

    class Chains(Recorder):
        def result(self, outcome: Outcome) -> None:
            results.append(outcome.status)
            if len(results) == 2:
                group.add(attempt("third", Recorder(), seconds=0).supervision)

    def attempt(name: str, watcher: Recorder, seconds: float) -> Attempt:
        (tmp_path / name).mkdir()
        return Attempt(host, tmp_path / name, watcher=watcher, do="sleep", seconds=seconds)

    begin = time.monotonic()
    for name in ("first", "second"):
        group.add(attempt(name, Chains(), 0.4).supervision)
    finished = []
    while group:
        assert time.monotonic() - begin < 5
        finished += group.run_once(1.0)

    assert [supervision.outcome.status for supervision in finished if supervision.outcome] == ["completed"] * 3
    assert time.monotonic() - begin < 1.2


@pytest.mark.parametrize("broken", ["started", "frame"])
def test_watcher_that_raises_does_not_end_the_attempt(host: StepHost, tmp_path: Path, broken: str) -> None:
    watcher = Recorder()

    def fails(*args: object, **named: object) -> None:
        raise RuntimeError("a bug in the watcher")

    setattr(watcher, broken, fails)
    attempt = Attempt(host, tmp_path, watcher=watcher, do="fails", secret="x")

    assert attempt.run().status == "failed"
    assert "could not be stored: a bug in the watcher" in attempt.text

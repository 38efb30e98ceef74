"""The step host: what a step process finds, and what is left when a host or its owner ends."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from stepwell.engine import trees
from stepwell.engine.ports import LaunchSpec
from stepwell.engine.stephost import StepHost
from stepwell.errors import Unavailable
from tests.engine.support import Attempt, child_main, is_running, read_pid, until

ROOT = Path(__file__).resolve().parents[2]
HOST = "import sys, socket; from stepwell.engine import zygote; from tests.engine.support import child_main; "
SERVE = "zygote.serve(socket.socket(fileno=int(sys.argv[sys.argv.index('--fd') + 1])), child_main)"


def spawn(tmp_path: Path, before: str = "") -> StepHost:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'apps'}:{ROOT}"}
    command = [sys.executable, "-c", f"{HOST}{before}\n{SERVE}"]
    return StepHost.spawn(command, environment=environment, work_folder=str(tmp_path))


def test_step_process_finds_only_what_the_launch_gives_it(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, environment={"ONLY": "this", "PATH": os.environ["PATH"]}, do="surroundings")

    found = attempt.run().result["found"]

    assert found["environment"].pop("STEPWELL_ATTEMPT_ID") == attempt.supervision.spec.attempt_id
    assert found == {
        "environment": {"ONLY": "this", "PATH": os.environ["PATH"]},
        "folder": str(tmp_path),
        "session": True,
        "stdin": "/dev/null",
        "sockets": 1,
        "term": True,
        "errors": "backslashreplace",
        "core": "0",
    }


def test_output_of_c_code_is_flushed_at_the_end(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, do="c_output")
    attempt.run()

    assert attempt.text == "from C without a line end"


def test_text_that_is_not_encodable_is_shown_escaped(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, do="print", texts=["lone \udcff\n"])

    assert attempt.run().status == "completed"
    assert attempt.text == "lone \\udcff\n"


def test_memory_limit_is_a_memory_error_in_the_step(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, memory_bytes=400 * 1024 * 1024, do="memory")
    attempt.run()

    assert attempt.text == "MemoryError\n"


def test_a_step_that_forks_for_ever_is_ended_with_all_it_started(host: StepHost, tmp_path: Path) -> None:
    attempt = Attempt(host, tmp_path, most_processes=40, do="bomb", tokens=150)

    outcome = attempt.run()

    assert (outcome.status, outcome.error and outcome.error.type) == ("failed", "TooManyProcesses")
    assert "STEPWELL_STEP_PROCESSES" in outcome.reason
    assert attempt.seconds < 5
    until(lambda: not trees.children(host.pid), "something of it is left")
    assert Attempt(host, tmp_path, most_processes=40, do="noop").run().status == "completed"


@pytest.mark.parametrize("dies", [False, True])
def test_temporary_files_go_with_their_step(host: StepHost, tmp_path: Path, dies: bool) -> None:
    folder = tmp_path / "stepwell-one"

    Attempt(host, tmp_path, temp_folder=str(folder), do="temporary", dies=dies).run()

    assert Path((tmp_path / "name").read_text()).parent == folder
    until(lambda: not folder.exists(), "its temporary files are there")


def test_a_temporary_folder_that_was_there_before_is_not_used_and_stays(host: StepHost, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (tmp_path / "stepwell-one").symlink_to(folder)

    Attempt(host, tmp_path, temp_folder=str(tmp_path / "stepwell-one"), do="temporary").run()

    assert Path((tmp_path / "name").read_text()).parent != folder
    assert folder.exists()


def test_each_step_draws_other_random_numbers(tmp_path: Path) -> None:
    host = StepHost.fork(
        lambda payload, frames: frames.send(
            {"t": "result", "status": "completed", "drawn": __import__("random").random()}
        )
    )
    drawn = [Attempt(host, tmp_path).run().result["drawn"] for _ in range(2)]
    host.close()

    assert drawn[0] != drawn[1]


def test_launches_wait_for_a_host_that_still_imports(tmp_path: Path) -> None:
    host = spawn(tmp_path, "import time; time.sleep(0.3)")
    attempt = Attempt(host, tmp_path, do="print", texts=["hello\n"])

    assert attempt.run().status == "completed"
    assert attempt.seconds > 0.3
    assert attempt.text == "hello\n"
    assert host.close() == 0


def test_file_that_user_code_opened_at_import_stays_usable(tmp_path: Path) -> None:
    before = f"kept = open({str(tmp_path / 'kept')!r}, 'w'); import tests.engine.support as s; "
    before += "s.step_keeps = lambda p, f: (kept.write('here'), kept.flush(), f.send(s.DONE))"
    host = spawn(tmp_path, before)

    assert Attempt(host, tmp_path, do="keeps").run().status == "completed"
    assert (tmp_path / "kept").read_text() == "here"
    host.close()


def test_process_that_user_code_started_at_import_is_left_alone(tmp_path: Path) -> None:
    before = "import subprocess; p = subprocess.Popen(['sleep', '60'], start_new_session=True); "
    host = spawn(tmp_path, before + f"open({str(tmp_path / 'helper')!r}, 'w').write(f'{{p.pid}}\\n')")
    attempt = Attempt(host, tmp_path, do="noop")
    attempt.run()
    helper = read_pid(tmp_path / "helper")

    assert is_running(helper)
    host.close()
    assert not is_running(helper)


def test_closing_the_host_ends_every_process_under_it(host: StepHost, tmp_path: Path) -> None:
    launched = Attempt(host, tmp_path, do="stubborn")
    launched.supervision.start()
    leader, daemon = read_pid(tmp_path / "pid"), launched.pid_of("daemon")

    host.close()

    assert not host.alive
    assert not is_running(leader)
    assert not is_running(daemon)
    with pytest.raises(Unavailable):
        host.launch(LaunchSpec(kind="step", attempt_id="a", payload={}, environment={}))
    launched.supervision.abandon("the test is over")


def test_host_and_steps_end_when_their_owner_is_killed_with_9(tmp_path: Path) -> None:
    owner = os.fork()
    if owner == 0:
        host = StepHost.fork(child_main)
        (tmp_path / "host").write_text(f"{host.pid}\n")
        Attempt(host, tmp_path, do="stubborn").run()
        os._exit(0)
    pids = [read_pid(tmp_path / name) for name in ("host", "daemon", "pid")]

    os.kill(owner, signal.SIGKILL)
    os.waitpid(owner, 0)

    for pid in pids:
        until(lambda pid=pid: not is_running(pid), "something lives on")  # type: ignore[misc]


def test_supervisor_that_lets_go_of_an_attempt_ends_only_that_one(host: StepHost, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("dropped", "other")]
    for folder in folders:
        folder.mkdir()
    dropped, other = (Attempt(host, folder, do="stubborn") for folder in folders)
    dropped.supervision.start()
    other.supervision.start()
    pids = [read_pid(folder / name) for folder in folders for name in ("pid", "daemon")]

    dropped.supervision.abandon("over")

    until(lambda: not is_running(pids[0]) and not is_running(pids[1]), "the dropped attempt lives")
    assert is_running(pids[2])
    assert is_running(pids[3])
    other.supervision.abandon("over")


def test_host_ignores_the_signals_of_a_terminal(host: StepHost, tmp_path: Path) -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(host.pid, signum)

    assert Attempt(host, tmp_path, do="noop").run().status == "completed"


def test_many_steps_leave_no_descriptors_and_no_processes(host: StepHost, tmp_path: Path) -> None:
    def open_count(pid: int) -> int:
        return len(os.listdir(f"/proc/{pid}/fd"))

    Attempt(host, tmp_path, do="noop").run()
    before = open_count(os.getpid()), open_count(host.pid)
    for _ in range(30):
        Attempt(host, tmp_path, do="noop").run()

    # The host closes its end of the latest attempt a moment after it said that the process has ended.
    assert open_count(os.getpid()) == before[0]
    assert abs(open_count(host.pid) - before[1]) <= 1
    until(lambda: not trees.children(host.pid), "the host has children left")


def test_command_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="could not be started"):
        StepHost.spawn([str(tmp_path / "missing")], environment={}, work_folder="")

"""Scripts that run their own pipeline: killed, stopped, and with the database away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from stepwell.runs.models import Run
from tests.faults import oracle
from tests.faults.scenarios import scenario
from tests.faults.stage import LEASE, PACE, Stage, check

_MAIN = '\n\nif __name__ == "__main__":\n    patient()\n'


def start_script(stage: Stage, main: str = _MAIN, **more: str) -> subprocess.Popen[bytes]:
    file = stage.folder / "script" / "faulty.py"
    file.parent.mkdir()
    file.write_text((Path(oracle.__file__).parent / "user" / "faulty.py").read_text() + main)
    with (stage.folder / "script.log").open("wb") as log:
        script = subprocess.Popen(
            [sys.executable, str(file)],
            env={**stage.environment(), **PACE, **more},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    stage.after(lambda: script.poll() is None and script.kill())
    stage.until_noted("begin")
    stage.accepted |= set(Run.objects.filter(trigger="script").values_list("id", flat=True))
    return script


@scenario("F02 F03")
def script_killed(stage: Stage) -> None:
    """kill -9 of a script with a step running: the step ends with it, and a runner ends the run as failed."""
    script = start_script(stage)
    script.kill()
    script.wait()
    stage.runner()
    stage.wait()
    check({run.status for run in stage.runs()} == {"failed"}, f"{[run.status for run in stage.runs()]}")


@scenario("F14")
def script_stopped(stage: Stage) -> None:
    """SIGSTOP of a script past its lease, its step is taken back, SIGCONT: the script runs it again and ends well."""
    stage.runner()
    script = start_script(stage)
    script.send_signal(signal.SIGSTOP)
    time.sleep(LEASE + 1)
    stage.until(lambda: _attempts(stage) > 1, "the step was taken back")
    script.send_signal(signal.SIGCONT)
    stage.wait()
    check(script.wait(60) == 0, f"exit code {script.returncode}")
    check({run.status for run in stage.runs()} == {"completed"}, f"{[run.status for run in stage.runs()]}")


def _attempts(stage: Stage) -> int:
    return max((len(stage.attempts(run, "held")) for run in stage.runs()), default=0)


@scenario("F06", stores=("postgres",))
def script_without_database(stage: Stage) -> None:
    """Postgres restarts twice while a script runs its pipeline: the script goes on, nothing is charged."""
    main = '\n\nif __name__ == "__main__":\n    small(seconds=4.0)\n'
    script = start_script(stage, main, STEPWELL_LEASE_SECONDS="20")
    for _ in range(2):
        stage.postgres.stop()
        time.sleep(0.7)
        stage.postgres.start()
        time.sleep(1)
    stage.wait()
    check(script.wait(60) == 0, f"exit code {script.returncode}: {_said(stage)}")
    check(not stage.charges(), stage.charges())


def _said(stage: Stage) -> str:
    return (stage.folder / "script.log").read_text()[-800:] if os.path.exists(stage.folder / "script.log") else ""

"""Step processes to supervise, a watcher that remembers, and waits with a deadline."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stepwell.engine import trees
from stepwell.engine.logfile import LogReader, LogWriter
from stepwell.engine.masking import Masker
from stepwell.engine.ports import LaunchSpec, Outcome
from stepwell.engine.protocol import FrameSocket
from stepwell.engine.stephost import StepHost
from stepwell.engine.supervise import Pace, Supervision, supervise

PACE = Pace(beat=0.1, lease=1.5, grace=0.4, hook=0.4, start=5.0)
DONE = {"t": "result", "status": "completed", "outputs": []}
Step = Callable[[dict[str, Any], FrameSocket], object]


class Recorder:
    """A watcher that keeps what it is told; ``answers`` are given to beats one after another, the last for ever."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers) or ["go"]
        self.pid = 0
        self.beats: list[float] = []
        self.progress: list[dict[str, Any] | None] = []
        self.frames: list[dict[str, Any]] = []
        self.results: list[Outcome] = []
        self.result_at = 0.0
        self.reply: dict[str, Any] | None = None

    def started(self, *, pid: int) -> None:
        self.pid = pid

    def beat(self, *, progress: dict[str, Any] | None, log_bytes: int, log_lines: int) -> str:
        self.beats.append(time.monotonic())
        self.progress.append(progress)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def frame(self, frame: dict[str, Any]) -> dict[str, Any] | None:
        self.frames.append(frame)
        return self.reply

    def result(self, outcome: Outcome) -> None:
        self.results.append(outcome)
        self.result_at = time.monotonic()


class Attempt:
    """One supervised attempt, run to its end."""

    def __init__(
        self,
        host: StepHost,
        folder: Path,
        *,
        watcher: Recorder | None = None,
        pace: Pace = PACE,
        timeout: float | None = None,
        secrets: tuple[str, ...] = (),
        cap_bytes: int = 64 * 1024 * 1024,
        memory_bytes: int | None = None,
        most_processes: int = 0,
        temp_folder: str = "",
        environment: dict[str, str] | None = None,
        **payload: Any,
    ) -> None:
        self.folder = folder
        self.watcher = watcher or Recorder()
        self.path = folder / "attempt.log"
        self.log = LogWriter(self.path, cap_bytes=cap_bytes)
        spec = LaunchSpec(
            kind="step",
            attempt_id=f"attempt-{os.getpid()}-{time.monotonic_ns()}",
            payload={"folder": str(folder), **payload},
            environment={"PATH": os.environ["PATH"]} if environment is None else environment,
            memory_bytes=memory_bytes,
            most_processes=most_processes,
            temp_folder=temp_folder,
            work_folder=str(folder),
        )
        self.supervision = Supervision(
            host, spec, log=self.log, masker=Masker(secrets), watcher=self.watcher, pace=pace, timeout=timeout
        )
        self.seconds = 0.0

    def run(self) -> Outcome:
        begin = time.monotonic()
        outcome = supervise(self.supervision)
        self.seconds = time.monotonic() - begin
        self.log.seal()
        return outcome

    @property
    def text(self) -> str:
        return LogReader(self.path).read(0, 1 << 30).decode("utf-8", "replace")

    def pid_of(self, name: str) -> int:
        return read_pid(self.folder / name)


def read_pid(path: Path) -> int:
    """Return the process id a step wrote, as soon as it is there."""
    until(lambda: path.exists() and path.read_text().endswith("\n"), f"no {path.name}")
    return int(path.read_text())


def until(condition: Callable[[], Any], message: str, *, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    identity = trees.identify(pid)
    return identity is not None and trees.is_alive(identity)


def write_pid(payload: dict[str, Any], name: str) -> None:
    Path(payload["folder"], name).write_text(f"{os.getpid()}\n")


def daemon(payload: dict[str, Any], name: str, *, keep_pipe: bool = True) -> None:
    """Leave a grandchild behind: own session, forked twice, deaf to everything polite."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(signum, signal.SIG_IGN)
            if not keep_pipe:
                os.closerange(0, 1024)
            write_pid(payload, name)
            time.sleep(60)
        os._exit(0)
    os.wait()
    read_pid(Path(payload["folder"], name))


def ignore_term() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def step_noop(payload: dict[str, Any], frames: FrameSocket) -> None:
    frames.send(DONE)


def step_print(payload: dict[str, Any], frames: FrameSocket) -> None:
    for text in payload["texts"]:
        sys.stdout.write(text)
        if payload.get("per_byte"):
            sys.stdout.flush()
    frames.send(DONE)


def step_write_bytes(payload: dict[str, Any], frames: FrameSocket) -> None:
    for byte in payload["text"].encode():
        os.write(1, bytes([byte]))
    frames.send(DONE)


def step_flood(payload: dict[str, Any], frames: FrameSocket) -> None:
    block = b"".join(b"line %09d of the flood\n" % number for number in range(10_000))
    for _ in range(payload["blocks"]):
        os.write(1, block)
    os.write(1, b"the very last line\n")
    frames.send(DONE)


def step_sleep(payload: dict[str, Any], frames: FrameSocket) -> None:
    write_pid(payload, "pid")
    time.sleep(payload.get("seconds", 60))
    frames.send(DONE)


def step_stubborn(payload: dict[str, Any], frames: FrameSocket) -> None:
    ignore_term()
    daemon(payload, "daemon")
    write_pid(payload, "pid")
    while True:
        time.sleep(1)


def step_polite(payload: dict[str, Any], frames: FrameSocket) -> None:
    ignore_term()
    write_pid(payload, "pid")
    frame = frames.receive(10)
    print("asked to", frame and frame["t"], flush=True)


def step_daemon(payload: dict[str, Any], frames: FrameSocket) -> None:
    daemon(payload, "daemon")
    print("body done", flush=True)
    frames.send(DONE)


def step_gives_pipe_away(payload: dict[str, Any], frames: FrameSocket) -> None:
    with socket.socket(socket.AF_UNIX) as friend:
        friend.connect(payload["friend"])
        socket.send_fds(friend, [b"x"], [1])
    print("last words", flush=True)
    frames.send(DONE)


def step_waits_for_the_store(payload: dict[str, Any], frames: FrameSocket) -> None:
    frames.send(DONE)
    print("told", frames.receive(10), flush=True)


def step_hook_hangs(payload: dict[str, Any], frames: FrameSocket) -> None:
    ignore_term()
    frames.send(DONE)
    print("in the hook", flush=True)
    time.sleep(60)


def step_exit(payload: dict[str, Any], frames: FrameSocket) -> None:
    os._exit(payload["code"])


def step_segfault(payload: dict[str, Any], frames: FrameSocket) -> None:
    ctypes.string_at(0)


def step_half_frame(payload: dict[str, Any], frames: FrameSocket) -> None:
    os.write(frames.fileno(), b'\0\0\1\0{"t":"result"')
    os.kill(os.getpid(), signal.SIGKILL)


def step_huge_frame(payload: dict[str, Any], frames: FrameSocket) -> None:
    os.write(frames.fileno(), (2_000_000_000).to_bytes(4, "big") + b"x")
    time.sleep(60)


def step_holds_gil(payload: dict[str, Any], frames: FrameSocket) -> None:
    # One C call that never lets go of the interpreter lock; PyDLL keeps it while it sleeps.
    ctypes.PyDLL(None).usleep(800_000)
    frames.send(DONE)


def step_fails(payload: dict[str, Any], frames: FrameSocket) -> None:
    secret = payload["secret"]
    frames.send({"t": "metadata", "metadata": {"key": secret, secret: [1, secret], "sha256": secret}})
    error = {"type": "ValueError", "message": f"no {secret}", "traceback": f"at {secret}", "retryable": False}
    frames.send({"t": "result", "status": "failed", "error": error, "sha256": secret})


def step_asks(payload: dict[str, Any], frames: FrameSocket) -> None:
    frames.send({"t": "call", "name": "load"})
    answer = frames.receive(5)
    print("answer", answer, flush=True)
    frames.send(DONE)


def step_progress(payload: dict[str, Any], frames: FrameSocket) -> None:
    frames.send({"t": "beat", "progress": {"done": 3, "total": 3}})
    frames.send(DONE)


def step_bomb(payload: dict[str, Any], frames: FrameSocket) -> None:
    """Fork, each child too, as long as there are tokens; then wait until somebody ends all of them."""
    tokens, given = os.pipe()
    os.write(given, b"x" * payload["tokens"])
    os.close(given)
    end = time.monotonic() + 20
    while os.read(tokens, 1):
        os.fork()
    time.sleep(max(0.0, end - time.monotonic()))


def step_temporary(payload: dict[str, Any], frames: FrameSocket) -> None:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(b"x" * 1000)
    Path(payload["folder"], "name").write_text(file.name)
    if payload.get("dies"):
        os.kill(os.getpid(), signal.SIGKILL)
    frames.send(DONE)


def step_surroundings(payload: dict[str, Any], frames: FrameSocket) -> None:
    links = {name: os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")}
    found = {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "session": os.getsid(0) == os.getpid(),
        "stdin": links["0"],
        "sockets": sum("socket:" in link for link in links.values()),
        "term": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
        "errors": sys.stdout.errors,
        "core": subprocess.run(["sh", "-c", "ulimit -c"], capture_output=True, text=True).stdout.strip(),
    }
    frames.send({**DONE, "found": found})


def step_c_output(payload: dict[str, Any], frames: FrameSocket) -> None:
    ctypes.CDLL(None).printf(b"from C without a line end")
    frames.send(DONE)


def step_memory(payload: dict[str, Any], frames: FrameSocket) -> None:
    try:
        block = bytearray(600 * 1024 * 1024)
    except MemoryError:
        print("MemoryError", flush=True)
    else:
        print(len(block), flush=True)
    frames.send(DONE)


def child_main(payload: dict[str, Any], frames: FrameSocket) -> None:
    step: Step = globals()[f"step_{payload['do']}"]
    step(payload, frames)

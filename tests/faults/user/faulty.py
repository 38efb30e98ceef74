"""What the fault tests run: steps that write down when they run, and steps that misbehave."""

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time

from stepwell import StepRetryConfig, get_step_context, pipeline, step


def started(pid: int) -> str:
    """Return when a process started; empty when it does not run (it is gone, dead, or stopped as a whole)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(") ")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZXTt" else fields[19]


def note(kind: str, pid: int = 0) -> int:
    """Append to the ledger; return how often this step began before. Two at once are written down as ``overlap``."""
    run, name, pid = os.environ["STEPWELL_RUN_ID"], get_step_context().step_name, pid or os.getpid()
    with open(os.environ["STEPWELL_STEP_LEDGER"], "a+") as ledger:
        fcntl.flock(ledger, fcntl.LOCK_EX)
        ledger.seek(0)
        earlier = [line.split() for line in ledger if line.startswith(f"begin {run} {name} ")]
        if kind == "begin":
            for line in earlier:
                if started(int(line[3])) == line[4]:
                    ledger.write(f"overlap {run} {name} {line[3]} {pid}\n")
        event = os.environ.get("STEPWELL_EVENT_ID", "")
        ledger.write(f"{kind} {run} {name} {pid} {started(pid)} {time.monotonic():.3f} {event}".strip() + "\n")
    return len(earlier)


def wait(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.02)


@step
def work(value: int, seconds: float, lines: int = 5) -> int:
    note("begin")
    for index in range(lines):
        print(f"line {index:06d} of {value}")
        wait(seconds / max(lines, 1))
    note("end")
    return value + 1


@step
def held(seconds: float, later: float) -> int:
    """Take ``seconds`` the first time, and ``later`` afterwards."""
    wait(seconds if note("begin") == 0 else later)
    note("end")
    return 1


@pipeline(enable_cache=False)
def patient(seconds: float = 60.0, later: float = 0.0):
    work(held(seconds, later), 0.0, id="after")


@step
def add(left: int, right: int) -> int:
    note("begin")
    return left + right


@pipeline(enable_cache=False)
def small(seconds: float = 0.1):
    work(work(1, seconds, id="first"), seconds, id="second")


@pipeline(enable_cache=False)
def diamond(seconds: float = 0.05):
    source = work(1, 0.0, id="source")
    branches = [work(source, seconds, id=f"branch_{index}") for index in range(4)]
    left, right = add(branches[0], branches[1], id="left"), add(branches[2], branches[3], id="right")
    add(left, right, id="join")


@step
def noisy(lines: int) -> int:
    note("begin")
    for index in range(lines):
        print(f"line {index:06d} of 1")
    return lines


@pipeline(enable_cache=False)
def talking(lines: int = 20000):
    noisy(lines)


def fail_at_first(failures: int) -> int:
    if note("begin") < failures:
        raise ValueError("not yet")
    return 1


@step(retry=StepRetryConfig(max_retries=3, delay=1, backoff=1))
def failing(failures: int) -> int:
    return fail_at_first(failures)


@step(retry=StepRetryConfig(max_retries=1, delay=8, backoff=1))
def failing_slowly(failures: int) -> int:
    return fail_at_first(failures)


@pipeline(enable_cache=False)
def patiently(failures: int = 1):
    failing_slowly(failures)


@pipeline(enable_cache=False)
def flaky(failures: int = 2):
    work(failing(failures), 0.0, id="after")


def cheered() -> None:
    note("hook")


@step(on_success=cheered, on_failure=cheered)
def cheerful(seconds: float) -> int:
    note("begin")
    wait(seconds)
    return 1


@pipeline(enable_cache=False)
def hooked(seconds: float = 0.1):
    work(cheerful(seconds), 0.0, id="after")


def raises() -> None:
    note("hook")
    raise RuntimeError("a hook that fails")


def leaves_at_once() -> None:
    note("hook")
    os._exit(3)


def hangs() -> None:
    note("hook")
    # nobody who calls from inside is listened to
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    wait(120)


def forks_and_floods() -> None:
    note("hook")
    note("child", subprocess.Popen([sys.executable, "-c", _LEFT], start_new_session=True).pid)
    os.write(1, (b"x" * 1023 + b"\n") * 4096)


@step
def unhappy(seconds: float) -> int:
    note("begin")
    wait(seconds)
    return 1


@pipeline(enable_cache=False)
def hooked_badly(seconds: float = 0.1):
    for hook in (raises, leaves_at_once, hangs, forks_and_floods):
        name = hook.__name__
        value = unhappy.with_options(on_success=hook)(seconds, id=name)
        work(value, 0.0, id=f"after_{name}")


_LEFT = """
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
time.sleep(120)
"""


def leave_behind(hidden: bool) -> None:
    """Start what outlives a careless runner: own sessions, a double fork, holders of our pipe, a clean environment."""
    left = [sys.executable, "-c", _LEFT]
    bare = {"env": {"PATH": os.environ["PATH"]}} if hidden else {}
    for options in ({}, {"start_new_session": True}, {**bare, "start_new_session": True}):
        note("child", subprocess.Popen(left, **options).pid)
    told, tell = os.pipe()
    if os.fork() == 0:
        os.setsid()
        grandchild = subprocess.Popen(left, start_new_session=True)
        os.write(tell, str(grandchild.pid).encode())
        os._exit(0)
    note("child", int(os.read(told, 20)))


@step
def parent(seconds: float, deaf: bool, hidden: bool) -> int:
    note("begin")
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    leave_behind(hidden)
    note("ready")
    wait(seconds)
    return 1


@pipeline(enable_cache=False)
def tree(seconds: float = 0.0, deaf: bool = False, hidden: bool = True):
    parent(seconds, deaf, hidden)


@step
def holds_gil(seconds: int) -> int:
    note("begin")
    note("ready")
    # a foreign function called without letting other threads run: no handler, no thread of Python gets a turn
    ctypes.PyDLL(None).sleep(seconds)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ctypes.PyDLL(None).sleep(1)
    return 1


@pipeline(enable_cache=False)
def native(seconds: int = 60):
    holds_gil(seconds)


@step
def busy(seconds: float) -> int:
    note("begin")
    end = time.monotonic() + seconds
    total = 0
    while time.monotonic() < end:
        total += sum(range(200_000))
    return total % 7


@pipeline(enable_cache=False)
def counting(seconds: float = 4.0):
    busy(seconds)


@step(settings={"resources": {"memory": "300MB"}})
def hungry() -> int:
    note("begin")
    return len(bytearray(600 * 1024 * 1024))


@step(settings={"resources": {"memory": "300MB"}})
def hungry_native() -> int:
    note("begin")
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    got = 0
    while got < 1000 and libc.malloc(10 * 1024 * 1024):
        got += 1
    # what C code does that does not look at what malloc returns
    ctypes.memset(None, 1, got)
    return got


@pipeline(enable_cache=False)
def eating():
    hungry()


@pipeline(enable_cache=False)
def eating_native():
    hungry_native()


@step
def poisonous(victim: str) -> int:
    note("begin")
    targets = {"self": os.getpid(), "host": os.getppid()}
    if victim == "runner":
        with open(f"/proc/{os.getppid()}/stat") as file:
            targets["runner"] = int(file.read().rpartition(") ")[2].split()[1])
    os.kill(targets[victim], signal.SIGKILL)
    time.sleep(30)
    return 1


@pipeline(enable_cache=False)
def poison(victim: str = "self"):
    poisonous(victim)


@step
def large(megabytes: int) -> bytes:
    note("begin")
    return os.urandom(1024 * 1024) * megabytes


@pipeline(enable_cache=False)
def heavy(megabytes: int = 8):
    large(megabytes)


@step
def flood(megabytes: int) -> int:
    note("begin")
    line = b"x" * 1023 + b"\n"
    for _ in range(megabytes):
        os.write(1, line * 1024)
    return 1


@pipeline(enable_cache=False)
def flooding(megabytes: int = 80):
    flood(megabytes)

"""More of what the fault tests run: steps that want too much of something, keep secrets, or say a lot."""

import os
import socket
import tempfile

from faulty import note, wait, work

from stepwell import pipeline, step


@step
def bomb(processes: int) -> int:
    """Fork, each child too, while there are tokens; then wait to be ended."""
    note("begin")
    tokens, given = os.pipe()
    os.write(given, b"x" * processes)
    os.close(given)
    while os.read(tokens, 1):
        os.fork()
    wait(15)
    return 1


@pipeline(enable_cache=False)
def bombing(processes: int = 300):
    bomb(processes)


@step
def uses_up(what: str) -> int:
    note("begin")
    with tempfile.NamedTemporaryFile(prefix="left-", delete=False) as file:
        file.write(bytes(8 * 1024 * 1024))
    kept = []
    while what == "descriptors":
        kept.append(os.open(os.devnull, os.O_RDONLY))
    os.abort()


@pipeline(enable_cache=False)
def using_up(what: str = "descriptors"):
    uses_up(what)


class Trap(Exception):
    """Kills whoever unpickles it."""

    def __reduce__(self):
        return eval, ("__import__('os').kill(__import__('os').getpid(), 9)",)


@step
def feeds(how: str) -> int:
    note("begin")
    if how == "trap":
        raise Trap("read me")
    if how == "error":
        raise ValueError("x" * 50_000_000)
    for name in os.listdir("/proc/self/fd"):
        if how == "frame" and os.path.realpath(f"/proc/self/fd/{name}").split("/")[-1].startswith("socket:"):
            with socket.socket(fileno=os.dup(int(name))) as channel:
                channel.setblocking(True)
                channel.sendall((400 * 1024 * 1024).to_bytes(4, "big"))
                for _ in range(400):
                    channel.sendall(bytes(1024 * 1024))
    return 1


@pipeline(enable_cache=False)
def feeding(how: str = "frame"):
    feeds(how)


@step(settings={"concurrency": 2})
def narrow(seconds: float) -> int:
    note("begin")
    wait(seconds)
    note("end")
    return 1


@pipeline(enable_cache=False)
def two_at_once(seconds: float = 0.4):
    for index in range(6):
        narrow(seconds, id=f"narrow_{index}")


@step(runtime="inline")
def tiny(number: int) -> int:
    return number


@pipeline(enable_cache=False, dynamic=True)
def wide(n: int = 1000):
    print("sum", sum(tiny.map(number=list(range(n))).load()))


@pipeline(enable_cache=False, dynamic=True)
def long(n: int = 50):
    value = 0
    for _ in range(n):
        value = tiny(number=value + 1).load()
    print("sum", value)


@pipeline(enable_cache=False, dynamic=True)
def calls_itself(depth: int = 0):
    calls_itself(depth=depth + 1)


@step(secrets=["faults"])
def keeper(seconds: float) -> int:
    note("begin")
    print("token", os.environ["TOKEN"])
    wait(seconds)
    return 1


@pipeline(enable_cache=False)
def keeping(seconds: float = 0.1):
    keeper(seconds)


@pipeline(enable_cache=False)
def chatty(seconds: float = 8.0, lines: int = 400):
    work(1, seconds, lines, id="first")

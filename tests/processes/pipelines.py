"""The pipelines the process tests run, as the files a user would write."""

FILES = {
    "short.py": """
import os
import time

from stepwell import pipeline, step


@step
def make(rows: int) -> int:
    print("made", rows)
    return rows


@step
def slow(rows: int, seconds: float) -> int:
    for index in range(int(seconds * 20)):
        time.sleep(0.05)
        print("slow", index)
    with open(os.path.join(os.environ["HOME"], "executions.txt"), "a") as file:
        file.write(f"{os.environ['STEPWELL_RUN_ID']}\\n")
    return rows * 2


@step
def check(total: int, expected: int) -> None:
    assert total == expected, f"{total} is not {expected}"


@pipeline
def short(rows: int = 3, seconds: float = 0.2, expected: int = 6):
    check(slow(make(rows), seconds), expected)
""",
    "hooked.py": """
import os

from stepwell import StepRetryConfig, pipeline, step


def told(exception: BaseException) -> None:
    print("hook: failed with", exception)


def cheered() -> None:
    print("hook: it worked")


@step(retry=StepRetryConfig(max_retries=3, delay=0.2), on_success=cheered, on_failure=told)
def flaky(failures: int) -> str:
    marker = os.path.join(os.environ["HOME"], os.environ["STEPWELL_RUN_ID"])
    with open(marker, "a") as file:
        file.write("x")
    tries = os.path.getsize(marker)
    print("try", tries)
    if tries <= failures:
        raise ValueError(f"try {tries} of {failures} fails")
    return "done"


@pipeline
def hooked(failures: int = 2):
    flaky(failures)
""",
    "keeper.py": """
import base64
import os

from stepwell import pipeline, step


@step(secrets=["vault-test"], enable_cache=False)
def reads() -> int:
    value = os.environ["VAULT_TOKEN"]
    print("token is", value)
    print("encoded", base64.b64encode(value.encode()).decode())
    print("url", "https://x/?k=" + value, repr(value))
    for char in value:
        os.write(1, char.encode())
    os.write(1, b"\\n")
    return len(value)


@step(enable_cache=False)
def does_not_read(length: int) -> bool:
    print("has token:", "VAULT_TOKEN" in os.environ, "has database:", "DATABASE_URL" in os.environ)
    return "VAULT_TOKEN" in os.environ


@step(secrets=["vault-test"], enable_cache=False)
def raises(flag: bool) -> None:
    raise RuntimeError("could not log in with " + os.environ["VAULT_TOKEN"])


@pipeline
def keeper():
    raises(does_not_read(reads()))
""",
    "stubborn.py": """
import os
import signal
import subprocess
import sys
import time

from stepwell import pipeline, step


@step(enable_cache=False)
def hang(seconds: float) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
    print("child", child.pid, "self", os.getpid(), flush=True)
    time.sleep(seconds)


@pipeline
def stubborn(seconds: float = 300):
    hang(seconds)


@step(enable_cache=False)
def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


@pipeline
def crashing():
    crash()
""",
}

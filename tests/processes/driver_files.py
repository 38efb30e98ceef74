"""Pipelines whose driver is killed, waits for people, fans out wide or is cancelled, as the user's files."""

from __future__ import annotations

FILES = {
    "journaled.py": """
import json
import os
import signal
import time
from pathlib import Path

from stepwell import pipeline, step


def once(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def note(path: Path, text: object) -> None:
    with path.open("a") as file:
        file.write(f"{text}\\n")


def kill_driver(folder: Path) -> None:
    if once(folder / "killed"):
        os.kill(int((folder / "pid").read_text()), signal.SIGKILL)
        time.sleep(0.2)


@step
def child(number: int, folder: str, kills: bool) -> int:
    note(Path(folder, "ran"), number)
    if kills:
        kill_driver(Path(folder))
    return number * number


def disturb(folder: Path, how: str) -> None:
    if how == "driver":
        kill_driver(folder)
    elif how == "runner" and once(folder / "at"):
        while not (folder / "go").exists():
            time.sleep(0.02)


@pipeline(enable_cache=False)
def ten(folder: str, position: int, how: str):
    place, values = Path(folder), []
    (place / "pid").write_text(str(os.getpid()))
    note(place / "drivers", os.getpid())
    for number in range(10):
        if number == position:
            disturb(place, how)
        made = child(number, folder=folder, kills=how == "child" and number == position)
        values.append(made.load())
    if position == 10:
        disturb(place, how)
    print("told:", json.dumps(values))


@pipeline(enable_cache=False)
def mapped(folder: str, position: int):
    place = Path(folder)
    (place / "pid").write_text(str(os.getpid()))
    note(place / "drivers", os.getpid())
    kills = [number == position for number in range(10)]
    print("told:", json.dumps(child.map(number=list(range(10)), folder=folder, kills=kills).load()))


@pipeline(enable_cache=False, dynamic=True)
def wavering(folder: str):
    place = Path(folder)
    (place / "pid").write_text(str(os.getpid()))
    child(1, folder=folder, kills=False)
    child(2 if (place / "killed").exists() else 3, folder=folder, kills=False)
    kill_driver(place)


@pipeline(enable_cache=False, dynamic=True)
def poisonous(folder: str):
    child(1, folder=folder, kills=False)
    os.kill(os.getpid(), signal.SIGKILL)
""",
    "asking.py": """
import json

from pydantic import BaseModel

from stepwell import errors, pipeline, step, wait


class Plan(BaseModel):
    region: str
    replicas: int = 1


@step
def train() -> float:
    return 0.9


@step
def deploy(region: str, replicas: int) -> str:
    return f"{region} x{replicas}"


@pipeline(enable_cache=False)
def release():
    score = train().load()
    print("asks")
    plan = wait(schema=Plan, question=f"Where to with {score}?", name="place")
    print("told:", json.dumps([plan.region, plan.replicas, deploy(plan.region, plan.replicas).load()]))


@pipeline(enable_cache=False)
def impatient():
    try:
        wait(schema=bool, timeout=3)
    except errors.WaitTimedOut as exc:
        print("told:", json.dumps(isinstance(exc, TimeoutError)))


@pipeline(enable_cache=False)
def yes(number: int = 0):
    print("told:", json.dumps(wait(schema=bool)))
""",
    "wide.py": """
import json
import time

from stepwell import pipeline, step


@step
def number(value: int) -> int:
    return value


@step
def add(left: int, right: int) -> int:
    return left + right


@step
def naps(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@pipeline(enable_cache=False)
def fan(n: int):
    began = time.perf_counter()
    values = number.map(value=list(range(n))).load()
    print("told:", json.dumps([values == list(range(n)), round(time.perf_counter() - began, 3)]))


@pipeline(enable_cache=False)
def grid(n: int):
    values = add.product(left=list(range(n)), right=list(range(n))).load()
    again = number.map(value=number.map(value=values[:n])).load()
    print("told:", json.dumps([values == [a + b for a in range(n) for b in range(n)], again == values[:n]]))


@pipeline(enable_cache=False)
def chain(n: int):
    latest = number.submit(0)
    for _ in range(n - 1):
        latest = add.submit(latest, 1)
    print("told:", json.dumps(latest.load()))


@pipeline(enable_cache=False)
def sleepers(n: int):
    naps.map(seconds=[30.0] * n)
    naps(30.0, id="last")


@pipeline(enable_cache=False)
def outer():
    sleepers(n=1)
""",
}

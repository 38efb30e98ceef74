"""Times our workloads beside plain Python doing the same, in one run, and writes docs/benchmarks.md."""

from __future__ import annotations

import json
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import programs
from tests.commands import ROOT, Instance, told

ROUNDS = 3
CHAIN, LONG_CHAIN, FAN = 20, 200, 100
#: what a script that trains something has loaded: every fork copies what it takes in memory
LIBRARIES = "import pandas, sklearn.ensemble\n"


class Bench:
    def __init__(self, folder: Path) -> None:
        self._instance = Instance(folder=folder, warm=False)
        self._folder = folder

    def seconds(self, text: str, **values: object) -> float:
        """Run a program and return the seconds it says it took."""
        done = self._python(text.format(**values) if values else text)
        return float(json.loads(done.splitlines()[-1])["seconds"])

    def import_seconds(self) -> float:
        started = time.perf_counter()
        self._instance.python("-c", "from stepwell import step, pipeline")
        return time.perf_counter() - started

    def bare_seconds(self) -> float:
        started = time.perf_counter()
        self._instance.python("-c", "pass")
        return time.perf_counter() - started

    def first_line_seconds(self) -> float:
        started = time.time()
        return float(re.search(r"FIRST ([\d.]+)", self._python(programs.FIRST_LINE))[1]) - started

    def _python(self, text: str) -> str:
        file = self._folder / "program.py"
        file.write_text(text)
        done = self._instance.python(file)
        assert done.returncode == 0, told(done)
        return done.stdout


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="stepwell-bench-") as folder:
        bench = Bench(Path(folder))
        bench.seconds(programs.CHAIN, cache=False, n=2)
        rows = [*measure(bench)]
    report = page(rows)
    (ROOT / "docs" / "benchmarks.md").write_text(report)
    sys.stdout.write(report)


#: what, ours, the floor, the same with bare forks (none where it is not forks), unit
Row = tuple[str, float, float, float | None, str]


def measure(bench: Bench) -> list[Row]:
    """Return a row per workload with medians; ours and the floors alternate within each round."""
    return [
        row(
            "W1 chain of 20, per step",
            1000 / CHAIN,
            "ms",
            lambda: bench.seconds(programs.CHAIN, cache=False, n=CHAIN),
            *forks(bench, CHAIN),
        ),
        row(
            "W1 chain of 200, per step",
            1000 / LONG_CHAIN,
            "ms",
            lambda: bench.seconds(programs.CHAIN, cache=False, n=LONG_CHAIN),
            *forks(bench, LONG_CHAIN),
        ),
        row(
            "W2 one to 100 parallel to one",
            1,
            "s",
            lambda: bench.seconds(programs.FAN, n=FAN),
            *forks(bench, FAN + 2),
        ),
        row(
            "W3 chain of 20, all cached, per step",
            1000 / CHAIN,
            "ms",
            lambda: bench.seconds(programs.CHAIN, cache=True, n=CHAIN),
            *forks(bench, CHAIN),
        ),
        *(
            row(
                f"W6 map over {n:,} items, per item",
                1000 / n,
                "ms",
                lambda n=n: bench.seconds(programs.MAP, n=n),
                *forks(bench, n),
            )
            for n in (100, 1000)
        ),
        row(
            f"W6 map over {FAN} items, per item, pandas and scikit-learn loaded in all",
            1000 / FAN,
            "ms",
            lambda: bench.seconds(LIBRARIES + programs.MAP, n=FAN),
            *forks(bench, FAN, before=LIBRARIES),
        ),
        row(
            "W4 100,000 lines of 100 bytes",
            1,
            "s",
            lambda: bench.seconds(programs.LINES),
            lambda: bench.seconds(programs.PLAIN_PIPE),
        ),
        row("W5 python -c 'from stepwell import step, pipeline'", 1000, "ms", bench.import_seconds, bench.bare_seconds),
        row("W5 script start to the first step's first line", 1, "s", bench.first_line_seconds, bench.bare_seconds),
    ]


def forks(bench: Bench, n: int, *, before: str = "") -> tuple[Callable[[], float], Callable[[], float]]:
    """Return the floors of a step in a process of its own: one per step by multiprocessing, and by a bare fork."""
    return (
        lambda: bench.seconds(before + programs.PLAIN_PROCESS % {"n": n}),
        lambda: bench.seconds(before + programs.PLAIN_FORKED % {"n": n}),
    )


def row(
    what: str,
    scale: float,
    unit: str,
    ours: Callable[[], float],
    floor: Callable[[], float],
    bare: Callable[[], float] | None = None,
) -> Row:
    sides = [ours, floor] if bare is None else [ours, floor, bare]
    rounds = [[side() for side in sides] for _ in range(ROUNDS)]
    mine, plain, *forked = (statistics.median(side) * scale for side in zip(*rounds, strict=True))
    return what, mine, plain, forked[0] if forked else None, unit


def page(rows: list[Row]) -> str:
    """Return the page as Markdown."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`. Medians of three rounds; ours and plain Python alternate within a round, so the",
        "ratio holds when the machine's speed drifts. The floor of W1 to W3 and W6 is what plain Python takes for a",
        "step in a process of its own: `multiprocessing` with fork, pickle, one fsync and one SQLite commit, one step",
        "after the other. Beside it the same with nothing but `os.fork`. Both fork an interpreter of 10 MB, but in the",
        "row with libraries: there they and ours fork what a script that trains something is.",
        "The floor of W4 is a child whose output goes through a pipe into a file; of W5",
        "`python -c pass`. Ours has everything on: own process per step, hashes, logs, events, leases.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, two cores, commit {commit.stdout.strip()}.",
        "",
        "| workload | ours | floor | ratio | bare fork |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {what} | {mine:.3g} {unit} | {plain:.3g} {unit} | {mine / plain:.1f} | "
        f"{'–' if bare is None else f'{bare:.3g} {unit}'} |"
        for what, mine, plain, bare, unit in rows
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()

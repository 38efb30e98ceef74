"""What ``make faults`` prints while it plays, and at the end."""

from __future__ import annotations

from tests.faults.harness import Result
from tests.faults.mutants import Mutant


def show(result: Result) -> Result:
    """Print a line about a scenario as soon as it ended."""
    if result.skipped:
        print(f"skipped  {result.scenario.name} on {result.store}: {result.skipped}", flush=True)
        return result
    word = f"{len(result.violations)} WRONG" if result.violations else "held   "
    figures = ", ".join(f"{name} {value}" for name, value in result.figures.items())
    print(
        f"{word}  {result.scenario.name:26} {result.store:9} {result.times:4} times {result.seconds:6.1f} s"
        f" (cpu {result.cpu:.0f})  {figures}",
        flush=True,
    )
    for violation in result.violations[:12]:
        print(f"         {violation[:2000]}", flush=True)
    return result


def show_mutant(mutant: Mutant, result: Result) -> tuple[Mutant, Result]:
    if result.skipped:
        word = "skipped"
    else:
        word = "caught " if result.caught else "MISSED "
    why = result.violations[0][-300:].replace("\n", " ") if result.violations else ""
    print(
        f"{word}  mutant “{mutant.name}” by {mutant.scenario} on {mutant.store},"
        f" {result.seconds:.1f} s (cpu {result.cpu:.0f}): {why}",
        flush=True,
    )
    return mutant, result


def summarise(results: list[Result], caught: list[tuple[Mutant, Result]], *, unplayed: int, seconds: float) -> int:
    """Print the totals and return 1 when something is wrong or was left out for want of time."""
    wrong = sum(len(result.violations) for result in results)
    missed = [mutant.name for mutant, result in caught if not result.caught and not result.skipped]
    skipped = sum(bool(result.skipped) for result in results)
    times = sum(result.times for result in results)
    print(
        f"{len(results) - skipped} scenarios played, {skipped} skipped, {times} faults, "
        f"{wrong} violations; {len(caught) - len(missed)} of {len(caught)} mutants caught; {seconds:.0f} s."
    )
    if unplayed:
        print(f"There was no time for {unplayed} of them: go on with `python -m tests.faults --resume --write`.")
    return 1 if wrong or missed or unplayed else 0

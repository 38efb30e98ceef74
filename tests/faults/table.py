"""The table of ``make faults``, on the terminal and in docs/reliability.md."""

from __future__ import annotations

from tests.faults.harness import ROOT, Result
from tests.faults.mutants import Mutant

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"


def show(result: Result) -> Result:
    """Print a line about a scenario as soon as it ended."""
    if result.skipped:
        print(f"skipped  {result.scenario.name} on {result.store}: {result.skipped}", flush=True)
        return result
    word = f"{len(result.violations)} WRONG" if result.violations else "held   "
    figures = ", ".join(f"{name} {value}" for name, value in result.figures.items())
    print(
        f"{word}  {result.scenario.name:26} {result.store:9} {result.times:4} times {result.seconds:6.1f} s  {figures}",
        flush=True,
    )
    for violation in result.violations[:12]:
        print(f"         {violation}", flush=True)
    return result


def show_mutant(mutant: Mutant, result: Result) -> tuple[Mutant, Result]:
    if result.skipped:
        word = "skipped"
    else:
        word = "caught " if result.violations else "MISSED "
    why = result.violations[0][:110] if result.violations else ""
    print(f"{word}  mutant “{mutant.name}” by {mutant.scenario} on {mutant.store}: {why}", flush=True)
    return mutant, result


def summarise(results: list[Result], caught: list[tuple[Mutant, Result]], *, seconds: float, write: bool) -> int:
    """Print the totals and return 1 when something is wrong."""
    wrong = sum(len(result.violations) for result in results)
    missed = [mutant.name for mutant, result in caught if not result.violations and not result.skipped]
    skipped = sum(bool(result.skipped) for result in results)
    times = sum(result.times for result in results)
    print(
        f"{len(results) - skipped} scenarios played, {skipped} skipped, {times} faults, "
        f"{wrong} violations; {len(caught) - len(missed)} of {len(caught)} mutants caught; {seconds:.0f} s."
    )
    if write:
        write_page(results, caught)
    return 1 if wrong or missed else 0


def write_page(results: list[Result], caught: list[tuple[Mutant, Result]]) -> None:
    """Put the table between the marks in the page."""
    mutants: dict[str, list[str]] = {}
    for mutant, result in caught:
        if result.violations:
            mutants.setdefault(mutant.scenario, []).append(mutant.name)
    rows = ["| scenario | faults | store | times | violations | mutants it catches |", "|---|---|---|---|---|---|"]
    for result in sorted(results, key=lambda one: (one.scenario.faults, one.scenario.name, one.store)):
        found = "skipped" if result.skipped else str(len(result.violations))
        names = "; ".join(mutants.get(result.scenario.name, []))
        about = result.scenario.about
        rows.append(f"| {about} | {result.scenario.faults} | {result.store} | {result.times} | {found} | {names} |")
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(rows) + f"\n{END}{after}", encoding="utf-8")

"""The table in docs/reliability.md: one row per scenario, kept from run to run, changed where something was played."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.harness import ROOT, Result
from tests.faults.mutants import Mutant
from tests.faults.scenarios import STORES, Scenario

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
NOT_RUN = "not run"
_NOT_FOR_IT = "–"
_HEAD = (
    "| scenario | what is done, and what has to come of it | SQLite | Postgres, Redis | seeded mistakes it noticed |",
    "|---|---|---|---|---|",
)


@dataclass
class Row:
    """What is known of a scenario: a cell per store, and how it did on each mutant."""

    stores: dict[str, str] = field(default_factory=dict)
    mutants: dict[str, str] = field(default_factory=dict)

    def note(self, result: Result, mutant: Mutant | None) -> None:
        if result.skipped:
            return
        if mutant is None:
            self.stores[result.store] = f"{len(result.violations)} in {result.times}"
        else:
            self.mutants[mutant.name] = "" if result.caught else "missed"


class Page:
    """The rows of the page, by scenario. ``scenarios`` and ``mutants`` are what there is to play."""

    def __init__(self, scenarios: dict[str, Scenario], mutants: tuple[Mutant, ...], *, path: Path = PAGE) -> None:
        self.scenarios, self.mutants, self._path = scenarios, mutants, path
        self._around = ("", "")
        self.rows: dict[str, Row] = {}
        self._load()

    def _load(self) -> None:
        before, _, rest = self._path.read_text(encoding="utf-8").partition(BEGIN)
        table, _, after = rest.partition(END)
        self._around = before, after
        self.rows = {name: Row() for name in self.scenarios}
        for line in table.splitlines():
            self._read(line)

    def is_known(self, name: str, store: str) -> bool:
        """Return whether the scenario was played on the store, and the contract held."""
        return self.rows[name].stores.get(store, "").startswith("0 ")

    def is_caught(self, mutant: Mutant) -> bool:
        return self.rows[mutant.scenario].mutants.get(mutant.name) == ""

    def store(self, result: Result, mutant: Mutant | None) -> None:
        """Write what was played into its row, and leave all others as they are now."""
        with self._path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._load()
            self.rows[result.scenario.name].note(result, mutant)
            self._write()

    def _write(self) -> None:
        before, after = self._around
        rows = [self._line(name) for name in self.scenarios]
        self._path.write_text("\n".join([f"{before}{BEGIN}", *_HEAD, *rows, f"{END}{after}"]), encoding="utf-8")

    def _read(self, line: str) -> None:
        cells = [cell.strip() for cell in line.strip("| \n").split(" | ")]
        row = self.rows.get(cells[0].strip("`"))
        if row is None or len(cells) != len(_HEAD[1].split("|")) - 2:
            return
        row.stores = {store: cell for store, cell in zip(STORES, cells[2:4], strict=True) if " in " in cell}
        for told in cells[4].split("; "):
            name, _, state = told.partition(" (")
            if not state.startswith(NOT_RUN):
                row.mutants[name] = state.rstrip(")")

    def _line(self, name: str) -> str:
        one, row = self.scenarios[name], self.rows[name]
        stores = [row.stores.get(store, NOT_RUN) if store in one.stores else _NOT_FOR_IT for store in STORES]
        mutants = []
        for mutant in self.mutants:
            if mutant.scenario == name:
                state = row.mutants.get(mutant.name, NOT_RUN)
                mutants.append(f"{mutant.name} ({state})" if state else mutant.name)
        return f"| `{name}` | {one.about} | {' | '.join(stores)} | {'; '.join(mutants) or NOT_RUN} |"

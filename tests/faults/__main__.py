"""``make faults``: every scenario on every store, then every mutant; a table, and 1 when the contract was broken."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("names", nargs="*", help="play only these scenarios")
    parser.add_argument("--store", choices=["sqlite", "postgres"], help="only on this store")
    parser.add_argument("--mutants", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--lanes", type=int, default=os.cpu_count() or 2, help="scenarios at the same time")
    parser.add_argument("--only-mutants", action="store_true", help="leave out the program as it is")
    parser.add_argument("--write", action="store_true", help="write the table into docs/reliability.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stepwell-faults-") as folder:
        os.environ["STEPWELL_HOME"] = f"{folder}/own"
        os.environ["PYTHONPATH"] = ""
        from stepwell.conf import boot

        boot.setup()
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    from tests.faults import harness, table
    from tests.faults.mutants import all_mutants

    began = time.monotonic()
    scenarios = harness.load_scenarios()
    chosen = [scenarios[name] for name in options.names or scenarios]
    stores = {options.store} if options.store else {"sqlite", "postgres"}
    folder = harness.prepare(stores)
    with ThreadPoolExecutor(options.lanes) as lanes:
        plays = [
            lanes.submit(harness.play, one, store, prepared=folder)
            for one in sorted(chosen, key=lambda one: one.limit)
            for store in one.stores
            if store in stores and not options.only_mutants
        ]
        seeded = [
            mutant for mutant in all_mutants() if scenarios.get(mutant.scenario) in chosen and mutant.store in stores
        ]
        trials = [
            (
                mutant,
                lanes.submit(harness.play, scenarios[mutant.scenario], mutant.store, prepared=folder, mutant=mutant),
            )
            for mutant in (seeded if options.mutants else [])
        ]
        results = [table.show(play.result()) for play in as_completed(plays)]
        caught = [table.show_mutant(mutant, trial.result()) for mutant, trial in trials]
    return table.summarise(results, caught, seconds=time.monotonic() - began, write=options.write)


if __name__ == "__main__":
    sys.exit(main())

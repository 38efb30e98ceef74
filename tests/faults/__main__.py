"""``make faults``: every scenario on every store, then every mutant; a table, and 1 when the contract was broken."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from tests.faults.scenarios import STORES

if TYPE_CHECKING:
    from tests.faults.harness import Result
    from tests.faults.mutants import Mutant
    from tests.faults.page import Page
    from tests.faults.scenarios import Scenario


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("names", nargs="*", help="play only these scenarios")
    parser.add_argument("--store", choices=["sqlite", "postgres"], help="only on this store")
    parser.add_argument("--mutants", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--lanes", type=int, default=2 * (os.cpu_count() or 2) + 1, help="scenarios at the same time")
    parser.add_argument("--only-mutants", action="store_true", help="leave out the program as it is")
    parser.add_argument("--write", action="store_true", help="write what was played into the table of the page")
    parser.add_argument("--resume", action="store_true", help="leave out what held, or was caught, by that table")
    parser.add_argument("--minutes", type=float, default=120, help="begin nothing after this long (default: 120)")
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
    from tests.faults.page import Page

    began = time.monotonic()
    page = Page(harness.load_scenarios(), all_mutants())
    todo = list(_todo(options, page))
    folder = harness.prepare({store for _, store, _ in todo})
    results: list[Result] = []
    caught: list[tuple[Mutant, Result]] = []

    def play(scenario: Scenario, store: str, mutant: Mutant | None) -> Result | None:
        if time.monotonic() - began > options.minutes * 60:
            return None
        return harness.play(scenario, store, prepared=folder, mutant=mutant)

    for n_lanes, part in (
        (options.lanes, [one for one in todo if not one[0].is_alone]),
        (1, [one for one in todo if one[0].is_alone]),
    ):
        with ThreadPoolExecutor(n_lanes) as lanes:
            playing = {lanes.submit(play, *one): one[2] for one in part}
            for future in as_completed(playing):
                mutant, result = playing[future], future.result()
                if result is None:
                    continue
                if mutant is None:
                    results.append(table.show(result))
                else:
                    caught.append(table.show_mutant(mutant, result))
                if options.write:
                    page.store(result, mutant)
    unplayed = len(todo) - len(results) - len(caught)
    return table.summarise(results, caught, unplayed=unplayed, seconds=time.monotonic() - began)


def _todo(options: argparse.Namespace, page: Page) -> Iterator[tuple[Scenario, str, Mutant | None]]:
    """Yield what to play where: the program as it is, then with a mistake in it; the longest first, so that all lanes
    end together.
    """
    chosen = {name: page.scenarios[name] for name in options.names or page.scenarios}
    stores = [options.store] if options.store else STORES
    for one in sorted(chosen.values(), key=lambda one: -one.limit):
        for store in one.stores:
            if store in stores and not options.only_mutants and not (options.resume and page.is_known(one.name, store)):
                yield one, store, None
    mutants = sorted(page.mutants, key=lambda mutant: -page.scenarios[mutant.scenario].limit)
    for mutant in mutants if options.mutants else ():
        is_chosen = mutant.scenario in chosen and mutant.store in stores
        if is_chosen and not (options.resume and page.is_caught(mutant)):
            yield chosen[mutant.scenario], mutant.store, mutant


if __name__ == "__main__":
    sys.exit(main())

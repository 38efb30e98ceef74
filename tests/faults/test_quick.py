"""The quick scenarios on SQLite, in ``make test``; all of them, on every store, are ``make faults``."""

from __future__ import annotations

import pytest

from tests.faults import harness
from tests.faults.mutants import APPS, all_mutants


@pytest.fixture(scope="module")
def prepared():
    return harness.prepare({"sqlite"})


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", sorted(one.name for one in harness.load_scenarios().values() if one.is_quick))
def test_the_contract_holds_when(name, prepared, monkeypatch):
    # Other groups of tests run beside this one, on as little as two processors.
    monkeypatch.setenv("FAULTS_PATIENCE", "4")

    result = harness.play(harness.SCENARIOS[name], "sqlite", prepared=prepared)

    assert not result.violations, "\n".join(result.violations)


@pytest.mark.parametrize("mutant", all_mutants(), ids=lambda mutant: f"{mutant.scenario}: {mutant.name}")
def test_a_seeded_mistake_still_fits_the_code(mutant):
    assert mutant.apply(APPS)
    assert mutant.scenario in harness.SCENARIOS

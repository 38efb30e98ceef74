"""When leases may look lapsed that are not."""

from __future__ import annotations

import pytest

from stepwell.execution import runner


@pytest.fixture
def gaps(monkeypatch, settings):
    settings.LEASE_SECONDS, settings.HEARTBEAT_SECONDS = 30, 5
    clock = [1000.0]
    monkeypatch.setattr(runner.time, "monotonic", lambda: clock[0])
    made = runner.Gaps()
    made.clock = clock
    return made


def test_after_a_long_outage_of_the_database_owners_have_time_to_hand_back(gaps):
    gaps.note(is_away=True)
    gaps.clock[0] += 12
    gaps.note(is_away=True)
    gaps.note(is_away=False)
    assert gaps.is_recent

    gaps.clock[0] += 12
    assert not gaps.is_recent


def test_a_database_that_did_not_answer_for_a_moment_delays_nothing(gaps):
    for _ in range(3):
        gaps.note(is_away=True)
        gaps.clock[0] += 6
        gaps.note(is_away=False)
    assert not gaps.is_recent

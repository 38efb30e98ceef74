"""Ids sort by the time they were made, also those of one millisecond."""

from __future__ import annotations

import pytest

from stepwell.core import ids

NOON = 1_790_000_000_000_000_000


def test_ids_sort_as_they_were_made_also_within_a_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    # A process takes longer than a microsecond from one id to the next.
    clock = iter(range(NOON, NOON + 3_000_000, 1_000))
    monkeypatch.setattr(ids.time, "time_ns", lambda: next(clock))

    made = [ids.new_id() for _ in range(3_000)]

    assert made == sorted(made)


def test_an_id_says_when_it_was_made_and_is_no_other() -> None:
    made = [ids.new_id() for _ in range(1_000)]

    assert len(set(made)) == 1_000
    assert {one.version for one in made} == {7}
    assert {one.variant for one in made} == {"specified in RFC 4122"}
    assert abs((made[0].int >> 80) - ids.time.time_ns() // 1_000_000) < 60_000

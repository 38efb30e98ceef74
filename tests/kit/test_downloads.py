"""Files going out: a place is taken while one is sent, and given back whatever ends it."""

from __future__ import annotations

import pytest
from django.core.signals import request_finished
from django.db import close_old_connections

from stepwell.kit import downloads
from stepwell.kit.downloads import Download, Seats, TooManyDownloads


@pytest.fixture
def seats(monkeypatch: pytest.MonkeyPatch) -> Seats:
    made = Seats(for_one=2, in_all=3)
    monkeypatch.setattr(downloads, "seats", made)
    return made


def test_one_person_and_all_together_have_so_many_places(seats: Seats) -> None:
    assert [seats.take(who) for who in ("a", "a", "a", "b", "b")] == [True, True, False, True, False]
    seats.give_back("a")
    assert seats.take("b")


def test_a_place_is_free_again_when_the_answer_ends_or_is_dropped(seats: Seats) -> None:
    read, dropped = Download(iter([b"1"]), caller="a"), Download(iter([b"1"]), caller="a")
    with pytest.raises(TooManyDownloads):
        Download(iter([b"1"]), caller="a")

    assert list(read) == [b"1"]
    request_finished.disconnect(close_old_connections)
    try:
        read.close()
        dropped.close()
        dropped.close()
    finally:
        request_finished.connect(close_old_connections)
    assert [seats.take("a") for _ in range(3)] == [True, True, False]

"""The drivers' thread when the database is away for a moment."""

from __future__ import annotations

from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.db import OperationalError

from stepwell.execution import drivers
from stepwell.execution.drivers import Drivers
from stepwell.execution.flights import Flight
from stepwell.execution.hosts import HostPool
from stepwell.execution.watching import StopRequests


# connections are closed and opened anew after the fault
@pytest.mark.django_db(transaction=True)
def test_a_driver_whose_end_could_not_be_stored_is_landed_in_the_next_round(monkeypatch):
    tries = []

    def land(flight, supervision, *, host):
        tries.append(supervision)
        if len(tries) == 1:
            raise OperationalError("the connection is lost")

    monkeypatch.setattr(drivers, "land", land)
    monkeypatch.setattr(HostPool, "take", lambda pool, snapshot: object())
    released = []
    monkeypatch.setattr(HostPool, "release", lambda pool, snapshot: released.append(snapshot))
    thread = Drivers(node_id=uuid4(), hosts=HostPool(), stops=StopRequests())
    ended, attempt = object(), SimpleNamespace(id=uuid4())
    claimed = SimpleNamespace(attempt=attempt, step=SimpleNamespace(run=SimpleNamespace(snapshot="code")))
    thread._flights[ended] = Flight(claimed, None, None, None, ended)
    rounds = [[ended]]
    thread._group.run_once = lambda timeout: rounds.pop() if rounds else []
    thread.stop()

    thread.run()

    assert tries == [ended, ended]
    assert not thread._flights
    # once for each try, and once for the flight itself
    assert released == ["code"] * 3

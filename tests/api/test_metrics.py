"""``/metrics``: who may scrape it, and that its numbers are those of the rows."""

from __future__ import annotations

import builtins
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from stepwell.core.status import RunStatus
from stepwell.kit.models import DbNow
from stepwell.runs.models import Attempt, RunnerNode
from tests.execution.make import make_node, make_run, queue

pytestmark = pytest.mark.django_db


def scrape(caller) -> dict[str, float]:
    response = caller._client.get("/metrics")
    assert response.status_code == 200
    families = text_string_to_metric_families(response.content.decode())
    return {
        f"{sample.name}{''.join(f'{{{value}}}' for value in sample.labels.values())}": sample.value
        for family in families
        for sample in family.samples
    }


def test_nobody_scrapes_without_a_token() -> None:
    response = Client().get("/metrics")

    assert response.status_code == 401
    assert response.json()["code"] == "not_signed_in"


def test_numbers_are_those_of_the_rows(viewer) -> None:
    run = make_run({"a": [], "b": ["a"]})
    attempt = queue(run, "a")
    Attempt.objects.filter(id=attempt.id).update(queued_at=timezone.now() - timedelta(seconds=90))
    ended = make_run({"a": []}, status=RunStatus.COMPLETED)
    ended.started_at, ended.ended_at = timezone.now() - timedelta(seconds=40), timezone.now()
    ended.save()
    RunnerNode.objects.filter(id=make_node(slots=3).id).update(seen_at=DbNow())
    make_node(slots=5)  # was never seen

    numbers = scrape(viewer)

    assert (numbers["stepwell_runs{running}"], numbers["stepwell_runs{completed}"]) == (1, 1)
    assert (numbers["stepwell_live_steps{queued}"], numbers["stepwell_live_steps{pending}"]) == (1, 1)
    assert numbers["stepwell_queued_steps"] == 1
    assert 90 <= numbers["stepwell_queue_age_seconds"] < 150
    assert (numbers["stepwell_runners"], numbers["stepwell_slots"]) == (1, 3)
    assert numbers["stepwell_recent_runs"] == 1
    assert 40 <= numbers["stepwell_recent_run_seconds{0.5}"] < 50


def test_a_scrape_costs_few_statements(viewer, django_assert_max_num_queries) -> None:
    make_run({"a": []})

    with django_assert_max_num_queries(12):
        scrape(viewer)


def test_without_the_extra_it_says_what_to_install(viewer, monkeypatch) -> None:
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("prometheus_client"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    response = viewer._client.get("/metrics")

    assert response.status_code == 501
    assert "stepwell[metrics]" in response.json()["hint"]

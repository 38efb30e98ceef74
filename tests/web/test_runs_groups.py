"""Steps of one group: shown as one, opened and closed, in the list, the graph and the timeline of a run."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from stepwell.core.plan import Group, StepOptions
from stepwell.runs.models import Run
from tests import factories
from tests.web.page import Element, read

NIGHT = StepOptions(group=Group(id="night", name="night work"))


def grouped_run(n: int) -> Run:
    """One step, then ``n`` of the group, a second after each other, of which the last failed."""
    run = factories.make_run(status="failed", seconds=60)
    load = factories.make_step(run, "load", seconds=50)
    begin = timezone.now() - timedelta(seconds=40)
    for number in range(n):
        status = "failed" if number == n - 1 else "completed"
        started = begin + timedelta(seconds=number)
        factories.make_step(
            run, f"part_{number}", status=status, after=load, options=NIGHT, started=started, seconds=20
        )
    return run


def opened(client: Client, run: Run, tab: str, query: str = "") -> Element:
    return read(client.get(f"/runs/{run.number}/{tab}{query}"))


def group_of(page: Element) -> Element:
    return page.one("tr", data_group="gnight")


def steps_of(page: Element) -> list[str]:
    return [row["data-step"] for row in page.all("tr") if "data-step" in row.attributes]


@pytest.mark.parametrize("tab", ["", "timeline/"])
def test_few_steps_of_a_group_stand_below_it_until_it_is_closed(as_charlie: Client, tab: str) -> None:
    run = grouped_run(3)
    page = opened(as_charlie, run, tab)
    link = group_of(page).one("a")

    assert link["aria-expanded"] == "true"
    assert "night work group of 3" in group_of(page).text
    assert steps_of(page) == ["load", "part_0", "part_1", "part_2"]
    assert page.one("tr", data_step="part_0")["class"] == "steps__inside"

    closed = opened(as_charlie, run, tab, link["href"])
    assert group_of(closed).one("a")["aria-expanded"] == "false"
    assert steps_of(closed) == ["load"]


@pytest.mark.parametrize("tab", ["", "timeline/"])
def test_many_steps_of_a_group_are_one_row_until_it_is_opened(as_charlie: Client, tab: str) -> None:
    run = grouped_run(12)
    page = opened(as_charlie, run, tab)

    assert steps_of(page) == ["load"]
    # From the begin of the first of them to the end of the last.
    assert "31 s" in group_of(page).text
    assert "failed" in [rect.attributes.get("data-status") for rect in group_of(page).all("rect")]
    assert len(steps_of(opened(as_charlie, run, tab, group_of(page).one("a")["href"]))) == 13


def test_a_timeline_in_another_order_has_single_steps(as_charlie: Client) -> None:
    page = opened(as_charlie, grouped_run(12), "timeline/", "?sort=longest")

    assert len(steps_of(page)) == 13
    assert not page.has("tr", data_group="gnight")
    assert not page.has("tr", class_="steps__inside")


def test_what_the_timeline_shows_besides_stays_when_a_group_opens(as_charlie: Client) -> None:
    page = opened(as_charlie, grouped_run(12), "timeline/", "?q=part&critical=1")

    assert group_of(page).one("a")["href"] == "?q=part&sort=order&critical=1&open=gnight"


def test_a_group_is_one_box_of_the_graph_until_it_is_opened(as_charlie: Client) -> None:
    page = opened(as_charlie, grouped_run(12), "graph/")
    labels = [node.text for node in page.all(class_="node")]

    assert len(labels) == 2
    assert any("night work" in label and "11 ✓ 1 ✗" in label for label in labels)


def test_a_closed_group_stands_for_the_step_whose_panel_is_open(as_charlie: Client) -> None:
    page = opened(as_charlie, grouped_run(12), "", "?step=part_4")

    assert group_of(page)["aria-selected"] == "true"
    opened_group = opened(as_charlie, grouped_run(3), "", "?step=part_1")
    assert "aria-selected" not in group_of(opened_group).attributes

"""Dynamic runs in a real browser: a map whose parts move while one looks, and a question that a person answers."""

from __future__ import annotations

import re

import pytest

from tests.e2e.test_first_use import SECONDS, sign_in
from tests.processes.instance import RunningInstance

PIPELINES = """
import time
from pathlib import Path

from pydantic import BaseModel

from stepwell import pipeline, step, wait


class Place(BaseModel):
    region: str
    replicas: int = 1


@step
def square(number: int) -> int:
    while number >= 10 and not Path(__file__).with_name("go").exists():
        time.sleep(0.02)
    if number == 7:
        raise ValueError("seven is not liked")
    return number * number


@pipeline(enable_cache=False)
def squares(n: int = 130):
    square.map(list(range(n)))


@step
def deploy(region: str, replicas: int) -> str:
    return f"{region} x{replicas}"


@pipeline(enable_cache=False)
def release():
    place = wait(schema=Place, question="Where to?", name="place")
    deploy(place.region, place.replicas)
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dynamic")
    (folder / "dynamic.py").write_text(PIPELINES.replace("Path(__file__)", f"Path({str(folder / 'dynamic.py')!r})"))
    running = RunningInstance(folder)
    try:
        running.register(folder / "dynamic.py")
        yield running
    finally:
        running.stop()


def test_the_parts_of_a_map_move_without_a_reload_and_open_to_a_table(running, page):
    sign_in(running, page)
    run = running.start("squares")
    page.goto(f"{running.url}/runs/{run['number']}/")
    page.evaluate("window.notReloaded = true")
    row = page.locator("tr", has=page.get_by_text("map of 130"))
    row.get_by_text(re.compile(r"9 completed, 1 failed, \d+ running")).wait_for(timeout=30 * SECONDS)
    (running.commands.folder / "go").touch()
    row.get_by_text("129 completed, 1 failed").wait_for(timeout=60 * SECONDS)
    page.locator(".run-head [data-status=failed], [data-status=failed].state--pill").first.wait_for(
        timeout=20 * SECONDS
    )
    assert page.evaluate("window.notReloaded") is True

    page.get_by_role("link", name="Graph", exact=True).first.click()
    node = page.locator("svg a", has_text="square")
    node.locator("text", has_text="129").first.wait_for(timeout=10 * SECONDS)
    assert node.count() == 1
    node.click()
    table = page.locator("#members")
    table.get_by_text("130 of 130, from 1").wait_for(timeout=10 * SECONDS)
    assert table.locator("tbody tr").count() == 50
    table.get_by_role("link", name="Later").click()
    table.get_by_text("130 of 130, from 51").wait_for(timeout=10 * SECONDS)
    table.get_by_label("State").select_option("failed")
    table.get_by_text("1 of 130, from 1").wait_for(timeout=10 * SECONDS)
    assert "map:square:7" in table.locator("tbody tr").inner_text()


def test_a_person_answers_a_question_once(running, page):
    sign_in(running, page)
    run = running.start("release")
    page.goto(f"{running.url}/runs/{run['number']}/")
    page.evaluate("window.notReloaded = true")
    page.locator("[data-status=paused].state--pill").first.wait_for(timeout=30 * SECONDS)
    assert page.evaluate("window.notReloaded") is True
    page.get_by_role("link", name="Answer").click()

    # A wrong value is told beside its field, and answers nothing.
    page.get_by_label(re.compile("^region")).fill("eu")
    page.get_by_label(re.compile("^replicas")).fill("many")
    late = page.context.new_page()
    late.goto(page.url)
    page.get_by_role("button", name="Answer").click()
    page.locator(".bad", has_text="“many” is not a whole number.").first.wait_for()
    assert running.run(run["id"])["status"] == "paused"

    page.get_by_label(re.compile("^replicas")).fill("3")
    page.get_by_role("button", name="Answer").click()
    assert running.wait_for(run["id"])["status"] == "completed"
    (asked,) = running.api.get(f"/runs/{run['id']}/waits").json()["items"]
    assert (asked["answer"], asked["answered_by"]) == ({"region": "eu", "replicas": 3}, "admin")

    # Whoever comes second is told what was answered.
    late.get_by_label(re.compile("^region")).fill("us")
    late.get_by_role("button", name="Answer").click()
    late.get_by_text(re.compile("answered", re.IGNORECASE)).first.wait_for()
    assert "eu" in late.locator("main").inner_text()

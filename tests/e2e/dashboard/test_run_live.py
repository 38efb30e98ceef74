"""Capabilities 11, 12 and 23 with a real runner: heartbeats, retries and stored results."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time

import pytest

from tests.plugins.server import Server, stop
from tests.processes.instance import QUICK

SEED = "tests.e2e.dashboard.seed_runs:"
#: silence until an attempt counts as lost, in seconds
LOST = float(QUICK["STEPWELL_LEASE_SECONDS"])
PIPELINES = """
import time

from stepwell import StepRetryConfig, get_step_context, pipeline, step


@step(enable_cache=False)
def hold(seconds: float) -> int:
    time.sleep(seconds)
    return 1


@pipeline
def holding(seconds: float = 60.0):
    hold(seconds)


@step(retry=StepRetryConfig(max_retries=3, delay=8), enable_cache=False)
def flaky() -> str:
    tries = get_step_context().step_run.attempt
    print("try", tries)
    if tries < 3:
        raise ValueError(f"try {tries} fails")
    return "done"


@pipeline
def retried():
    flaky()


@step
def fit(rate: float) -> float:
    return rate * 2


@pipeline
def stored(rate: float = 0.5):
    fit(rate)
"""


class Works:
    """A web process and a runner on one data folder; the runner can be killed and started anew."""

    def __init__(self, folder):
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.server = Server(self.home)
        self.server.environment.update(QUICK)
        self.server.start()
        (folder / "work.py").write_text(PIPELINES)
        self._stepwell("register", "work.py")
        self.runner = None
        self.start_runner()

    def start_runner(self):
        command = [sys.executable, "-m", "stepwell", "runner"]
        with (self.folder / "runner.log").open("a") as log:
            self.runner = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True
            )

    @property
    def environment(self):
        return {**self.server.environment, "DJANGO_SETTINGS_MODULE": "stepwell.conf.settings"}

    def _stepwell(self, *words):
        command = [sys.executable, "-m", "stepwell", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, done.stderr

    def start(self, pipeline, **parameters):
        return self.server.hand(f"{SEED}start", pipeline=pipeline, parameters=parameters)["number"]

    def wait_for(self, number, step, status, *, seconds=30):
        deadline = time.monotonic() + seconds
        while (found := self.server.hand(f"{SEED}status_of", number=number)).get(step) != status:
            assert time.monotonic() < deadline, found
            time.sleep(0.1)

    def stop(self):
        stop(self.runner)
        self.server.stop()


@pytest.fixture(scope="module")
def works(tmp_path_factory):
    running = Works(tmp_path_factory.mktemp("works"))
    yield running
    running.stop()


@pytest.fixture
def page(works, browser):
    person = works.server.hand("tests.live.seed:sign_in", role="operator")
    context = browser.new_context(base_url=works.server.url, viewport={"width": 1280, "height": 800})
    context.add_cookies([{"name": Server.cookie, "value": person["session"], "url": works.server.url}])
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.person = person["name"]
    yield page
    context.close()


@pytest.mark.timeout(240)
def test_11_a_beat_ticks_and_a_killed_worker_turns_late_then_lost_without_a_reload(page, works, record_property):
    number = works.start("holding")
    works.wait_for(number, "hold", "running")
    page.goto(f"/runs/{number}/?step=hold")
    page.evaluate("window.notReloaded = true")
    page.locator("tr[data-step=hold]", has_text=re.compile(r"beat (just now|\d s ago)")).wait_for()
    page.wait_for_timeout(1500)
    assert page.locator("tr[data-step=hold] beat-age b").is_hidden()

    works.runner.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    badge = page.locator("tr[data-step=hold] beat-age b")
    page.locator("tr[data-step=hold] beat-age b", has_text="Late").wait_for()
    late = time.monotonic() - killed
    page.locator("tr[data-step=hold] beat-age b", has_text="Lost").wait_for()
    lost = time.monotonic() - killed
    record_property("silent worker: late, lost (s)", f"{late:.1f}, {lost:.1f}")
    assert lost < LOST + 5
    assert "Lost" in page.locator("#panel beat-age b").inner_text()
    assert page.evaluate("window.notReloaded") is True

    # Another runner takes it over; the page follows.
    works.start_runner()
    page.locator("#panel nav[aria-label=Attempts] a", has_text="2").wait_for()
    badge.wait_for(state="hidden")
    assert page.evaluate("window.notReloaded") is True
    page.get_by_role("link", name="Cancel run").click()
    page.get_by_role("button", name=f"Cancel run #{number}").click()
    works.wait_for(number, "", "cancelled")
    # A late beat after the end changes nothing.
    page.goto(f"/runs/{number}/?step=hold")
    assert page.locator("beat-age").count() == 0


@pytest.mark.timeout(240)
def test_12_attempts_count_down_to_the_next_and_keep_their_own_logs(page, works):
    number = works.start("retried")
    works.wait_for(number, "flaky", "retrying")
    page.goto(f"/runs/{number}/?step=flaky")
    waiting = page.locator("#panel-head p", has_text=re.compile(r"attempt \d of 4, next retry in 00:0\d"))
    waiting.wait_for()
    first, began = _seconds_left(waiting), time.monotonic()
    while (left := _seconds_left(waiting)) == first:
        assert time.monotonic() < began + 5, f"it stays at {left}"
        page.wait_for_timeout(50)
    assert 1 <= first - left <= 1 + round(time.monotonic() - began)

    # It passes at the third attempt, and the page follows without a reload.
    tabs = page.locator("#panel nav[aria-label=Attempts] a")
    tabs.nth(2).wait_for(timeout=60_000)
    page.locator("tr[data-step=flaky][data-status=completed]").wait_for(timeout=60_000)
    assert tabs.count() == 3
    took = set()
    for attempt, state in ((1, "Failed"), (2, "Failed"), (3, "Completed")):
        tabs.nth(attempt - 1).click()
        page.wait_for_url(re.compile(rf"attempt={attempt}\b"))
        page.locator("#panel-log .line", has_text=f"try {attempt}").first.wait_for()
        assert set(re.findall(r"try (\d)", page.locator("#panel-log").inner_text())) == {str(attempt)}
        assert state in page.locator("#panel-head p").first.inner_text()
        took.add(page.locator("#panel-head time").first.get_attribute("datetime"))
    assert len(took) == 3


def _seconds_left(waiting):
    return int(waiting.locator("count-down").inner_text().split(":")[1])


@pytest.mark.timeout(240)
def test_23_an_expired_result_is_made_again_and_the_step_says_so(page, works):
    first = works.start("stored")
    works.wait_for(first, "", "completed")
    second = works.start("stored")
    works.wait_for(second, "", "completed")
    page.goto(f"/runs/{second}/?step=fit")
    mark = page.locator("#panel .cache")
    assert f"Taken from run #{first}" in mark.inner_text()
    assert mark.get_by_role("link", name=f"Made in #{first}").is_visible()
    mark.get_by_role("button", name="Expire now").click()
    page.get_by_text("The result of fit is expired: the next run makes it again.").wait_for()
    page.locator("#panel .cache", has_text=f"Expired by {page.person}").wait_for()

    third = works.start("stored")
    works.wait_for(third, "", "completed")
    page.goto(f"/runs/{third}/?step=fit")
    assert f"Ran because {page.person} expired the stored result." in page.locator("#panel .cache").inner_text()
    changed = works.start("stored", rate=0.75)
    works.wait_for(changed, "", "completed")
    page.goto(f"/runs/{changed}/?step=fit")
    assert "parameter rate changed from 0.5 to 0.75" in page.locator("#panel .cache").inner_text()

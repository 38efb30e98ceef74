"""The first minutes of a new user, in a real browser against everything real."""

from __future__ import annotations

import re
import time

import pytest

SECONDS = 1000
#: every line the panel's log holds, in the order it shows them; those in view are in the page
HELD = """() => { const { store, lines } = document.querySelector("#panel log-view");
    return Array.from({ length: lines }, (_, index) => store.get(index + 1) ?? "") }"""


def wait_until(check, *, seconds, what):
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def last_line(page):
    """Return the number of the last line the panel shows; it draws only what is in view."""
    return page.evaluate("Math.max(...[...document.querySelectorAll('#panel .line')].map((line) => line.id.slice(1)))")


@pytest.mark.timeout(180)
def test_from_the_printed_link_to_a_live_run_and_a_changed_rerun(fresh, page):
    # The link signs in and opens Home, where the example runs.
    page.goto(fresh.link)
    page.get_by_role("button", name=re.compile("sign in", re.IGNORECASE)).click()
    page.wait_for_url(f"{fresh.url}/")
    listed = wait_until(
        lambda: fresh.api.get("/runs", params={"pipeline": "train_classifier"}).json().get("items"),
        seconds=60,
        what="the example was not started",
    )
    number = listed[0]["number"]
    page.get_by_role("link", name=re.compile(rf"#{number}\b")).first.wait_for(timeout=20 * SECONDS)

    # Log lines appear, and the status moves, without a reload.
    page.goto(f"{fresh.url}/runs/{number}/?step=train_model")
    page.evaluate("window.notReloaded = true")
    page.locator("#panel .line", has_text="trees").first.wait_for(timeout=30 * SECONDS)
    before = last_line(page)
    wait_until(lambda: last_line(page) > before, seconds=15, what="no line was added")
    page.get_by_text(re.compile(r"beat (just now|.+ ago)")).first.wait_for(timeout=15 * SECONDS)
    page.locator(".run-head [data-status=completed], [data-status=completed].state--pill").first.wait_for(
        timeout=60 * SECONDS
    )
    assert page.evaluate("window.notReloaded") is True

    # A wrong value gives an error beside the field and makes nothing.
    page.goto(f"{fresh.url}/runs/{number}/rerun/")
    page.get_by_label(re.compile("^n_trees")).fill("many")
    page.get_by_role("button", name="Rerun", exact=True).click()
    page.locator(".bad", has_text="“many” is not a whole number.").first.wait_for()
    assert len(fresh.api.get("/runs").json()["items"]) == 1

    # A changed parameter and a changed retry count take effect in the new run.
    page.get_by_label(re.compile("^n_trees")).fill("20")
    page.locator("details.step-options", has_text="train_model").locator("summary").click()
    page.locator('[name="o:train_model:retries"], [name="o:train_model:max_retries"]').first.fill("4")
    page.get_by_role("button", name="Rerun", exact=True).click()
    page.wait_for_url(re.compile(rf"/runs/(?!{number}/)[^/]+/$"))
    rerun = fresh.api.get("/runs").json()["items"][0]
    assert rerun["number"] != number
    page.get_by_text(f"#{number}").first.wait_for()
    ended = fresh.wait_for(rerun["id"], seconds=60)
    assert (ended["status"], ended["parameters"]["n_trees"]) == ("completed", 20)
    step = fresh.steps(rerun["id"])["train_model"]
    assert step["options"]["retry"]["max_retries"] == 4
    assert "20 of 20 trees" in fresh.log(rerun["id"], "train_model")
    page.locator("[data-status=completed].state--pill").first.wait_for(timeout=20 * SECONDS)
    body = page.locator("main").inner_text()
    assert "n_trees" in body
    assert "max_retries" in body or "retries" in body.lower()


@pytest.mark.timeout(120)
def test_the_page_goes_on_where_it_was_after_the_connection_was_cut(running, page):
    sign_in(running, page)
    wait_until(
        lambda: running.api.get("/pipelines/train_classifier").is_success,
        seconds=60,
        what="the example is not registered",
    )
    run = running.start("train_classifier", parameters={"n_trees": 200, "seed": 99})
    running.wait_for_step(run["id"], "train_model", "running", seconds=60)
    page.goto(f"{running.url}/runs/{run['number']}/?step=train_model")
    page.locator("#panel .line", has_text="trees").first.wait_for(timeout=30 * SECONDS)
    page.context.set_offline(True)
    page.locator("#connection[data-state=reconnecting], #connection[data-state=stale]").wait_for(timeout=30 * SECONDS)
    page.context.set_offline(False)
    page.locator("#connection[data-state=live]").wait_for(timeout=40 * SECONDS)
    running.wait_for(run["id"], seconds=60)
    last = "200 of 200 trees"
    page.locator("#panel .line", has_text=last).wait_for(timeout=20 * SECONDS)
    shown = [re.search(r"(\d+) of 200", line) for line in page.evaluate(HELD)]
    counts = [int(match[1]) for match in shown if match]
    assert counts == sorted(set(counts))
    logged = [int(count) for count in re.findall(r"(\d+) of 200", running.log(run["id"], "train_model"))]
    assert counts == logged


def sign_in(running, page):
    done = running.commands.stepwell("login-link")
    assert done.returncode == 0, done.stderr
    page.goto(re.search(r"https?://\S+", done.stdout)[0])
    page.get_by_role("button", name=re.compile("sign in", re.IGNORECASE)).click()
    page.wait_for_url(f"{running.url}/")

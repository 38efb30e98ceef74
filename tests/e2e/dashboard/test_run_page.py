"""Capabilities 10, 13, 20, 21 and 23: the card of a failure, the rerun dialog, the graph, the timeline, cache marks."""

from __future__ import annotations

import re
import time

import pytest

from tests.e2e.dashboard.conftest import is_quiet

# The first of them waits for the server and its 100,000 runs.
pytestmark = pytest.mark.timeout(240)

SEED = "tests.e2e.dashboard.seed_runs:"


def timed(act, *, until, times=3):
    """Return the milliseconds from ``act`` until ``until`` has returned, the best of several."""
    best = None
    for _ in range(times):
        begin = time.perf_counter()
        act()
        until()
        took = 1000 * (time.perf_counter() - begin)
        best = took if best is None else min(best, took)
    return best


@pytest.fixture(scope="module")
def failed(seeded):
    return seeded.hand(f"{SEED}failed_run")["number"]


def test_10_the_card_of_a_failure_says_what_where_why_and_what_next(page, failed):
    page.goto(f"/runs/{failed}/")
    card = page.get_by_role("region", name="What failed")
    words = card.inner_text()
    for told in ("evaluate", "attempt 3 of 3", "ValueError: shapes (32,10) and (32,12) not aligned", "train.py:88"):
        assert told in words
    assert card.get_by_role("link", name="Rerun from failed").get_attribute("href").endswith("/rerun/?scope=failed")
    assert re.search(r"/runs/\?error=[0-9a-f]{64}$", card.get_by_role("link", name="seen 3×").get_attribute("href"))

    card.get_by_role("link", name="Open log at line 41").click()
    page.wait_for_url(re.compile(r"/logs/evaluate/3/#L41$"))
    line = page.locator("#L41")
    line.wait_for()
    assert "Traceback" in line.inner_text()
    assert line.evaluate("line => { const box = line.getBoundingClientRect(); return box.top < innerHeight }")


def test_13_one_dialog_changes_scope_parameters_and_options_of_steps_and_tells_it_before(page, seeded, failed):
    page.goto(f"/runs/{failed}/rerun/?scope=failed")
    # A wrong value is told beside the field, and nothing is made.
    page.get_by_label(re.compile("^epochs")).fill("many")
    page.get_by_role("button", name="Rerun", exact=True).click()
    page.locator(".bad", has_text="“many” is not a whole number.").first.wait_for()
    assert seeded.hand(f"{SEED}rerun_of", number=failed) == {}

    page.get_by_label(re.compile("^epochs")).fill("20")
    page.locator("details", has_text="evaluate").locator("summary").click()
    page.locator('[name="o:evaluate:retries"]').fill("5")
    page.locator('[name="o:evaluate:timeout"]').fill("20m")
    page.locator("details", has_text="report").locator("summary").click()
    page.locator('[name="o:report:enable_cache"]').uncheck()
    preview = page.locator("#rerun-preview")
    preview.locator(".diff", has_text="report.enable_cache").wait_for()
    changes = preview.locator(".diff > div").all_inner_texts()
    assert sorted(changes) == [
        "epochs 10 → 20",
        "evaluate.retry.max_retries 2 → 5",
        "evaluate.timeout 10 m 00 s → 20 m 00 s",
        "report.enable_cache on → off",
    ]
    # No step takes epochs, so it may shape the pipeline itself and everything runs.
    assert "6 steps will run again" in preview.inner_text()
    page.get_by_label(re.compile("^epochs")).fill("10")
    preview.get_by_text("3 steps will run again, 3 results reused.").wait_for()
    plan = preview.locator(".plan li").all_inner_texts()
    assert plan[0].split("\n")[-1].startswith("kept from run #")

    page.get_by_role("button", name="Rerun", exact=True).click()
    page.wait_for_url(re.compile(r"/runs/(?!\d+/rerun)\d+/$"))
    made = seeded.hand(f"{SEED}rerun_of", number=failed)
    assert page.get_by_role("link", name=f"#{failed}").first.is_visible()
    assert (made["scope"], made["parameters"]["epochs"]) == ("failed", 10)
    assert made["overrides"] == {
        "evaluate": {"retry": {"max_retries": 5, "delay": 10.0, "backoff": 1.0}, "timeout": 1200.0},
        "report": {"enable_cache": False},
    }


def test_13_a_rerun_begins_from_chosen_steps_with_the_newest_code(page, seeded):
    number = seeded.hand(f"{SEED}failed_run", name="chosen-model", n_same=0)["number"]
    seeded.hand(f"{SEED}newer_code", name="chosen-model")
    page.goto(f"/runs/{number}/?step=clean")
    page.get_by_role("link", name="Rerun from here").click()
    assert page.get_by_role("checkbox", name="clean").is_checked()
    preview = page.locator("#rerun-preview")
    assert "clean\nchosen" in preview.inner_text()
    assert "clean runs again" in preview.inner_text()
    page.get_by_role("radio", name=re.compile("^Newest")).check()
    preview.locator(".diff", has_text="code 2 (9f2c1ab) → 3").wait_for()
    assert page.get_by_role("checkbox", name="clean").is_checked()
    page.get_by_role("button", name="Rerun", exact=True).click()
    page.wait_for_url(re.compile(r"/runs/(?!\d+/rerun)\d+/$"))
    made = seeded.hand(f"{SEED}rerun_of", number=number)
    assert (made["scope"], made["steps"], made["code"]) == ("steps", ["clean"], 3)


def test_20_a_map_of_1000_items_is_one_box_that_opens_as_a_table(page, seeded, record_property):
    made = seeded.hand(f"{SEED}mapped_run")
    page.goto(f"/runs/{made['number']}/graph/")
    node = page.locator(".node", has_text="train")
    assert node.count() == 1
    assert "950 ✓ 3 ✗ 47 …" in node.text_content()
    assert node.locator(".segments rect").count() == 3
    took = timed(node.click, until=lambda: page.locator("#members").wait_for(), times=1)
    record_property("map of 1,000 opens as a table (ms)", f"{took:.0f}")
    members = page.locator("#members")
    assert members.locator("tbody tr").count() == 50
    members.get_by_role("link", name="Later").click()
    members.get_by_text("from 51").wait_for()
    members.get_by_label("State").select_option("failed")
    members.get_by_text("3 of 1,000").wait_for()
    assert members.locator("tbody tr").count() == 3


def test_20_groups_fold_and_keys_move_between_steps(page, seeded, record_property):
    made = seeded.hand(f"{SEED}large_run")
    opened = timed(
        lambda: page.goto(f"/runs/{made['number']}/graph/", wait_until="commit"),
        until=lambda: page.locator(".node", has_text="fold 7").wait_for(),
    )
    assert page.locator(".node").count() == 22  # 20 groups, a step before and one after
    group = page.locator(".node", has_text="fold 7")
    took = timed(group.click, until=lambda: page.locator('.node[data-step^="train_"]').first.wait_for(), times=1)
    record_property("graph of 1,000 steps opens, a group of it (ms)", f"{opened:.0f}, {took:.0f}")
    inside = page.locator('.node[data-step^="train_"]').count()
    assert 40 < inside < 60
    assert page.locator(".node").count() == 21 + inside <= 300
    if is_quiet():
        assert opened < 2000
        assert took < 300

    # Keys alone: down to a step, and into it; a search brings one into view.
    page.locator(".node", has_text="begin").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.key") != "begin"
    page.get_by_label("Find a step in the graph").fill("train_350")
    found = page.locator(".node.is-found")
    assert found.count() == 1
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.locator("#graph-side h2", has_text="train_350").wait_for()

    page.get_by_role("link", name="Close fold 7").click()
    page.locator('.node[data-step^="train_"]').first.wait_for(state="detached")
    assert page.locator(".node").count() == 22


def test_20_a_plain_graph_of_1000_steps_stays_within_300_boxes(page, seeded):
    made = seeded.hand(f"{SEED}plain_run")
    page.goto(f"/runs/{made['number']}/graph/")
    assert 1 < page.locator(".node").count() <= 300
    page.locator(".node", has_text="part 2").first.click()
    page.locator("#members h2", has_text="part 2").wait_for()
    assert page.locator("#members tbody tr").count() > 1


def test_21_a_timeline_explains_time(page, seeded, failed):
    made = seeded.hand(f"{SEED}idle_run")
    page.goto(f"/runs/{failed}/timeline/")
    row = page.locator('tr[data-step="evaluate"]')
    assert row.locator("rect.tl-run").count() == 3
    assert row.locator("rect.tl-wait").count() == 2
    assert row.locator("rect.tl-queued").count() == 3
    assert row.locator(".state__name").bounding_box()["width"] > 20
    row.locator("a:has(.tl-run)").nth(1).click()
    page.wait_for_url(re.compile("/logs/evaluate/2/$"))

    page.goto(f"/runs/{made['number']}/timeline/")
    assert width(page, "train") < 2
    page.get_by_label("Hide idle time").check()
    page.locator(".timeline__pause").first.wait_for()
    assert width(page, "train") > 40
    page.get_by_label("Critical path").check()
    page.get_by_text("load → train → report").wait_for()
    assert page.locator("tr[data-critical]").count() == 3
    page.get_by_label("Usual duration").check()
    page.locator(".tl-usual").first.wait_for(state="attached")
    assert "+200 %" in page.locator('tr[data-step="train"]').inner_text()
    page.get_by_label("Order").select_option("longest")
    page.locator("tbody tr").first.get_by_text("train").wait_for()
    page.get_by_label("Find steps").fill("rep")
    page.locator(".timeline tbody tr").nth(1).wait_for(state="detached")
    assert "idle=1" in page.url


def width(page, step):
    return float(page.locator(f'tr[data-step="{step}"] rect.tl-run').first.get_attribute("width").removesuffix("%"))


def test_23_a_cache_mark_says_whose_result_it_is_and_why_a_step_ran(page, seeded):
    made = seeded.hand(f"{SEED}cached_run")
    page.goto(f"/runs/{made['number']}/?step=load")
    mark = page.locator("#panel .cache")
    assert f"Taken from run #{made['first']}: same code, parameters and inputs." in mark.inner_text()
    assert "h ago" in mark.inner_text()
    assert mark.get_by_role("link", name=f"Made in #{made['first']}").is_visible()
    page.locator('tr[data-step="train"] a').first.click()
    page.locator("#panel .cache", has_text="parameter learning_rate changed from 0.1 to 0.01").wait_for()


def test_the_panel_moves_below_and_keeps_its_tab_in_the_address(page, failed):
    page.goto(f"/runs/{failed}/?step=evaluate")
    beside = page.locator("#panel").bounding_box()
    page.get_by_role("link", name="Options").click()
    page.wait_for_url(re.compile("tab=options"))
    page.locator("#panel", has_text="10 m 00 s pipeline").wait_for()
    page.get_by_role("button", name="Dock below").click()
    below = page.locator("#panel").bounding_box()
    assert below["y"] > beside["y"]
    page.reload()
    assert page.locator("#panel").bounding_box()["y"] == pytest.approx(below["y"], abs=5)
    page.get_by_role("button", name="Dock right").click()


@pytest.mark.parametrize("tab", ["", "graph/", "timeline/", "artifacts/", "config/", "code/?view=diff", "events/"])
def test_every_tab_reads_without_scripts_and_fits_a_phone(sign_in, failed, tab):
    page = sign_in(java_script_enabled=False, viewport={"width": 375, "height": 700})
    page.goto(f"/runs/{failed}/{tab}")
    assert "evaluate" in page.locator("main").inner_text()
    assert page.locator("main").evaluate("main => main.scrollWidth <= innerWidth")


def test_what_a_person_asked_for_and_did_not_come_says_so_and_is_asked_for_again(page, failed):
    page.goto(f"/runs/{failed}/?step=load")
    page.route("**/runs/*/?step=clean*", lambda route: route.abort())
    page.get_by_role("link", name="clean").click()
    trouble = page.locator("#panel").get_by_role("alert")
    trouble.get_by_text("The server did not answer. What is shown is as it was.").wait_for()
    assert "load" in page.locator("#panel h2").inner_text()

    page.unroute("**/runs/*/?step=clean*")
    page.route("**/runs/*/?step=clean*", lambda route: route.fulfill(status=500, body="no"))
    trouble.get_by_role("button", name="Try again").click()
    trouble.get_by_text("The server could not make this part; its log says why.").wait_for()
    assert trouble.count() == 1

    page.unroute("**/runs/*/?step=clean*")
    trouble.get_by_role("button", name="Try again").click()
    page.locator("#panel h2", has_text="clean").wait_for()
    assert trouble.count() == 0


def test_a_click_of_somebody_signed_out_leads_to_the_sign_in_and_back(page, failed, seeded):
    page.goto(f"/runs/{failed}/")
    seeded.hand("tests.live.seed:end_session", session=page.person["session"])
    page.get_by_role("link", name="clean").click()
    page.wait_for_url(re.compile(r"/login/\?next="))


def test_a_part_somebody_holds_stays_until_they_let_go(page, seeded):
    run = seeded.hand(f"{SEED}waiting_run", name="held")["number"]
    page.goto(f"/runs/{run}/?step=download")
    page.wait_for_selector('#connection[data-state="live"]', state="attached")
    page.wait_for_selector('[data-step="train"] .state[data-status="running"]')
    page.evaluate("() => getSelection().selectAllChildren(document.querySelector('[data-step=train] .state__name'))")
    seeded.hand(f"{SEED}move_step", number=run, name="train", status="completed")

    # The head has moved on; the table, where text is selected, has not.
    page.locator("#run-head", has_text="1 completed").wait_for()
    assert page.evaluate("() => getSelection().toString()") == "train"
    assert page.locator('[data-step="train"] .state[data-status="running"]').count() == 1

    page.evaluate("() => getSelection().removeAllRanges()")
    page.wait_for_selector('[data-step="train"] .state[data-status="completed"]')


def test_only_a_state_that_changed_fades_in(page, seeded):
    run = seeded.hand(f"{SEED}waiting_run", name="faded")["number"]
    page.goto(f"/runs/{run}/?step=download")
    page.wait_for_selector('#connection[data-state="live"]', state="attached")
    page.evaluate("""() => {
        window.faded = [];
        const note = ({ target }) => {
            if (target.classList?.contains('state--new')) faded.push(target.closest('[data-step]')?.dataset.step);
        };
        new MutationObserver((all) => all.forEach(note)).observe(
            document.querySelector('main'), { subtree: true, attributes: true, attributeFilter: ['class'] });
    }""")
    seeded.hand(f"{SEED}move_step", number=run, name="train", status="completed")
    page.wait_for_selector('[data-step="train"] .state[data-status="completed"]')
    page.wait_for_function("() => faded.length")
    assert set(page.evaluate("() => faded")) == {"train"}

"""Capabilities 28 to 30: pages anybody can use, whose times say their zone, light, and read without scripts."""

from __future__ import annotations

import gzip
import re
from itertools import pairwise

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.e2e.dashboard.visits import SHIFTS, every_page

LIVE = '#connection[data-state="live"]'
#: what counts as text and state at a glance: a mark, and words beside it
UNSAID = """() => [...document.querySelectorAll("main .state[data-status]:not([data-status=''])")]
    .filter((state) => state.getClientRects().length)
    .filter((state) => !(state.parentElement.textContent.trim() && state.querySelector("svg")))
    .map((state) => state.outerHTML)"""
#: every time of a page: what it says when pointed at, what is written out, and the zone logs are shown in
TIMES = """() => ({
    titles: [...document.querySelectorAll("main time[title]")].map((time) => time.title),
    text: document.querySelector("main").innerText,
    zones: [...document.querySelectorAll("[zone]")].map((log) => log.getAttribute("zone")),
})"""
EXACT = re.compile(r"\d\d:\d\d(?::\d\d)? [A-Z]{3,4}\b")
MOVING = "() => document.getAnimations().filter((one) => one.playState === 'running').length"


def serious(page):
    """Return what axe finds that keeps somebody out: rule and element."""
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], one["nodes"][0]["html"][:160], one["nodes"][0].get("failureSummary", "")[:200])
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("scheme", "zoom", "palette"),
    [("light", 1, ""), ("dark", 1, ""), ("light", 2, ""), ("light", 1, "safe"), ("dark", 1, "safe")],
    ids=["light", "dark", "at 200 %", "light, colour-blind palette", "dark, colour-blind palette"],
)
def test_28_every_page_is_accessible(sign_in, seeded, scene, scheme, zoom, palette, record_property):
    # A page at 200 % is one half as wide.
    viewport = {"width": 1280 // zoom, "height": 800 // zoom}

    def open_page(role):
        page = sign_in(role, color_scheme=scheme, viewport=viewport, bypass_csp=True)
        if palette and role:
            page.goto("/me/")
            page.get_by_label("Colours of states").select_option(palette)
            page.get_by_role("button", name="Save", exact=True).click()
            page.get_by_text("Saved.").wait_for()
            assert page.locator("html").get_attribute("data-palette") == palette
        return page

    wrong, n_pages = {}, 0
    for name, page in every_page(scene, seeded.hand, open_page):
        if found := serious(page):
            wrong[name] = found
        # In grey, or read aloud, a state is a mark and a word.
        if unsaid := page.evaluate(UNSAID):
            wrong[f"{name}: states"] = unsaid
        n_pages += 1
    record_property("pages looked at with axe", n_pages)
    assert wrong == {}, "\n".join(f"{name}: {found}" for name, found in wrong.items())


@pytest.mark.timeout(120)
def test_28_a_rerun_is_made_by_keys_alone(page, scene):
    page.goto(scene["run-failed"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    tab_to(page, "Rerun from what failed")
    page.keyboard.press("Enter")
    page.wait_for_url("**/rerun/**")
    tab_to(page, "Rerun")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/runs/\d+/$"))
    # What opens over the page gives the focus back.
    page.wait_for_selector(LIVE, state="attached")
    page.keyboard.press("Tab")
    before = page.evaluate("document.activeElement.outerHTML")
    page.keyboard.press("Control+k")
    page.locator("dialog.palette[open]").wait_for()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.outerHTML") == before


def tab_to(page, words):
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == words:
            return
    raise AssertionError(f"Tab never came to {words}")


@pytest.mark.timeout(120)
def test_28_what_moves_is_announced_seldom_and_nothing_moves_for_who_wants_none(sign_in, seeded, scene):
    page = sign_in(reduced_motion="reduce")
    page.goto(scene["run-running"])
    assert page.evaluate(MOVING) == 0
    page.goto("/runs/")
    page.wait_for_selector(LIVE, state="attached", timeout=30_000)
    page.evaluate("scrollTo(0, 600)")
    page.evaluate("""() => { window.said = []; new MutationObserver(() => {
        const text = document.getElementById("announcements")?.textContent;
        if (text && text !== said.at(-1)?.[1]) said.push([performance.now(), text]);
    }).observe(document.body, { childList: true, subtree: true, characterData: true }) }""")
    for _ in range(6):
        seeded.hand("tests.e2e.dashboard.seed:new_runs", n=2)
        page.wait_for_timeout(1500)
    page.get_by_role("button", name="12 new runs").wait_for()
    page.wait_for_function("() => said.at(-1)?.[1] === '12 new runs'", timeout=15_000)
    said = page.evaluate("said")
    assert 2 <= len(said) <= 3
    assert all(later[0] - sooner[0] > 9_000 for sooner, later in pairwise(said))


@pytest.mark.timeout(120)
def test_29_times_are_in_the_zone_the_person_chose(sign_in, seeded, scene):
    # The browser sits in New York, the person chose Tokyo.
    page = sign_in(timezone_id="America/New_York")
    page.goto("/me/")
    page.locator("[name=time_zone]").fill("Asia/Tokyo")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved.").wait_for()
    page.goto(scene["run-failed"])
    began = page.locator(".run-head time").first
    assert "JST" in began.inner_text()
    title = began.get_attribute("title")
    assert re.search(r"\d\d:\d\d:\d\d UTC", title)
    assert "JST" in title
    assert "ago" in title or "just now" in title
    # The top bar flips the page, and offers the browser's own zone.
    page.goto(scene["run-failed"])
    page.locator(".zone summary").click()
    page.get_by_role("button", name="America/New_York (this browser)").click()
    page.locator(".run-head time", has_text=re.compile("E[SD]T")).first.wait_for()


@pytest.mark.timeout(300)
def test_29_every_page_tells_every_time_in_that_zone(sign_in, seeded, scene, record_property):
    pages = {}

    def open_page(role):
        page = pages[role] = sign_in(role, timezone_id="America/New_York")
        if role:
            page.goto("/me/")
            page.locator("[name=time_zone]").fill("Asia/Tokyo")
            page.get_by_role("button", name="Save", exact=True).click()
            page.get_by_text("Saved.").wait_for()
        return page

    wrong, n_times = {}, 0
    for name, page in every_page(scene, seeded.hand, open_page):
        found = page.evaluate(TIMES)
        others = set() if "schedule" in name else {"UTC", "CET", "CEST"}
        bad = [title for title in found["titles"] if not ("JST" in title and "UTC" in title)]
        bad += [text for text in EXACT.findall(found["text"]) if text.split()[-1] in others | {"EST", "EDT"}]
        bad += [zone for zone in found["zones"] if zone != "Asia/Tokyo"]
        if bad:
            wrong[name] = bad[:5]
        n_times += len(found["titles"])
    record_property("times looked at", n_times)
    assert wrong == {}
    assert n_times > 300


@pytest.mark.timeout(120)
def test_29_the_preview_of_a_schedule_is_right_where_clocks_change(sign_in, scene):
    page = sign_in("operator")
    page.goto("/me/")
    page.locator("[name=time_zone]").fill("Asia/Tokyo")
    page.get_by_role("button", name="Save", exact=True).click()
    slug = scene["pipeline"].split("/")[2]
    page.goto(f"/schedules/new/?pipeline={slug}")
    page.get_by_label("Name", exact=True).fill("over the change")
    page.get_by_label("Cron expression").fill("30 9 * * *")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    # Clocks go forward on 28 March 2027.
    page.get_by_label("Not before").fill("2027-03-26T00:00")
    page.get_by_role("button", name=re.compile("^(Save|Make|Add|Create)")).click()
    page.get_by_role("heading", name="Next times").wait_for()
    rows = page.locator("section[aria-labelledby=next] tbody tr").all_inner_texts()
    shown = [re.findall(r"\d\d:\d\d", row) for row in rows]
    assert [row[:3] for row in shown] == [
        ["17:30", "08:30", "09:30"],
        ["17:30", "08:30", "09:30"],
        ["16:30", "07:30", "09:30"],
        ["16:30", "07:30", "09:30"],
        ["16:30", "07:30", "09:30"],
    ]


@pytest.mark.timeout(300)
def test_30_every_page_reads_without_scripts_and_fits_a_phone(sign_in, seeded, scene, record_property):
    def open_page(role):
        return sign_in(role, java_script_enabled=False, viewport={"width": 375, "height": 700})

    # Home and the list show the newest runs there are, whoever made them.
    newest = f"#{seeded.hand('tests.e2e.dashboard.scene:running')['number']}"
    plain = {"home": newest, "runs": newest, "run-failed": "ValueError", "pipelines": "embed-reviews"}
    wide, n_pages = [], 0
    for name, page in every_page(scene, seeded.hand, open_page):
        words = page.locator("main").inner_text()
        assert plain.get(name, "") in words
        assert "Loading" not in words
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(name)
        n_pages += 1
    record_property("pages at 375 px without scripts", n_pages)
    assert wide == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("width", [1280, 375], ids=["desk", "phone"])
def test_30_no_page_shifts_while_it_loads(sign_in, seeded, scene, width, record_property):
    def open_page(role):
        page = sign_in(role, viewport={"width": width, "height": 800})
        page.add_init_script(f"({SHIFTS})()")
        return page

    shifts = {}
    for name, page in every_page(scene, seeded.hand, open_page):
        # What scripts change is done in the first frames.
        page.wait_for_timeout(60)
        shifts[name] = page.evaluate("window.shifted")
    worst = max(shifts, key=shifts.get)
    record_property("worst layout shift", f"{shifts[worst]:.3f} ({worst})")
    assert shifts[worst] < 0.02, shifts


@pytest.mark.timeout(120)
def test_30_scripts_are_small_and_ours_alone(page, seeded, scene, record_property):
    asked = []
    page.on("request", lambda request: asked.append(request))
    for name in ("runs", "run-running", "log", "run-failed"):
        page.goto(scene[name])
        page.wait_for_load_state("networkidle")
    scripts = {request.url for request in asked if request.resource_type == "script"}
    size = sum(len(gzip.compress(page.request.get(url).body())) for url in scripts) / 1000
    record_property("scripts, gzipped (kB)", f"{size:.1f} in {len(scripts)} files")
    assert 10 < size < 150
    assert {request.url for request in asked if not request.url.startswith((seeded.url, "data:"))} == set()


def test_30_title_and_icon_show_the_state_of_a_run(page, seeded):
    run = seeded.hand("tests.e2e.dashboard.scene:running")
    page.goto(f"/runs/{run['number']}/")
    page.wait_for_selector(LIVE, state="attached")
    before = (page.title(), page.locator("#favicon").get_attribute("href"))
    seeded.hand("tests.e2e.dashboard.scene:end", run=run["id"], status="failed")
    page.wait_for_function("before => document.title !== before", arg=before[0])
    assert page.locator("#favicon").get_attribute("href") != before[1]
    assert page.title() != before[0]

"""Capabilities 3, 4, 18 and 19: logs and pages that move, one socket, and a connection that says how it is."""

from __future__ import annotations

import os
import re
import statistics
import threading
import time

import pytest

from tests.e2e.dashboard.conftest import is_quiet

SEED = "tests.e2e.dashboard.log_seed"
#: the figure in docs/dashboard.md is for 20
TAIL_SECONDS = int(os.environ.get("STEPWELL_TEST_TAIL_SECONDS", "5"))
RATE = 200
#: notes for each line when it was first in the page, in ms since it was written
WATCH_ROWS = r"""() => { window.ages = new Map();
    const look = (row) => { const match = /tick (\d+) at (\d+)/.exec(row.textContent);
        if (match && !ages.has(match[1])) ages.set(match[1], Date.now() - Number(match[2])); };
    new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach((node) => look(node))))
        .observe(document.querySelector(".log__rows"), { childList: true }) }"""
WATCH_TASKS = """() => { window.busy = 0; new PerformanceObserver((list) => {
    for (const task of list.getEntries()) window.busy += task.duration;
}).observe({ type: "longtask" }) }"""
TURN_AWAY = """(isAway) => { Object.defineProperty(document, "hidden", { get: () => isAway, configurable: true });
    document.dispatchEvent(new Event("visibilitychange")) }"""
STORED = """(n) => { const { store } = document.querySelector("log-view"); const found = [];
    for (let line = 1; line <= n; line += 1) found.push(/<span>(.*?)<.span>/.exec(store.get(line) ?? "")?.[1] ?? "");
    return found }"""


@pytest.fixture
def running(seeded):
    return seeded.hand(f"{SEED}:running")


@pytest.fixture
def write(seeded, running):
    def write_text(text):
        return seeded.hand("tests.live.seed:print_lines", run=running["run"], attempt=running["attempt"], text=text)

    return write_text


@pytest.fixture
def printing(seeded, running):
    """Return what prints numbered lines from another process, at a pace; call ``join`` on what it returns."""
    hands = []

    def start(lines, *, first=1):
        hand = seeded.new_hand()
        hands.append(hand)
        ids = {"run": running["run"], "attempt": running["attempt"]}
        work = threading.Thread(
            target=lambda: hand(f"{SEED}:print_steadily", **ids, lines=lines, a_second=RATE, first=first)
        )
        work.start()
        return work

    yield start
    for hand in hands:
        hand.close()


def watch(page, run):
    page.goto(f"/runs/{run['number']}/logs/train/1/")
    page.locator("log-view[data-first]").wait_for(state="attached")
    expect_state(page, "live")


def expect_state(page, state, *, seconds=10.0):
    page.wait_for_selector(f'#connection[data-state="{state}"]', state="attached", timeout=1000 * seconds)


def wait_until(page, check, *, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "never true"
        page.wait_for_timeout(20)
    return found


def n_lines(page):
    return page.evaluate("document.querySelector('log-view').lines")


def is_at_end(page):
    return page.evaluate("""() => { const { scrollTop, clientHeight, scrollHeight } = document.querySelector(".log");
        return scrollHeight - scrollTop - clientHeight < 2 }""")


def ticks(page, n):
    """Return the numbers of the lines the viewer holds, which it would show in this order."""
    return [int(re.match(r"tick (\d+)", text)[1]) if text else 0 for text in page.evaluate(STORED, n)]


def expect_every_tick(page, n):
    # How many lines there are may be known, from the outline, a moment before the socket brings the last of them.
    wait_until(page, lambda: ticks(page, n) == list(range(1, n + 1)))


@pytest.mark.timeout(120)
def test_03_the_tail_is_quick_and_yields_to_the_reader(page, running, write, printing, record_property):
    watch(page, running)
    page.evaluate(WATCH_ROWS)
    total = RATE * TAIL_SECONDS
    printing(total).join()
    wait_until(page, lambda: n_lines(page) == total)
    assert is_at_end(page)
    ages = page.evaluate("[...ages.values()]")
    late = statistics.quantiles(ages, n=20)[-1]
    record_property("3 from write to page, 95 of 100 within", f"{late:.0f} ms of {len(ages)} lines seen")
    assert len(ages) > total / 4
    if is_quiet():
        assert late < 500

    # A page up: what is read stays, and what comes is counted.
    page.locator(".log").hover()
    page.mouse.wheel(0, -400)
    page.wait_for_timeout(150)
    first = page.get_attribute("log-view", "data-first")
    printing(100, first=total + 1).join()
    page.get_by_role("button", name="100 new lines").wait_for()
    assert page.get_attribute("log-view", "data-first") == first
    page.locator(".log").focus()
    page.keyboard.press("End")
    wait_until(page, lambda: is_at_end(page))
    assert page.locator(".log__pill").count() == 0
    write("tick 999999 at 0\n")
    page.locator(".log >> text=tick 999999").wait_for()
    assert is_at_end(page)
    expect_every_tick(page, total + 100)


def test_04_a_running_step_shows_what_it_printed_before(page, running, write, printing):
    write("".join(f"tick {n} at 0\n" for n in range(1, 5001)))
    watch(page, running)
    page.locator("#L5000 >> text=tick 5000 at").wait_for()
    page.locator(".log").focus()
    page.keyboard.press("Home")
    page.locator("#L1 >> text=tick 1 at").wait_for()
    work = printing(100, first=5001)
    page.keyboard.press("End")
    work.join()
    page.locator("#L5100 >> text=tick 5100 at").wait_for()
    numbers = page.eval_on_selector_all(".log .line", "rows => rows.map(row => Number(row.id.slice(1)))")
    assert numbers == list(range(numbers[0], 5101))


@pytest.mark.timeout(120)
def test_18_one_socket_four_updates_a_second_and_silence_when_idle(page, seeded, record_property):
    run = seeded.hand(f"{SEED}:many_running", n=50)
    sockets, requests = [], []
    page.on("websocket", lambda socket: sockets.append(socket))
    watch(page, run)
    page.on("request", lambda request: requests.append(request.url))
    page.wait_for_timeout(2500)
    assert requests == []

    page.evaluate(WATCH_TASKS)
    before = int(page.get_attribute("log-view", "data-updates") or 0)
    hand = seeded.new_hand()
    hand("tests.live.seed:number_of", run=run["run"])
    seconds = 6.0
    work = threading.Thread(
        target=lambda: hand(f"{SEED}:stir", run=run["run"], attempts=run["attempts"], seconds=seconds)
    )
    work.start()
    page.wait_for_timeout(1000 * (seconds - 1))
    applied = int(page.get_attribute("log-view", "data-updates")) - before
    busy = page.evaluate("busy") / (10 * (seconds - 1))
    record_property("18 updates a second, long tasks", f"{applied / (seconds - 1):.1f}, {busy:.1f} %")
    assert 1 <= applied <= 4 * seconds
    assert len(sockets) == 1

    # Out of sight nothing is applied or asked for; back again, one look catches up.
    page.evaluate(TURN_AWAY, True)
    page.wait_for_timeout(300)
    still = (page.get_attribute("log-view", "data-updates"), len(requests))
    work.join()
    seeded.hand("tests.live.seed:print_lines", run=run["run"], attempt=run["attempts"][0], text="while away\n")
    page.wait_for_timeout(600)
    assert (page.get_attribute("log-view", "data-updates"), len(requests)) == still
    page.evaluate(TURN_AWAY, False)
    page.locator(".log >> text=while away").wait_for()
    assert len([url for url in requests[still[1] :] if "/outline" in url]) == 1
    hand.close()
    if is_quiet():
        assert busy < 5


@pytest.mark.timeout(120)
def test_19_the_connection_says_how_it_is_and_resumes_without_a_gap(page, running, write, printing, record_property):
    watch(page, running)
    write("tick 1 at 0\n")
    page.locator("#L1").wait_for()
    work = printing(3 * RATE, first=2)
    page.wait_for_timeout(500)
    began = time.monotonic()
    page.context.set_offline(True)
    expect_state(page, "reconnecting", seconds=3)
    record_property("19 the page says Reconnecting after", f"{time.monotonic() - began:.2f} s")
    # What had come before the cut is drawn within a quarter of a second.
    page.wait_for_timeout(400)
    kept = n_lines(page)
    page.wait_for_timeout(1500)
    assert n_lines(page) == kept >= 1
    page.context.set_offline(False)
    expect_state(page, "live")
    work.join()
    wait_until(page, lambda: n_lines(page) == 3 * RATE + 1)
    expect_every_tick(page, 3 * RATE + 1)


def test_19_a_page_far_behind_still_reaches_every_line(page, running, write):
    write("first\n")
    watch(page, running)
    page.context.set_offline(True)
    expect_state(page, "reconnecting")
    lines = 100_000
    for start in range(0, lines, 20_000):
        write("".join(f"tick {n} {'y' * 90}\n" for n in range(start + 2, start + 20_002)))
    page.context.set_offline(False)
    expect_state(page, "live")
    wait_until(page, lambda: n_lines(page) == lines + 1)
    page.locator(f"#L{lines + 1} >> text=tick {lines + 1} ").wait_for()
    page.goto(f"{page.url}#L50000")
    page.locator("#L50000 >> text=tick 50000 ").wait_for()


def test_19_a_page_whose_log_is_gone_says_it_is_stale(page, seeded, running, write):
    write("first\nsecond\n")
    watch(page, running)
    page.locator("#L2").wait_for()
    page.context.set_offline(True)
    expect_state(page, "reconnecting")
    seeded.hand(f"{SEED}:begin_log_again", run=running["run"], attempt=running["attempt"])
    page.context.set_offline(False)
    expect_state(page, "stale")
    page.get_by_role("link", name="Stale: reload").click()
    page.locator("#L1 >> text=other").wait_for()
    expect_state(page, "live")

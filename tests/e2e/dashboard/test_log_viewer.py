"""Capabilities 1, 2 and 5 to 9: any line of any log, found, coloured, filtered, linked, folded and kept."""

from __future__ import annotations

import hashlib
import re
import shutil
import time
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.dashboard import log_seed
from tests.e2e.dashboard.conftest import is_quiet
from tests.plugins.server import FLAGS, Server

SEED = "tests.e2e.dashboard.log_seed"
ROWS = ".log .line"
BROKE = "ERROR it broke\n"
#: the numbers of the rows of which any part is in view
IN_VIEW = """() => { const box = document.querySelector(".log").getBoundingClientRect();
    return [...document.querySelectorAll(".log .line")].filter((row) => { const at = row.getBoundingClientRect();
        return at.bottom > box.top + 1 && at.top < box.bottom - 1 }).map((row) => Number(row.id.slice(1))) }"""
#: whether a person sees it: it is what a click in its middle would hit
IS_ON_TOP = """(element) => { const box = element.getBoundingClientRect();
    return element.contains(document.elementFromPoint(box.x + box.width / 4, box.y + box.height / 2)) }"""
TO_THE_MIDDLE = (
    "() => { const b = document.querySelector('.log'); b.scrollTop = (b.scrollHeight - b.clientHeight) / 2 }"
)
MANY_GROUPS = "".join(
    f"--- group {group}\n{''.join(f'work {group}.{n}{chr(10)}' for n in range(9))}{BROKE if group == 17 else ''}"
    for group in range(1, 21)
)
TRACEBACK = (
    "before\nTraceback (most recent call last):\n"
    + "".join(f'  File "deep.py", line {n}, in call\n    call({n})\n' for n in range(60))
    + "ValueError: shapes (32,10) and (32,12)\nafter\n"
)
COLOURED = (
    "\x1b[31mbasic red\x1b[0m\n\x1b[38;5;208mof 256\x1b[0m\n\x1b[38;2;1;200;30mtrue\x1b[0m \x1b[1mbold\x1b[0m\n"
    + "".join(f"\rtraining {n:3d}%|{'#' * (n // 10):<10}|" for n in range(1, 101))
    + "\n<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>\n"
    + "see https://example.org/runs?a=1 for more\n"
)


@pytest.fixture(scope="session")
def million(seeded):
    return seeded.hand(f"{SEED}:million_lines")


@pytest.fixture
def log(seeded, page):
    """Return what opens a log with a text of its own and gives the page."""

    def open_log(text, *, hash="", query="", **how):
        ids = seeded.hand(f"{SEED}:log_of", text=text, **how)
        page.goto(f"/runs/{ids['number']}/logs/train/1/{query}{hash}")
        page.locator("log-view[data-first]").wait_for()
        return page

    return open_log


def wait_until(page, check, *, seconds=10.0):
    """Return what ``check()`` returns once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "never true"
        page.wait_for_timeout(20)
    return found


def numbers(page):
    return page.eval_on_selector_all(ROWS, "rows => rows.map(row => Number(row.id.slice(1)))")


def texts(page):
    return page.eval_on_selector_all(f"{ROWS} > span", "spans => spans.map(span => span.textContent)")


def count(page):
    return page.locator("[data-part=count]").inner_text()


def visible(page):
    """Return the numbers of the rows a person sees whole."""
    return page.evaluate("""() => { const box = document.querySelector(".log").getBoundingClientRect();
        return [...document.querySelectorAll(".log .line")].filter((row) => { const at = row.getBoundingClientRect();
            return at.top >= box.top - 1 && at.bottom <= box.bottom + 1 }).map((row) => Number(row.id.slice(1))) }""")


def address(run):
    return f"/runs/{run['number']}/logs/train/1/"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("scale", [1, 2])
def test_01_any_of_a_million_lines_is_reached(seeded, million, browser, scale, record_property):
    person = seeded.hand("tests.live.seed:sign_in")
    flags = [*FLAGS, f"--force-device-scale-factor={scale}", "--enable-precise-memory-info"]
    scaled = browser.browser_type.launch(executable_path=_program(), args=flags)
    try:
        context = scaled.new_context(base_url=seeded.url, viewport={"width": 1280, "height": 800})
        context.add_cookies([{"name": Server.cookie, "value": person["session"], "url": seeded.url}])
        page = context.new_page()
        page.goto("/runs/?none")
        best = min(_open_last_line(page, million) for _ in range(3))
        rows, heap = page.locator(ROWS).count(), page.evaluate("performance.memory.usedJSHeapSize") / 1e6
        assert visible(page)[-1] == 1_000_000

        page.evaluate(TO_THE_MIDDLE)
        middle = wait_until(page, lambda: _first_shown(page, below=900_000))
        # Keys and the wheel move by rows here too, though one pixel of the scrollbar stands for more.
        page.mouse.move(800, 600)
        page.mouse.wheel(0, 100)
        after = wait_until(page, lambda: _first_shown(page, below=900_000, other_than=middle))
        record_property(f"1 at scale {scale}", f"{best:.2f} s, {rows} rows, {heap:.1f} MB, middle is line {middle:,}")
        assert rows <= 200
        assert heap < 60
        assert abs(middle - 500_000) <= 5000
        assert 0 < after - middle <= 10
        if is_quiet():
            assert best < 1.5
    finally:
        scaled.close()


def _program():
    return shutil.which("chromium") or shutil.which("chromium-browser")


def _open_last_line(page, million):
    page.goto("about:blank")
    begin = time.perf_counter()
    page.goto(f"{address(million)}#L1000000", wait_until="commit")
    page.locator(f"log-view[data-first] {ROWS} >> text=line 1000000").wait_for()
    return time.perf_counter() - begin


def _first_shown(page, *, below, other_than=0):
    shown = [int(text.split()[1]) for text in texts(page) if text.startswith("line ")]
    first = int(page.get_attribute("log-view", "data-first"))
    return first if first < below and first in shown and first != other_than else 0


@pytest.mark.timeout(120)
def test_02_search_counts_exactly_and_goes_to_every_hit(page, million, record_property):
    page.goto(address(million))
    page.locator("log-view[data-first]").wait_for()
    page.keyboard.press("Control+f")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.insert_text("needle")
    begin = time.perf_counter()
    wait_until(page, lambda: count(page) == "1 of 1,922")
    took = time.perf_counter() - begin
    record_property("2 the count is there after", f"{took:.2f} s")
    page.locator("#L520.is-current").wait_for()

    page.keyboard.press("Shift+Enter")
    wait_until(page, lambda: count(page) == "1,922 of 1,922")
    last = page.locator(".line.is-current")
    assert int(last.get_attribute("id")[1:]) == 1922 * 520
    wait_until(page, lambda: f"line {1922 * 520} Needle" in last.inner_text())
    page.keyboard.press("Enter")
    page.locator("#L520.is-current").wait_for()

    page.get_by_label("Capital letters matter").check()
    wait_until(page, lambda: count(page) == "1 of 961")
    page.get_by_label("Regular expression").check()
    page.locator(".log-bar [name=q]").fill("line [0-9]*20 [nN]eedle x")
    wait_until(page, lambda: count(page) == f"1 of {sum(n % 100 == 20 for n in range(520, 1922 * 520 + 1, 520)):,}")
    page.locator(".log-bar [name=q]").fill("(a")
    wait_until(page, lambda: "is not a regular expression" in count(page))
    if is_quiet():
        assert took < 2


def test_02_a_pattern_that_would_never_end_is_cut_short(log):
    page = log("a" * 60 + "!\n", query="?q=(a%2B)%2B%24&re=1")
    wait_until(page, lambda: "took too long" in count(page), seconds=20)


def test_05_colours_bars_markup_and_links(log):
    page = log(COLOURED)
    colours = page.eval_on_selector_all(
        f"{ROWS} > span > span", "spans => spans.map(span => [span.textContent, getComputedStyle(span).color])"
    )
    assert dict(colours)["of 256"] == "rgb(255, 135, 0)"
    assert dict(colours)["true"] == "rgb(1, 200, 30)"
    assert page.locator(".a31", has_text="basic red").evaluate("e => getComputedStyle(e).color") not in {
        page.locator("#L6 > span").evaluate("e => getComputedStyle(e).color")
    }
    assert page.locator(".a1", has_text="bold").evaluate("e => getComputedStyle(e).fontWeight") == "700"
    bars = [text for text in texts(page) if text.startswith("training")]
    assert bars == ["training 100%|##########|"]
    assert "<img src=x onerror=" in page.inner_text("#L5")
    assert page.locator(".log img, .log script").count() == 0
    assert "owned" not in page.title()
    link = page.locator("#L6 a:not(.no)")
    assert link.get_attribute("href") == "https://example.org/runs?a=1"
    assert "noopener" in link.get_attribute("rel")


def test_06_levels_filter_with_counts_in_the_address(log):
    lines = ["ERROR bad" if n in {30, 90, 200} else "WARNING hm" if n % 50 == 0 else "plain" for n in range(1, 301)]
    page = log("\n".join(lines) + "\n[stepwell] attempt ended\n")
    assert page.locator("[data-count=error]").inner_text() == "3"
    assert page.locator("[data-count=warning]").inner_text() == "5"

    page.get_by_role("checkbox", name="Errors").check()
    wait_until(page, lambda: numbers(page) == [30, 90, 200])
    assert page.url.endswith("?level=error")
    page.reload()
    wait_until(page, lambda: numbers(page) == [30, 90, 200])
    page.get_by_role("checkbox", name="Errors").uncheck()
    wait_until(page, lambda: len(numbers(page)) > 3)
    page.go_back()
    wait_until(page, lambda: numbers(page) == [30, 90, 200])
    page.go_forward()
    page.get_by_label("Who wrote it").select_option("stepwell")
    wait_until(page, lambda: numbers(page) == [301])
    page.get_by_label("Who wrote it").select_option("")
    wait_until(page, lambda: len(numbers(page)) > 3)

    page.locator(".log").focus()
    page.keyboard.press("Home")
    seen = []
    for _ in range(4):
        page.get_by_role("button", name="Next of errors").click()
        wait_until(page, lambda: page.url.partition("#L")[2] not in ["", *seen[-1:]])
        seen.append(page.url.partition("#L")[2])
        assert int(seen[-1]) in visible(page)
    assert seen == ["30", "90", "200", "30"]
    page.get_by_role("button", name="Previous of errors").click()
    wait_until(page, lambda: page.url.endswith("#L200"))


def test_07_a_range_of_lines_is_a_link_and_is_copied_without_numbers(log, page, sign_in):
    page = log("".join(f"row {n} \x1b[32mok\x1b[0m\n" for n in range(1, 501)), hash="#L120")
    page.locator("#L120.is-picked").wait_for()
    page.locator("#L120 .no").click()
    page.locator("#L140").scroll_into_view_if_needed()
    page.locator("#L140 .no").click(modifiers=["Shift"])
    assert page.url.endswith("#L120-L140")

    other = sign_in(role="viewer", permissions=["clipboard-read", "clipboard-write"])
    other.goto(page.url)
    other.locator("#L120.is-picked").wait_for()
    assert set(range(120, 130)) <= set(visible(other))
    picked = other.eval_on_selector_all(".line.is-picked", "rows => rows.map(row => Number(row.id.slice(1)))")
    assert picked == [n for n in numbers(other) if 120 <= n <= 140]
    other.get_by_role("button", name="Copy 21 lines").click()
    other.get_by_role("button", name="Copied").wait_for()
    assert other.evaluate("navigator.clipboard.readText()") == "\n".join(f"row {n} ok" for n in range(120, 141))


@pytest.mark.timeout(180)
def test_08_downloads_are_exact_and_need_no_memory(seeded, million, record_property):
    person = seeded.hand("tests.live.seed:sign_in")
    process = Path(f"/proc/{seeded.process.pid}")

    def fetch(part, take):
        request = urllib.request.Request(f"{seeded.url}{address(million)}{part}")
        request.add_header("Cookie", f"{Server.cookie}={person['session']}")
        with urllib.request.urlopen(request, timeout=120) as answer:
            while chunk := answer.read(1 << 18):
                take(chunk)

    fetch("raw?from=1&to=5", lambda chunk: None)
    before = _kilobytes(process, "VmRSS")
    (process / "clear_refs").write_text("5")
    whole = hashlib.sha256()
    fetch("download", whole.update)
    lines = []
    fetch("download?q=Needle&case=1", lines.append)
    grown = (_kilobytes(process, "VmHWM") - before) / 1024
    record_property("8 the server grew by", f"{grown:.1f} MB for {million['size'] / 1e6:.0f} MB")

    assert whole.hexdigest() == million["sha256"]
    assert b"".join(lines) == b"".join(
        line for n in range(520, 1922 * 520 + 1, 520) if b"Needle" in (line := log_seed.million_line(n).encode())
    )
    assert grown < 30


def _kilobytes(process, name):
    return int(re.search(rf"{name}:\s+(\d+)", (process / "status").read_text())[1])


def test_09_groups_and_tracebacks_fold_and_the_failure_is_open(log):
    page = log(MANY_GROUPS, status="failed")
    page.locator(".log").focus()
    page.keyboard.press("Home")
    wait_until(page, lambda: "group 1" in texts(page))
    assert [text for text in texts(page) if text.startswith("group")] == [f"group {n}" for n in range(1, 21)]
    assert [text for text in texts(page) if text.startswith("work")] == [f"work 17.{n}" for n in range(9)]
    assert "ERROR it broke" in texts(page)
    page.get_by_role("button", name="Unfold 9 lines").first.click()
    wait_until(page, lambda: "work 1.0" in texts(page))


def test_09_a_traceback_shows_its_last_frame_and_opens_for_a_link_into_it(log):
    page = log(TRACEBACK)
    assert texts(page) == [
        "before",
        "Traceback (most recent call last):",
        '  File "deep.py", line 59, in call',
        "    call(59)",
        "ValueError: shapes (32,10) and (32,12)",
        "after",
    ]
    page.goto(f"{page.url}#L50")
    page.locator("#L50.is-picked").wait_for()
    assert "call(23)" in page.inner_text("#L50")


def test_a_log_without_lines_says_why(log):
    page = log("")
    words = page.get_by_text("It printed nothing.")
    assert words.evaluate(IS_ON_TOP)
    page = log("INFO one\n", query="?level=error")
    words = page.get_by_text("No line matches.")
    wait_until(page, lambda: words.is_visible() and words.evaluate(IS_ON_TOP))
    page.get_by_role("link", name="Show all lines").click()
    page.locator("#L1 >> text=one").wait_for()
    page.get_by_label("Warnings").first.check()
    wait_until(page, lambda: words.is_visible() and words.evaluate(IS_ON_TOP))


def test_logs_are_dark_on_a_light_page_for_who_wants_it(log):
    ground = "log => getComputedStyle(log).backgroundColor"
    page = log("INFO one\n")
    light = page.locator(".log").evaluate(ground)
    page.get_by_label("Dark").check()
    dark = page.locator(".log").evaluate(ground)
    assert lightness(dark) < 0.3 < 0.9 < lightness(light)
    # The choice is kept, also in the panel of a step.
    page.reload()
    assert page.locator(".log").evaluate(ground) == dark
    page.goto(page.url.partition("logs/")[0])
    page.locator("log-view[data-first]").wait_for()
    assert page.locator(".log").evaluate(ground) == dark


def lightness(colour):
    return float(re.match(r"oklch\(([\d.]+)", colour)[1])


def test_wrapped_lines_are_read_whole_from_the_first_to_the_last(log):
    lines = [f"row {n} {'word ' * (80 if n % 3 == 0 else 2)}end{n}" for n in range(1, 301)]
    page = log("\n".join(lines) + "\n")
    page.get_by_label("Wrap").check()
    box = page.locator(".log")
    wait_until(page, lambda: visible(page)[-1] == 300)
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
    assert page.locator("#L300").bounding_box()["height"] > 40
    box.focus()
    # Page by page no line is jumped over, however many rows it takes.
    seen = set(page.evaluate(IN_VIEW))
    for _ in range(60):
        page.keyboard.press("PageUp")
        page.wait_for_timeout(60)
        seen |= set(page.evaluate(IN_VIEW))
        if 1 in seen:
            break
    assert seen == set(range(1, 301))
    page.goto(f"{page.url}#L150")
    wait_until(page, lambda: 150 in visible(page))
    # The choice is kept.
    page.reload()
    wait_until(page, lambda: 150 in visible(page) and page.get_by_label("Wrap").is_checked())


def test_30_a_log_reads_without_scripts(seeded, million, sign_in):
    page = sign_in(role="viewer", java_script_enabled=False)
    page.goto(address(million))
    assert "line 1000000" in page.locator(".log .line").last.inner_text()
    page.get_by_role("link", name="Earlier").click()
    assert "line 999500" in page.locator(".log .line").last.inner_text()
    page.get_by_role("link", name="First").click()
    assert "line 1 " in page.locator(".log .line").first.inner_text()
    page.get_by_label("Find in this log").fill("needle")
    page.get_by_role("button", name="Find").click()
    assert "1922 lines match" in page.locator("[data-part=count]").inner_text()
    assert "line 520 needle" in page.locator(".log .line").first.inner_text()
    page.get_by_role("link", name="Later").click()
    assert f"line {201 * 520} " in page.locator(".log .line").first.inner_text()

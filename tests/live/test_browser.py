"""What a person sees move in a real browser, without a reload."""

from __future__ import annotations

import re
import time

import pytest

from tests.plugins.server import Server

DEADLINE = 10_000  # ms
AT_END = """(() => { const { scrollTop, clientHeight, scrollHeight } = document.querySelector("log-view .log");
    return scrollTop + clientHeight >= scrollHeight - 2 })()"""
COUNT_RELOADS = """() => { window.seen = 0;
    document.getElementById("part").addEventListener("live", () => { window.seen += 1 }) }"""


@pytest.fixture
def person(server):
    return server.hand("tests.live.seed:sign_in", role="operator")


@pytest.fixture
def ids(server):
    return server.hand("tests.live.seed:make_run")


@pytest.fixture
def page(browser, server, person):
    context = browser.new_context()
    context.add_cookies([{"name": Server.cookie, "value": person["session"], "url": server.url}])
    page = context.new_page()
    page.set_default_timeout(DEADLINE)
    page.troubles = []
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    page.on("dialog", lambda dialog: page.troubles.append(f"dialog {dialog.message}") or dialog.dismiss())
    page.on("console", lambda said: page.troubles.append(said.text) if "Content Security" in said.text else None)
    yield page
    troubles = page.troubles
    context.close()
    assert troubles == []


@pytest.fixture
def write(server, ids):
    def write_text(text):
        return server.hand("tests.live.seed:print_lines", run=ids["run"], attempt=ids["attempt"], text=text)

    return write_text


def show(page, server, body):
    """Open a page of ours that holds only ``body``, under the policy all pages have."""
    policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:"
    html = f"""<!doctype html><html><head><title>page</title>
        <link id="favicon" rel="icon" href="/static/icons/favicon-running.svg">
        <link rel="stylesheet" href="/static/css/components/state.css">
        <script type="module" src="/static/js/app.js"></script></head>
        <body data-socket="/ws/"><span id="connection" data-state="off"></span>{body}</body></html>"""
    page.route(
        "**/test-page/",
        lambda route: route.fulfill(body=html, content_type="text/html", headers={"Content-Security-Policy": policy}),
    )
    page.goto(f"{server.url}/test-page/")


def expect_state(page, state):
    page.wait_for_selector(f'#connection[data-state="{state}"]', state="attached")


def wait_until(page, expression):
    """Wait until the expression holds. Playwright's own wait is an eval, which the policy of our pages forbids."""
    deadline = time.monotonic() + DEADLINE / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"never true: {expression}"
        page.wait_for_timeout(20)


def line_numbers(page):
    return page.eval_on_selector_all("log-view .line", "lines => lines.map(line => Number(line.id.slice(1)))")


def show_run(page, server, ids):
    """Open the page of the run; its panel shows the log of the step that runs."""
    number = server.hand("tests.live.seed:number_of", run=ids["run"])
    page.goto(f"{server.url}/runs/{number}/")
    expect_state(page, "live")


def test_a_printed_line_appears_on_the_run_page_without_a_reload(page, server, ids, write):
    write("before the page\n")
    show_run(page, server, ids)
    page.wait_for_selector("text=before the page")
    page.evaluate("window.isTheSamePage = true")
    write("after the page\n")
    page.wait_for_selector("log-view .line >> text=after the page")
    assert page.evaluate("window.isTheSamePage")
    assert line_numbers(page) == [1, 2]


def test_the_run_page_shows_the_new_status_without_a_reload(page, server, ids):
    number = server.hand("tests.live.seed:number_of", run=ids["run"])
    page.goto(f"{server.url}/runs/{number}/")
    expect_state(page, "live")
    page.evaluate("window.isTheSamePage = true")
    server.hand("tests.live.seed:set_status", run=ids["run"], status="completed")
    page.wait_for_selector('#run-head .state[data-status="completed"]')
    wait_until(page, "document.getElementById('favicon').href.includes('completed')")
    assert page.evaluate("window.isTheSamePage")


def test_the_list_shows_a_new_run_without_a_reload(page, server):
    page.goto(f"{server.url}/runs/")
    expect_state(page, "live")
    page.evaluate("window.isTheSamePage = true")
    number = server.hand("tests.live.seed:number_of", run=server.hand("tests.live.seed:make_run")["run"])
    page.wait_for_selector(f"#runs-rows >> text=#{number}")
    assert page.evaluate("window.isTheSamePage")


def test_lines_are_safe_and_an_unfinished_one_is_replaced(page, server, ids, write):
    show_run(page, server, ids)
    write("<img src=x onerror=alert(1)><script>alert(2)</script>\n\x1b[31mred\x1b[0m 10%")
    page.wait_for_selector("#L2 >> text=red 10%")
    write("\r20%\nthird\n")
    page.wait_for_selector("#L3 >> text=third")
    # The number of lines may be asked for before the socket tells what the second one has become.
    wait_until(page, "document.querySelector('#L2 span').innerText === '20%'")
    assert "<script>alert(2)</script>" in page.inner_text("#L1")
    assert page.query_selector("log-view .log img, log-view .log script") is None
    assert line_numbers(page) == [1, 2, 3]


def test_the_log_stays_where_the_person_reads_and_counts_what_is_new(page, server, ids, write):
    show_run(page, server, ids)
    write("".join(f"line {number}\n" for number in range(1, 101)))
    page.wait_for_selector("#L100")
    wait_until(page, AT_END)
    page.evaluate("document.querySelector('log-view .log').scrollTop = 300")
    page.wait_for_selector("#L16")
    write("".join(f"line {number}\n" for number in range(101, 131)))
    page.wait_for_selector("button.pill >> text=30 new lines")
    assert page.evaluate("document.querySelector('log-view .log').scrollTop") == 300
    page.click("button.pill")
    page.wait_for_selector("#L130")
    wait_until(page, AT_END)
    assert page.query_selector("button.pill") is None
    shown = line_numbers(page)
    assert shown == list(range(shown[0], 131))


def test_any_line_of_a_long_log_is_reached_in_the_panel_and_found_by_its_words(page, server, ids, write):
    for start in range(0, 7000, 1000):
        write("".join(f"line {start + number}\n" for number in range(1, 1001)))
    show_run(page, server, ids)
    page.wait_for_selector("#L7000")
    assert len(line_numbers(page)) < 200
    page.evaluate("document.querySelector('log-view .log').scrollTop = 0")
    page.wait_for_selector("#L1 >> text=line 1")
    address = page.url
    page.fill("log-view [name=q]", "line 3500")
    page.wait_for_selector("[data-part=count] >> text=1 of 1")
    page.wait_for_selector("#L3500 >> text=line 3500")
    assert page.url == address


def test_a_tab_that_was_offline_goes_on_without_a_gap(page, server, ids, write):
    show_run(page, server, ids)
    write("one\n")
    page.wait_for_selector("#L1")
    page.context.set_offline(True)
    expect_state(page, "reconnecting")
    write("two\nthree\n")
    page.context.set_offline(False)
    expect_state(page, "live")
    write("four\n")
    page.wait_for_selector("#L4")
    assert line_numbers(page) == [1, 2, 3, 4]


def test_many_events_reload_the_parts_at_most_four_times_a_second(page, server, ids):
    part = '<div id="part" data-live></div><p data-live><b data-live></b></p>'
    show(page, server, f'<live-run run="{ids["run"]}" after="1">{part}</live-run>')
    page.evaluate("""() => { window.seen = { part: [], inner: 0 };
        document.getElementById("part").addEventListener("live", () => seen.part.push(performance.now()));
        document.querySelector("b").addEventListener("live", () => seen.inner++); }""")
    expect_state(page, "live")
    server.hand("tests.live.seed:tell", run=ids["run"], numbers=list(range(100)), each=0.01)
    wait_until(page, "document.querySelector('live-run').getAttribute('after') === '101'")
    moments = page.evaluate("seen.part")
    assert len(moments) > 4
    # from any one to the fourth after it is a second; timers may be a little off
    assert min(later - first for first, later in zip(moments, moments[4:], strict=False)) > 900
    assert page.evaluate("seen.inner") == 0


def test_a_hidden_tab_waits_and_catches_up_once_but_its_title_tells(page, server, ids):
    show(page, server, f'<live-run run="{ids["run"]}" after="1"><div id="part" data-live></div></live-run>')
    expect_state(page, "live")
    page.evaluate("""() => { window.seen = 0; window.away = true;
        document.getElementById("part").addEventListener("live", () => seen++);
        Object.defineProperty(document, "hidden", { get: () => window.away });
        document.dispatchEvent(new Event("visibilitychange")); }""")
    server.hand("tests.live.seed:tell", run=ids["run"], numbers=list(range(10)), each=0.05)
    server.hand("tests.live.seed:set_status", run=ids["run"], status="failed")
    wait_until(page, "document.title === '✗ page'")
    assert "favicon-failed" in page.get_attribute("#favicon", "href")
    assert page.evaluate("seen") == 0
    page.evaluate("away = false; document.dispatchEvent(new Event('visibilitychange'))")
    wait_until(page, "seen === 1")


def test_a_beat_moves_its_age(page, server, ids):
    old = "2020-01-01T00:00:00Z"
    beat = f'<beat-age at="{old}" late="1e12" lost="1e12"><span></span><b hidden></b></beat-age>'
    age = f'<p data-attempt="{ids["attempt"]}">{beat}</p>'
    show(page, server, f'<live-run run="{ids["run"]}" after="1">{age}</live-run>')
    assert re.fullmatch(r"\d+ d ago", page.inner_text("beat-age span"))
    expect_state(page, "live")
    server.hand("tests.live.seed:beat", attempt=ids["attempt"])
    wait_until(page, "/^(just now|[23] s ago)$/.test(document.querySelector('beat-age span').textContent)")


def test_new_runs_are_counted_while_the_person_is_down_the_list(page, server, ids):
    tall = '<svg width="10" height="5000"></svg>'
    show(page, server, f'<live-runs><div id="part" data-live><p data-run="{ids["run"]}"></p>{tall}</div></live-runs>')
    page.evaluate(COUNT_RELOADS)
    expect_state(page, "live")
    server.hand("tests.live.seed:tell", run=ids["run"], numbers=[1])
    wait_until(page, "seen > 0")
    page.evaluate("scrollTo(0, 1000)")
    before = page.evaluate("seen")
    server.hand("tests.live.seed:make_run")
    page.wait_for_selector("live-runs > button.pill", state="attached")
    assert page.evaluate("seen") == before
    page.click("live-runs > button.pill")
    wait_until(page, f"seen > {before} && scrollY === 0")
    assert page.query_selector("button.pill") is None


def test_one_tab_has_one_socket(page, server, ids, write):
    sockets = []
    page.on("websocket", lambda socket: sockets.append(socket))
    show_run(page, server, ids)
    write("on the same socket as the run\n")
    page.wait_for_selector("#L1")
    assert len(sockets) == 1

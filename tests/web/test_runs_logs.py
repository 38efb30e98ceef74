"""The log of one attempt: pages of lines with links, and the file as it is."""

from __future__ import annotations

from array import array

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from stepwell.accounts.models import User
from stepwell.engine import logindex
from stepwell.engine.logfile import LogWriter
from stepwell.runs.logs import log_path
from stepwell.runs.models import Run
from stepwell.web import log_view, run_log_whole
from tests import factories
from tests.web.page import Element, read

HOSTILE = "<script>alert(1)</script>"


def logged(text: str, *, status: str = "completed", name: str = "train") -> Run:
    run = factories.make_run(status=status)
    step = factories.make_step(run, name, status=status, attempts=False)
    factories.make_attempt(step, status=status, log=text)
    return run


def lines(page: Element) -> list[str]:
    return [line["id"] for line in page.all("div", class_="line")]


def content(client: Client, address: str) -> bytes:
    return b"".join(client.get(address).streaming_content)


def test_lines_have_numbers_links_levels_and_colours(as_charlie: Client) -> None:
    run = logged("plain\n\x1b[1;32mgood\x1b[0m\nERROR it broke\nsee https://example.org/x.\n")

    page = read(as_charlie.get(f"/runs/{run.number}/logs/train/1/"))

    assert lines(page) == ["L1", "L2", "L3", "L4"]
    assert page.one("div", id="L1").one("a")["href"] == "#L1"
    assert page.one("div", id="L2").one("span", class_="a1").text == "good"
    assert page.one("div", id="L3")["data-level"] == "error"
    assert page.one("div", id="L4").all("a")[1]["href"] == "https://example.org/x"
    assert "4 lines" in page.text


def test_markup_in_a_log_is_text(as_charlie: Client) -> None:
    run = logged(f"{HOSTILE}\n\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07\n")

    page = read(as_charlie.get(f"/runs/{run.number}/logs/train/1/"))

    assert page.one("div", id="L1").one("span").text == HOSTILE
    assert not [link for link in page.all("a") if link["href"].startswith("javascript:")]


def test_a_long_log_begins_at_its_end_and_is_paged(as_charlie: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_view, "PAGE_LINES", 100)
    run = logged("".join(f"line {number}\n" for number in range(1, 251)))
    address = f"/runs/{run.number}/logs/train/1/"

    end = read(as_charlie.get(address))
    assert (lines(end)[0], lines(end)[-1]) == ("L151", "L250")

    earlier = read(as_charlie.get(end.one("a", class_="btn", href=f"{address}?first=51")["href"]))
    assert (lines(earlier)[0], lines(earlier)[-1]) == ("L51", "L150")
    assert earlier.has("a", href=f"{address}?first=151")
    assert earlier.has("a", href=f"{address}?first=1")

    around = read(as_charlie.get(f"{address}?line=120"))
    assert "L120" in lines(around)


@pytest.mark.parametrize("query", ["first=0", "first=-5", "first=x", "first=" + "9" * 300, "line=0", "first=٣"])
def test_any_line_can_be_asked_for(as_charlie: Client, query: str) -> None:
    run = logged("one\ntwo\n")

    assert as_charlie.get(f"/runs/{run.number}/logs/train/1/?{query}").status_code == 200


def test_every_attempt_has_its_own_log_and_the_other_steps_are_a_link_away(as_charlie: Client) -> None:
    run = factories.make_run(status="failed")
    load = factories.make_step(run, "load", attempts=False)
    factories.make_attempt(load, log="from load\n")
    train = factories.make_step(run, "train", status="failed", attempts=False)
    factories.make_attempt(train, status="failed", log="first try\n")
    factories.make_attempt(train, status="failed", log="second try\n")

    page = read(as_charlie.get(f"/runs/{run.number}/logs/train/1/"))

    assert page.one("div", id="L1").text == "1 first try"
    steps = page.one("nav", aria_label="Logs of this run").all("a")
    assert [link.text for link in steps] == ["Whole run, by time", "Failed: train", "Completed: load"]
    attempts = page.one("nav", aria_label="Attempts").all("a")
    assert [link.text for link in attempts] == ["Failed: attempt 1", "Failed: attempt 2"]
    assert read(as_charlie.get(attempts[1]["href"])).one("div", id="L1").text == "1 second try"
    assert read(as_charlie.get(steps[2]["href"])).one("div", id="L1").text == "1 from load"


def test_the_raw_log_is_every_byte_as_plain_text(as_charlie: Client) -> None:
    text = "one\n\x1b[31mtwo\x1b[0m\n<b>three\n" * 20_000
    run = logged(text)

    response = as_charlie.get(f"/runs/{run.number}/logs/train/1/raw")

    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert b"".join(response.streaming_content) == text.encode()


def test_a_download_has_a_name_that_no_step_name_can_break(as_charlie: Client) -> None:
    run = logged("x\n", name='a"; x: ü')

    response = as_charlie.get(f"/runs/{run.number}/logs/a%22%3B%20x%3A%20%C3%BC/1/raw?download=1")

    assert response["Content-Disposition"] == f'attachment; filename="run-{run.number}-a___x___-1.log"'


def test_a_step_with_a_slash_in_its_name_has_a_log(as_charlie: Client) -> None:
    run = logged("hello\n", name="train/model")

    page = read(as_charlie.get(f"/runs/{run.number}/"))
    address = page.one("div", id="panel").one("span", class_="panel__acts").one("a")["href"]

    assert read(as_charlie.get(address)).one("div", id="L1").text == "1 hello"


def test_an_attempt_that_printed_nothing_says_so(as_charlie: Client) -> None:
    run = factories.make_run(status="completed", steps=["train"])

    page = read(as_charlie.get(f"/runs/{run.number}/logs/train/1/"))

    assert "It printed nothing." in page.text
    assert content(as_charlie, f"/runs/{run.number}/logs/train/1/raw") == b""


@pytest.mark.parametrize(
    "address", ["logs/nope/1/", "logs/train/2/", "logs/train/99999999999999999999/", "logs/nope/1/raw"]
)
def test_an_attempt_that_is_not_there_is_not_found(as_charlie: Client, address: str) -> None:
    run = logged("x\n")

    assert "has no attempt" in read(as_charlie.get(f"/runs/{run.number}/{address}"), status=404).text


@pytest.mark.parametrize("address", ["logs/train/1/", "logs/train/1/raw"])
def test_logs_need_a_person_and_answer_reads_only(as_bob: Client, client: Client, address: str) -> None:
    run = logged("secret plans\n")

    assert client.get(f"/runs/{run.number}/{address}")["Location"].startswith("/login/")
    assert as_bob.post(f"/runs/{run.number}/{address}").status_code == 405


def test_a_step_with_a_line_break_in_its_name_does_not_break_the_run_page(as_charlie: Client) -> None:
    run = logged("hello\n", status="failed", name="train\nmodel")

    page = read(as_charlie.get(f"/runs/{run.number}/"))

    assert "train model" in page.one("div", id="panel").text
    assert page.one("div", id="L1").text == "1 hello"


def test_a_served_log_is_sent_piece_by_piece(async_client: AsyncClient, charlie: User) -> None:
    """Served by ASGI, a log is an asynchronous stream: the server never holds it whole."""
    text = "line\n" * 200_000
    run = logged(text)

    async def pieces() -> list[bytes]:
        await async_client.aforce_login(charlie)
        response = await async_client.get(f"/runs/{run.number}/logs/train/1/raw")
        assert response.is_async
        return [piece async for piece in response.streaming_content]

    found = async_to_sync(pieces)()

    assert len(found) > 1
    assert b"".join(found) == text.encode()


def test_a_filter_in_the_address_leaves_only_its_lines(as_charlie: Client) -> None:
    run = logged("".join(f"{'ERROR' if n % 10 == 0 else 'fine'} {n}\n" for n in range(1, 101)))
    address = f"/runs/{run.number}/logs/train/1/"

    assert lines(read(as_charlie.get(f"{address}?level=error"))) == [f"L{n}" for n in range(10, 101, 10)]
    assert lines(read(as_charlie.get(f"{address}?q=FINE+7&find=1"))) == ["L7", *(f"L{n}" for n in range(71, 80))]
    assert lines(read(as_charlie.get(f"{address}?q=%5C+9%5B0-9%5D%24&re=1&find=1")))[-1] == "L99"
    assert "is not a regular expression" in read(as_charlie.get(f"{address}?q=(&re=1&find=1")).text


def test_the_viewer_gets_lines_hits_and_an_outline(as_charlie: Client) -> None:
    run = logged("--- one\nfirst\nERROR second\n--- two\nthird\n", status="failed")
    address = f"/runs/{run.number}/logs/train/1/"

    page = as_charlie.get(f"{address}lines?from=2&n=2").content.decode()
    assert ['id="L2"' in page, 'id="L3"' in page, 'id="L4"' in page] == [True, True, False]
    assert as_charlie.get(f"{address}lines?at=5,1").content.count(b"<div") == 2
    hits = as_charlie.get(f"{address}search?q=ir")
    assert (array("I", hits.content).tolist(), hits["Stepwell-Total"]) == ([2, 5], "2")
    assert as_charlie.get(f"{address}search?q=(&re=1").status_code == 422
    told = as_charlie.get(f"{address}outline").json()
    assert (told["lines"], told["levels"]["error"]) == (5, 1)
    assert told["folds"] == [["group", 1, 2, 3, True], ["group", 4, 5, 5, False]]
    assert content(as_charlie, f"{address}raw?from=2&to=3") == b"first\nERROR second\n"
    assert content(as_charlie, f"{address}download?level=error") == b"ERROR second\n"


@pytest.mark.parametrize("part", ["lines", "search", "outline", "download", "raw"])
@pytest.mark.parametrize("query", ["from=x&n=-1", "at=,,x,9999999999999999999", "q=%00&level=nope", "from=9&to=1"])
def test_what_the_viewer_asks_is_never_an_error_of_ours(as_charlie: Client, part: str, query: str) -> None:
    run = logged("one\ntwo\n")

    response = as_charlie.get(f"/runs/{run.number}/logs/train/1/{part}?{query}")

    assert response.status_code == 200
    assert b"".join(response) is not None


def test_the_whole_run_is_merged_by_time_with_steps_and_pages(
    as_charlie: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_log_whole, "PAGE_LINES", 10)
    run = factories.make_run(status="completed")
    attempts = [
        factories.make_attempt(factories.make_step(run, name, attempts=False), status="completed") for name in "ab"
    ]
    writers = [LogWriter(log_path(run.id, attempt.id)) for attempt in attempts]
    for turn in range(12):
        monkeypatch.setattr(logindex.time, "time", lambda turn=turn: 1_700_000_000 + turn * 0.5)
        writers[turn % 2].write(f"turn {turn} {HOSTILE}\nmore {turn}\n".encode())
        writers[turn % 2].flush()
    for writer in writers:
        writer.seal()

    pages = [page := read(as_charlie.get(f"/runs/{run.number}/logs/"))]
    while page.has("a", class_="btn") and (links := [link for link in page.all("a") if link.text == "Earlier"]):
        pages.insert(0, page := read(as_charlie.get(links[0]["href"])))

    rows = [row for page in pages for row in page.all("div", class_="line")]
    assert [row.all("span")[-1].text.split()[1] for row in rows] == [str(n // 2) for n in range(24)]
    assert [row.one("a").text for row in rows[:4]] == ["a", "a", "b", "b"]
    assert rows[2].one("a")["href"] == f"/runs/{run.number}/logs/b/1/#L1"
    assert rows[2].one("time").text == "22:13:20.500"
    assert HOSTILE in rows[2].text
    later = next(link for link in pages[0].all("a") if link.text == "Later")
    first = read(as_charlie.get(later["href"])).all("div", class_="line")[0]
    assert first.text == rows[4].text
    only = read(as_charlie.get(f"/runs/{run.number}/logs/?step=b&first=1")).all("div", class_="line")
    assert {row.one("a").text for row in only} == {"b"}


def test_the_whole_run_is_searched_across_steps_by_words_and_level(
    as_charlie: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_log_whole, "PAGE_LINES", 10)
    run = factories.make_run(status="completed")
    for name in "ab":
        step = factories.make_step(run, name, attempts=False)
        text = "".join(
            f"{'ERROR ' if n % 10 == 0 else ''}{name} row {n} {'Needle' if n % 4 == 0 else ''}\n" for n in range(60)
        )
        factories.make_attempt(step, status="completed", log=text)

    def found(query: str) -> list[str]:
        page = read(as_charlie.get(f"/runs/{run.number}/logs/{query}"))
        rows = [row.all("span")[-1].text.strip() for row in page.all("div", class_="line")]
        later = [link["href"] for link in page.all("a") if link.text == "Later"]
        return rows + (found(later[0].partition("/logs/")[2]) if later else [])

    needles = found("?q=needle")
    assert sorted(needles) == sorted(row for row in found("?first=1") if "Needle" in row)
    assert len(needles) == 30
    assert found("?q=needle&step=b") == [row for row in needles if " b " in f" {row} " or row.startswith("b ")]
    assert len(found("?level=error")) == 12
    assert len(found("?level=error&q=needle")) == 6
    assert found("?q=nothing-like-it") == []
    assert "No line matches" in read(as_charlie.get(f"/runs/{run.number}/logs/?q=nothing-like-it")).text


def test_a_search_of_the_whole_run_that_takes_too_long_says_so(
    as_charlie: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_log_whole, "SEARCH_SECONDS", -1.0)
    run = logged("one\ntwo\n")

    page = read(as_charlie.get(f"/runs/{run.number}/logs/?q=one"))

    assert "lines may be missing" in page.text
    assert "lines may be missing" not in read(as_charlie.get(f"/runs/{run.number}/logs/")).text


@pytest.mark.parametrize("query", ["from=1-2-3", "before=x", "step=%00", "from=99999999999999999-" + "f" * 32 + "-1"])
def test_any_place_in_a_whole_run_can_be_asked_for(as_charlie: Client, query: str) -> None:
    run = logged("one\n")

    assert as_charlie.get(f"/runs/{run.number}/logs/?{query}").status_code == 200

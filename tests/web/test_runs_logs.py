"""The log of one attempt: pages of lines with links, and the file as it is."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from stepwell.accounts.models import User
from stepwell.runs.models import Run
from stepwell.web import log_view
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

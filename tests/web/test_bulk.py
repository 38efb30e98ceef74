"""Acts on many runs: what is chosen, what is asked, what comes of each, and that a dead runner loses nothing."""

from __future__ import annotations

import pytest
from django.test import Client

from stepwell.accounts.models import AuditEvent
from stepwell.desk.models import BulkItem, BulkJob, Notice
from stepwell.execution import bulk
from stepwell.runs.models import Run
from tests import factories
from tests.web.page import Element, form_of, read


def begin(client: Client, query: str, reason: str = "flaky disk") -> str:
    """Confirm an act on many runs; return the address of its page."""
    sent = form_of(read(client.get(f"/bulk/new/?{query}")), "/bulk/new/")
    return client.post("/bulk/new/", {**sent, "reason": reason})["Location"]


def test_an_act_on_all_that_fit_is_chosen_when_it_is_pressed(as_bob: Client) -> None:
    pipeline = factories.make_pipeline()
    for _ in range(3):
        factories.make_run(pipeline=pipeline, status="failed", is_unresolved=True)
    factories.make_run(pipeline=pipeline)
    page = read(as_bob.get("/bulk/new/?act=rerun&all=1&query=status%3Dfailed"))
    factories.make_run(pipeline=pipeline, status="failed", is_unresolved=True)

    address = as_bob.post("/bulk/new/", {**form_of(page, "/bulk/new/"), "reason": "flaky disk"})["Location"]

    assert "Rerun 3 runs" in page.one("h1").text
    assert "4 runs" in read(as_bob.get(address)).one("h1").text
    event = AuditEvent.objects.get(action="runs.bulk")
    assert event.after == {"act": "rerun", "runs": 4, "reason": "flaky disk", "filters": "status=failed"}


def test_each_run_is_acted_on_once_and_a_refusal_says_why(as_bob: Client) -> None:
    pipeline, gone = factories.make_pipeline(), factories.make_pipeline(can_run=False)
    runs = [factories.make_run(pipeline=pipeline) for _ in range(2)] + [factories.make_run(pipeline=gone)]
    address = begin(as_bob, "act=rerun&" + "&".join(f"run={run.number}" for run in runs))

    while bulk.work_off(limit=2):
        pass
    page = read(as_bob.get(address))

    assert "2 done · 1 refused · 0 waiting" in page.text
    assert "was not kept" in page.text
    assert Run.objects.filter(parent__in=runs).count() == 2
    assert Notice.objects.get().text == "Rerun: 3 runs: 2 done, 1 refused"
    assert AuditEvent.objects.filter(action__startswith="run").count() == 1


def test_a_runner_that_dies_in_the_middle_of_a_run_leaves_it_undone(
    as_bob: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = factories.make_run()
    begin(as_bob, f"act=rerun&run={run.number}")

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("stepwell.execution.moves.make_attempt", die)
        with pytest.raises(Killed):
            bulk.work_off(limit=5)
    assert BulkItem.objects.get().state == "waiting"
    assert Run.objects.count() == 1

    bulk.work_off(limit=5)
    bulk.work_off(limit=5)
    assert BulkItem.objects.get().made.parent == run
    assert BulkJob.objects.get().ended_at is not None
    assert Run.objects.count() == 2


@pytest.mark.parametrize(
    ("sent", "what"),
    [
        ({"act": "explode", "run": "1"}, "no such act"),
        ({"act": "rerun", "run": "1", "reason": " "}, "needs a reason"),
        ({"act": "rerun", "run": "99", "reason": "x"}, "takes 1 to"),
    ],
)
def test_what_does_not_fit_is_refused(as_bob: Client, sent: dict[str, str], what: str) -> None:
    factories.make_run()

    assert what in read(as_bob.post("/bulk/new/", sent), status=422).text
    assert not BulkJob.objects.exists()


def test_no_filter_of_many_is_left_out(as_bob: Client) -> None:
    factories.make_run()
    query = "&".join(f"tag={number}{'a' * 190}" for number in range(19)) + "&tag=last"

    for answer in (
        as_bob.get("/bulk/new/", {"act": "cancel", "all": "1", "query": query}),
        as_bob.post("/bulk/new/", {"act": "cancel", "all": "1", "query": query, "reason": "x"}),
    ):
        assert "too many filters" in read(answer, status=422).text
    assert not BulkJob.objects.exists()


def test_viewers_see_acts_and_may_not_begin_one(as_charlie: Client) -> None:
    factories.make_run()

    assert as_charlie.get("/bulk/").status_code == 200
    assert as_charlie.post("/bulk/new/", {"act": "rerun", "run": "1", "reason": "x"}).status_code == 403


def finish(client: Client, address: str) -> Element:
    while bulk.work_off(limit=5):
        pass
    return read(client.get(address))


def undo(client: Client, page: Element) -> str:
    form = page.one("main").one("form", method="post")
    assert form.one("button").text == "Undo"
    return client.post(form["action"])["Location"]


def tags() -> list[list[str]]:
    return list(Run.objects.order_by("number").values_list("tags", flat=True))


def test_tags_are_put_on_many_runs_and_taken_off_those_that_did_not_have_them(as_bob: Client) -> None:
    for had in (["gpu"], [], ["gpu", "v3"]):
        factories.make_run(tags=had)
    page = read(as_bob.get("/bulk/new/?act=tag&run=1&run=2&run=3"))
    sent = {**form_of(page, "/bulk/new/"), "tags": "gpu, v3", "reason": "the good ones"}

    address = as_bob.post("/bulk/new/", sent)["Location"]

    done = finish(as_bob, address)
    assert tags() == [["gpu", "v3"]] * 3
    assert "3 done · 0 refused" in done.text
    assert AuditEvent.objects.get(action="runs.bulk").after["tags"] == ["gpu", "v3"]
    back = finish(as_bob, undo(as_bob, done))
    assert tags() == [["gpu"], [], ["gpu", "v3"]]
    assert "Undo: the good ones" in back.text
    finish(as_bob, undo(as_bob, back))
    assert tags() == [["gpu", "v3"]] * 3


def test_a_tag_that_does_not_do_is_told_and_nothing_typed_is_lost(as_bob: Client) -> None:
    factories.make_run()
    for typed, why in (("x" * 101, "has 101 characters"), ("", "No tag was given. Write one")):
        sent = {"act": "tag", "run": "1", "tags": typed, "reason": "good"}

        page = read(as_bob.post("/bulk/new/", sent), status=422)

        field = page.one("input", id="tags")
        assert why in page.one("p", id=field["aria-describedby"]).text
        assert (field["value"], page.one("input", id="reason")["value"]) == (typed, "good")
    assert not BulkJob.objects.exists()


def test_acknowledging_many_failures_is_taken_back_but_for_those_settled_since(as_bob: Client) -> None:
    runs = [factories.make_run(status="failed", is_unresolved=True) for _ in range(3)]
    done = finish(as_bob, begin(as_bob, "act=acknowledge&run=1&run=2&run=3"))
    assert not Run.objects.filter(is_unresolved=True).exists()
    factories.make_run(status="completed", parent=runs[2])

    back = finish(as_bob, undo(as_bob, done))

    assert list(Run.objects.filter(is_unresolved=True).order_by("number")) == runs[:2]
    assert "ended meanwhile" in back.text
    assert not back.one("main").has("form")


def test_taking_back_is_for_operators_and_for_what_can_be(as_bob: Client, as_charlie: Client) -> None:
    factories.make_run(status="running")
    address = begin(as_bob, "act=cancel&run=1")
    page = finish(as_bob, address)

    assert not page.one("main").has("form")
    assert "cannot be taken back" in read(as_bob.post(f"{address}undo/"), status=422).text
    assert as_charlie.post(f"{address}undo/").status_code == 403
    assert BulkJob.objects.count() == 1


def test_the_list_offers_to_tag(as_bob: Client) -> None:
    factories.make_run()

    acts = read(as_bob.get("/runs/")).one("div", class_="bulk__bar").all("button", name="act")

    assert [act["value"] for act in acts] == ["rerun", "rerun_failed", "cancel", "acknowledge", "tag"]

"""Saved views: kept, shared, pinned, opened first; what others see of them."""

from __future__ import annotations

from django.test import Client

from stepwell.desk.models import SavedView
from tests import factories
from tests.web.page import read

QUERY = "status=failed&pipeline=train&tag=gpu&since=7d"


def save(client: Client, name: str = "Nightly failures", **fields: str) -> str:
    return client.post("/views/", {"name": name, "query": QUERY, **fields})["Location"]


def test_a_shared_view_is_there_for_others_with_its_count(as_bob: Client, as_charlie: Client) -> None:
    factories.make_run(pipeline=factories.make_pipeline("train"), status="failed", tags=["gpu"])

    address = save(as_bob, shared="on", default="on", pinned="on")

    assert as_bob.get("/runs/")["Location"] == address
    assert "Nightly failures" in read(as_bob.get("/")).one("nav", class_="rail").text
    strip = read(as_charlie.get("/views/counts/"))
    assert [link.text for link in strip.all("a")] == ["All runs", "Nightly failures 1"]
    assert "Nightly failures" not in read(as_charlie.get("/")).one("nav", class_="rail").text
    page = read(as_charlie.get(strip.all("a")[1]["href"]))
    assert [chip.text for chip in page.all("span", class_="chip")] == [
        "Failed",
        "pipeline: train",
        "tag: gpu",
        "last 7 days",
    ]


def test_a_view_that_is_not_shared_is_nobody_elses(as_bob: Client, as_charlie: Client) -> None:
    factories.make_pipeline("train")
    save(as_bob)
    view = SavedView.objects.get()

    assert "Nightly failures" not in read(as_charlie.get("/views/")).text
    assert as_charlie.post(f"/views/{view.id}/mark/", {"act": "pin"}).status_code == 404
    assert as_charlie.post(f"/views/{view.id}/remove/").status_code == 404
    as_bob.post(f"/views/{view.id}/mark/", {"act": "share"})
    assert as_charlie.post(f"/views/{view.id}/mark/", {"act": "default"}).status_code == 302
    assert as_charlie.post(f"/views/{view.id}/mark/", {"act": "unshare"}).status_code == 404


def test_a_view_keeps_filters_order_and_columns_only(as_bob: Client) -> None:
    sent = "sort=-took&col=took&col=by&status=failed&after=x&view=y&nonsense=1"

    as_bob.post("/views/", {"name": "Slow", "query": sent})

    assert SavedView.objects.get().query == "status=failed&sort=-took&cols=took.by"


def test_names_and_filters_that_do_not_fit_are_refused(as_bob: Client) -> None:
    assert as_bob.post("/views/", {"name": " ", "query": ""}).status_code == 422
    assert as_bob.post("/views/", {"name": "x", "query": "status=nope"}).status_code == 422
    assert not SavedView.objects.exists()

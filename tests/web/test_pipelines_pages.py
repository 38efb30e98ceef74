"""The page of a pipeline, and the form that runs it."""

from __future__ import annotations

import html
import re
import shlex
from typing import Any

import pytest
from django.test import Client

from stepwell.accounts.actions import change_settings
from stepwell.accounts.models import AuditEvent
from stepwell.core.plan import PipelineSpec, Plan, PlannedStep, Retry, Source, StepOptions
from stepwell.runs.models import Run
from tests import factories
from tests.web.page import form_of, read

HOSTILE = "<img src=x onerror=alert(1)>"


def required(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def test_code_versions_and_durations_have_pages_of_their_own(as_charlie: Client) -> None:
    pipeline = factories.make_pipeline("train-model")
    factories.make_snapshot(pipeline, git_commit="9f2c1ab7d0", can_run=False, registered_by="ana (command line)")
    for _ in range(3):
        factories.make_run(pipeline=pipeline, steps={"load": "completed", "train": "failed"}, seconds=60)

    code = read(as_charlie.get("/pipelines/train-model/code/"))
    durations = read(as_charlie.get("/pipelines/train-model/durations/"))

    assert [row.all("td")[0].text for row in code.one("tbody").all("tr")] == ["2 newest", "1"]
    assert "9f2c1ab" in code.text
    assert "not kept" in code.text
    assert [row.all("td")[4].text for row in code.one("tbody").all("tr")] == ["ana (command line)", "–"]
    assert [row.one("th").text for row in durations.one("tbody").all("tr")] == ["load", "train"]
    assert "30 s" in durations.text


def test_the_grid_shows_every_step_of_the_latest_runs(as_charlie: Client) -> None:
    pipeline = factories.make_pipeline("train-model")
    factories.make_run(pipeline=pipeline, steps={"load": "completed"})
    factories.make_run(pipeline=pipeline, status="failed", steps={"load": "cached", "train": "failed"})

    grid = read(as_charlie.get("/pipelines/train-model/")).one("table", class_="grid")

    assert [head.text for head in grid.one("thead").all("a")] == ["#1", "#2"]
    rows = {row.one("th").text: [link["data-status"] for link in row.all("a")] for row in grid.one("tbody").all("tr")}
    assert rows == {"load": ["completed", "cached"], "train": ["failed"]}


def test_the_page_of_a_pipeline_tells_what_it_is_how_it_went_and_what_it_takes(as_charlie: Client) -> None:
    pipeline = factories.make_pipeline("train-model", docstring="Train a model.")
    factories.make_run(pipeline=pipeline, status="completed", seconds=60)
    factories.make_snapshot(pipeline, git_commit="9f2c1ab7d0", can_run=False)
    factories.make_run(status="completed")

    page = read(as_charlie.get("/pipelines/train-model/"))

    assert page.one("h1").text == "train-model"
    for text in ("Train a model.", "100 % succeed · usually 1 m 00 s", "learning_rate float 0.01"):
        assert text in page.text
    assert "backbone resnet18 one of resnet18, resnet50" in page.text
    assert [link.text for link in page.all("tbody")[0].all("a", class_="table__link")] == ["#1"]


def test_hostile_pipelines_are_text(as_bob: Client) -> None:
    schema = {"type": "object", "properties": {HOSTILE: {"type": "string", "default": HOSTILE, "description": HOSTILE}}}
    pipeline = factories.make_pipeline(HOSTILE, docstring=HOSTILE, schema=schema)
    factories.make_run(pipeline=pipeline)

    for path in ("/pipelines/", f"/pipelines/{pipeline.slug}/", f"/pipelines/{pipeline.slug}/run/", "/"):
        assert not read(as_bob.get(path)).all("img")


@pytest.mark.parametrize("path", ["/pipelines/nope/", "/pipelines/nope/run/", "/pipelines/%00/"])
def test_a_pipeline_that_is_not_there_is_not_found(as_bob: Client, path: str) -> None:
    assert "There is no pipeline" in read(as_bob.get(path), status=404).text


def test_the_form_has_a_field_of_the_right_kind_for_each_parameter(as_bob: Client) -> None:
    factories.make_pipeline("train")

    page = read(as_bob.get("/pipelines/train/run/"))

    kinds = {
        element["name"]: (element.tag, element.attributes.get("type"))
        for element in page.one("form", class_="dialog").all()
        if (element.attributes.get("name") or "").startswith("p:")
    }
    assert kinds == {
        "p:learning_rate": ("input", None),
        "p:epochs": ("input", None),
        "p:shuffle": ("input", "checkbox"),
        "p:backbone": ("select", None),
        "p:note": ("input", None),
        "p:layers": ("textarea", None),
    }
    assert page.one("label", **{"for": "p0"}).text == "learning_rate float"


def test_sending_the_form_starts_a_run_with_what_it_says(as_bob: Client, bob) -> None:
    factories.make_pipeline("train")
    sent = form_of(read(as_bob.get("/pipelines/train/run/")), "/pipelines/train/run/")
    del sent["p:shuffle"]
    sent |= {"p:learning_rate": "0.5", "p:epochs": "1_000", "p:note": " a ", "p:layers": "[1]"}

    response = as_bob.post("/pipelines/train/run/", {**sent, "name": "first", "tags": "gpu, nightly,, gpu"})

    run = Run.objects.get()
    assert response["Location"] == "/runs/1/"
    assert run.parameters == {
        "learning_rate": 0.5,
        "epochs": 1000,
        "shuffle": False,
        "backbone": "resnet18",
        "note": " a ",
        "layers": [1],
    }
    assert (run.name, run.tags, run.trigger, run.actor) == ("first", ["gpu", "nightly"], "browser", bob)
    assert AuditEvent.objects.get(action="run.started").object_name == "train #1"


def test_the_form_begins_with_the_values_of_an_earlier_run(as_bob: Client) -> None:
    pipeline = factories.make_pipeline("train")
    plain = {"learning_rate": 0.01, "epochs": 10}
    for parameters in (plain, {**plain, "epochs": 30, "gone": 1}, {**plain, "epochs": 20}, {**plain, "epochs": 20}):
        factories.make_run(pipeline=pipeline, parameters=parameters)
    other = factories.make_run(parameters={"epochs": 99})

    page = read(as_bob.get("/pipelines/train/run/"))
    offered = page.one("nav", aria_label="Values to begin with")
    assert [link.text for link in offered.all("a")] == ["defaults", "#4", "#2", "#1"]
    assert offered.one("a", aria_current="true").text == "defaults"

    page = read(as_bob.get("/pipelines/train/run/?from=2"))
    assert page.one("input", name="p:epochs")["value"] == "30"
    assert page.one("a", aria_current="true").text == "#2"
    assert not page.has("input", name="p:gone")
    for wrong in (str(other.number), "x", "9" * 40):
        page = read(as_bob.get(f"/pipelines/train/run/?from={wrong}"))
        assert page.one("input", name="p:epochs")["value"] == "10"


def test_the_form_says_how_the_same_run_is_started_from_elsewhere(as_bob: Client) -> None:
    pipeline = factories.make_pipeline("train")
    factories.make_run(pipeline=pipeline, parameters={"note": "it's"})

    page = as_bob.get("/pipelines/train/run/?from=1").content.decode()
    shown = re.findall(r'<pre class="code code--wrap"[^>]*>(.*?)</pre>', page, re.DOTALL)
    curl, python = map(html.unescape, shown)

    words = shlex.split(curl)
    assert words[-1] == "http://testserver/api/v1/pipelines/train/runs"
    sent = as_bob.post("/api/v1/pipelines/train/runs", words[words.index("-d") + 1], content_type="application/json")
    assert (sent.status_code, sent.json()["parameters"]["note"]) == (201, "it's")
    compile(python, "example", "exec")
    assert """'note': "it's\"""" in python


@pytest.mark.parametrize(
    ("about", "text", "message"),
    [
        ({"type": "integer"}, "", "This parameter is required."),
        ({"type": "integer"}, "x", "“x” is not a whole number."),
        ({"type": "number"}, "1e999", "A number in it is too large."),
        ({"type": "integer", "minimum": 1}, "0", "0 is less than the minimum of 1."),
        ({"type": "array", "items": {"type": "integer"}}, '["a"]', "is not a whole number."),
        ({"type": "object"}, "[1]", "is not a JSON object."),
    ],
)
def test_a_value_that_does_not_fit_is_told_beside_its_field_and_nothing_is_made(
    as_bob: Client, about: dict[str, Any], text: str, message: str
) -> None:
    factories.make_pipeline("train", schema=required(value=about))

    page = read(as_bob.post("/pipelines/train/run/", {"p:value": text, "name": "kept"}), status=422)

    assert message in page.one("p", id="p0-e").text
    assert form_of(page, "/pipelines/train/run/")["name"] == "kept"
    assert not Run.objects.exists()


def test_parameters_nobody_declared_are_not_taken(as_bob: Client) -> None:
    factories.make_pipeline("train", schema=required(value={"type": "integer"}))

    as_bob.post("/pipelines/train/run/", {"p:value": "1", "p:evil": "1", "trigger": "api", "evil": "1"})

    assert Run.objects.get().parameters == {"value": 1}
    assert Run.objects.get().trigger == "browser"


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        ("x" * 101, "has 101 characters, and a tag 100 at most: shorten it."),
        (",".join(str(number) for number in range(51)), "These are 51 tags, and 50 are added at once"),
        ("gpu, a\tb", "Control characters, such as tabs and line breaks, have no place in it."),
    ],
)
def test_tags_that_do_not_do_are_refused(as_bob: Client, tags: str, why: str) -> None:
    factories.make_pipeline("train")

    assert why in read(as_bob.post("/pipelines/train/run/", {"tags": tags}), status=422).text
    assert not Run.objects.exists()


def test_the_same_form_sent_twice_starts_one_run(as_bob: Client) -> None:
    factories.make_pipeline("train")
    sent = form_of(read(as_bob.get("/pipelines/train/run/")), "/pipelines/train/run/")

    as_bob.post("/pipelines/train/run/", sent)
    as_bob.post("/pipelines/train/run/", sent)

    assert Run.objects.count() == 1
    assert AuditEvent.objects.filter(action="run.started").count() == 1


def test_a_pipeline_without_kept_code_cannot_be_started_here(as_bob: Client) -> None:
    factories.make_pipeline("train", can_run=False)

    page = read(as_bob.get("/pipelines/train/run/"))
    assert "disabled" in page.one("button", class_="btn--primary").attributes

    assert "was not kept" in read(as_bob.post("/pipelines/train/run/", {}), status=422).text
    assert not Run.objects.exists()


def test_viewers_may_look_but_not_run(as_charlie: Client) -> None:
    factories.make_pipeline("train")

    assert not read(as_charlie.get("/pipelines/train/")).has("a", href="/pipelines/train/run/")
    assert as_charlie.get("/pipelines/train/run/").status_code == 403
    assert as_charlie.post("/pipelines/train/run/", {}).status_code == 403
    assert not Run.objects.exists()


@pytest.mark.parametrize("path", ["/pipelines/", "/pipelines/train/", "/pipelines/train/run/"])
def test_pages_of_pipelines_need_a_person_and_the_right_method(as_bob: Client, client: Client, path: str) -> None:
    factories.make_pipeline("train")

    assert client.get(path)["Location"].startswith("/login/")
    assert as_bob.delete(path).status_code == 405


def planned(name: str, *upstream: str, **fields: Any) -> PlannedStep:
    source = Source(module="train", qualname=name)
    return PlannedStep(invocation_id=name, name=name, source=source, upstream=list(upstream), **fields)


def registered(*steps: PlannedStep, name: str = "train") -> None:
    source = Source(module="train", qualname="train")
    plan = Plan(pipeline=name, source=source, steps=list(steps))
    pipeline = factories.make_pipeline(name)
    pipeline.snapshots.update(spec=PipelineSpec(name=name, source=source, plan=plan).model_dump(mode="json"))


def test_the_graph_of_the_newest_code_stands_before_anything_ran(as_charlie: Client) -> None:
    registered(
        planned("load", docstring=f"Reads.\n{HOSTILE}"), planned("fit", "load"), planned("report", "fit", "load")
    )

    page = read(as_charlie.get("/pipelines/train/graph/"))

    assert [box.one("text").text for box in page.all("a", class_="node")] == ["load", "fit", "report"]
    assert page.all("a", class_="node")[0].one("title").text == "load: Reads."
    assert len(page.one("g", class_="graph__edges").all("path")) == 3


def test_a_large_plan_is_drawn_by_the_names_of_its_steps(as_charlie: Client) -> None:
    many = [
        PlannedStep(invocation_id=f"fit_{n}", name="fit", source=Source(module="t", qualname="fit"), upstream=["load"])
        for n in range(400)
    ]
    registered(planned("load"), *many)

    page = read(as_charlie.get("/pipelines/train/graph/"))

    assert len(page.all("a", class_="node")) == 2
    assert "401 steps" in page.text


def test_defaults_show_each_option_and_who_set_it(as_charlie: Client) -> None:
    options = StepOptions(retry=Retry(max_retries=2, delay=10), timeout=60)
    registered(
        planned("load"), planned("fit", "load", options=options, origins={"retry": "step", "timeout": "pipeline"})
    )

    page = read(as_charlie.get("/pipelines/train/defaults/"))
    rows = [[cell.text for cell in row.all("td")] for row in page.one("table", class_="options").one("tbody").all("tr")]

    assert ["retry", "2 retries, 10 s", "step"] in rows
    assert ["timeout", "1 m 00 s", "pipeline"] in rows
    change_settings(values={"step_retries": 1, "step_timeout_seconds": 5}, by=None)
    page = read(as_charlie.get("/pipelines/train/defaults/?q=load"))
    assert ["retry", "1 retry, at once", "settings"] in [
        [cell.text for cell in row.all("td")] for row in page.all("tr")
    ]
    assert "by default" in rows[0][0]
    everything = read(as_charlie.get("/pipelines/train/defaults/?all=1&q=LOAD"))
    assert len(everything.one("table", class_="options").one("tbody").all("tr")) > 5
    assert "No step has" in read(as_charlie.get("/pipelines/train/defaults/?q=nothing")).text


@pytest.mark.parametrize("tab", ["graph", "defaults"])
def test_a_plan_that_is_not_known_says_why(as_charlie: Client, tab: str) -> None:
    pipeline = factories.make_pipeline("dynamic")
    source = Source(module="train", qualname="train")
    pipeline.snapshots.update(spec=PipelineSpec(name="dynamic", source=source, dynamic=True).model_dump(mode="json"))

    for number in (7, 8):
        factories.make_run(pipeline=pipeline, number=number)
    page = read(as_charlie.get(f"/pipelines/dynamic/{tab}/"))
    assert "the pipeline is dynamic" in page.text
    assert tab == "defaults" or "The graph of run #8" in page.text
    Run.objects.all().delete()
    pipeline.snapshots.all().delete()
    assert "stepwell register FILE" in read(as_charlie.get(f"/pipelines/dynamic/{tab}/")).text

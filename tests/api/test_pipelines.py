"""Pipelines over the API."""

from __future__ import annotations

import pytest

from tests.execution.make import make_plan, make_snapshot, planned

pytestmark = pytest.mark.django_db


def test_pipelines_are_listed_by_name_in_pages_with_their_newest_code(viewer, django_assert_max_num_queries):
    for name in ("gamma", "alpha", "beta"):
        make_snapshot(name)
    make_snapshot("beta", docstring="newer")

    with django_assert_max_num_queries(8):
        first = viewer.get("/pipelines", data={"limit": 2}).json()
    second = viewer.get("/pipelines", data={"limit": 2, "cursor": first["next_cursor"]}).json()

    assert [(item["name"], item["code"]) for item in first["items"]] == [("alpha", 1), ("beta", 2)]
    assert [item["name"] for item in second["items"]] == ["gamma"]
    assert second["next_cursor"] is None


def test_a_pipeline_has_its_schema_and_steps(viewer):
    snapshot = make_snapshot(plan=make_plan(planned("load"), planned("train", ["load"])))
    pipeline = snapshot.pipeline

    for ref in (pipeline.name, pipeline.slug, str(pipeline.id)):
        answer = viewer.get(f"/pipelines/{ref}").json()
        assert answer["parameters_schema"]["properties"] == {"rows": {"type": "integer", "default": 10}}
        assert answer["steps"] == [
            {"invocation_id": "load", "name": "load", "upstream": []},
            {"invocation_id": "train", "name": "train", "upstream": ["load"]},
        ]
        assert answer["can_run"] is True


@pytest.mark.parametrize("ref", ["nothing", "%00", "..%2f", "%25", "x" * 3000])
def test_unknown_pipelines_are_404(viewer, pipeline, ref):
    assert viewer.get(f"/pipelines/{ref}").status_code == 404

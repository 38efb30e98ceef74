"""Rows of tables are as high as the person chose, whatever stands in them: boxes, tags, bars and buttons."""

from __future__ import annotations

import pytest

#: one line of each kind of row; rows of two lines are higher
PAGES = ("runs", "runs-filtered", "pipelines", "artifacts", "runners", "tokens", "pipeline-durations", "people")
HEIGHTS = """() => [...document.querySelectorAll("table.table tr")]
    .filter(row => ![...row.cells].some(cell => cell.matches(".wrap") || cell.querySelector("div")))
    .map(row => row.getBoundingClientRect().height)"""


@pytest.mark.parametrize(("density", "height"), [("", 32), ("compact", 28), ("comfortable", 40)])
def test_rows_have_the_height_the_person_chose(seeded, sign_in, scene, density, height):
    page = sign_in("admin")
    page.context.add_cookies([{"name": "stepwell-density", "value": density, "url": seeded.url}])
    measured = {}
    for name in PAGES:
        page.goto(scene[name])
        measured[name] = set(page.evaluate(HEIGHTS))
    assert measured == {name: {height} for name in PAGES}

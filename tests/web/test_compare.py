"""Two to five runs side by side: exactly what differs, in the page, in the CSV, by address."""

from __future__ import annotations

import csv
import io

from django.test import Client

from stepwell.core.plan import Retry, StepOptions
from stepwell.pipelines.models import Snapshot
from stepwell.runs.models import Run
from tests import factories
from tests.web.page import Element, read


def three_runs() -> list[Run]:
    """Three runs alike but for seven things."""
    pipeline = factories.make_pipeline("train")
    other_code = factories.make_snapshot(pipeline)
    Snapshot.objects.update(environment="numpy==2.0\npandas==2.2")
    Snapshot.objects.filter(pk=other_code.pk).update(environment="numpy==2.1\npandas==2.2")
    first = pipeline.snapshots.get(number=1)
    runs = []
    for index in range(3):
        run = factories.make_run(
            pipeline=pipeline,
            snapshot=other_code if index == 2 else first,
            parameters={"lr": 0.1 if index else 0.2, "epochs": 3},
            took_seconds=120 if index == 1 else 60,
            seconds=60,
        )
        options = StepOptions(retry=Retry(max_retries=2 if index == 1 else 0), enable_cache=index != 2)
        step = factories.make_step(
            run, "load", status="cached" if index == 2 else "completed", options=options, seconds=60
        )
        factories.make_artifact(step, metadata={"accuracy": 0.9 if index == 1 else 0.8})
        runs.append(run)
    return runs


def rows(page: Element) -> list[str]:
    found = page.one("table", class_="compare").all("tr")
    return [row.one("th").text for row in found if row.attributes.get("data-differs")]


DIFFERENCES = [
    "lr",
    "load · enable_cache",
    "load · retry.max_retries",
    "code",
    "numpy",
    "load",
    "run",
    "load.output · accuracy",
]


def test_only_differences_are_left(as_charlie: Client) -> None:
    runs = three_runs()
    address = "/runs/compare/?" + "&".join(f"run={run.number}" for run in runs)

    page = read(as_charlie.get(address))

    assert sorted(rows(page)) == sorted(DIFFERENCES)
    everything = rows(read(as_charlie.get(f"{address}&show=all")))
    assert {"epochs", "pandas", *DIFFERENCES} < set(everything)


def test_the_csv_is_the_table(as_charlie: Client) -> None:
    numbers = "&".join(f"run={run.number}" for run in three_runs())

    told = list(csv.reader(io.StringIO(as_charlie.get(f"/runs/compare.csv?{numbers}").content.decode())))

    page = read(as_charlie.get(f"/runs/compare/?{numbers}"))
    assert [row[1] for row in told[1:]] == rows(page)
    assert told[0] == ["part", "what", "#1", "#2", "#3"]
    assert ["Parameters", "lr", "0.2", "0.1", "0.1"] in told


def test_what_was_taken_from_the_cache_has_no_time_to_compare(as_charlie: Client) -> None:
    numbers = "&".join(f"run={run.number}" for run in three_runs())

    told = list(csv.reader(io.StringIO(as_charlie.get(f"/runs/compare.csv?{numbers}&show=all").content.decode())))

    assert ["Results", "load", "completed", "completed", "from cache"] in told
    assert ["Timing", "load", "1 m 00 s", "1 m 00 s", "–"] in told


def test_one_run_offers_the_others_of_its_pipeline(as_charlie: Client) -> None:
    first, second, third = three_runs()
    factories.make_run()

    page = read(as_charlie.get(f"/runs/compare/?run={first.number}"))

    offered = page.one("section", aria_label="Other runs of train").all("a")
    assert [link["href"] for link in offered] == [
        f"/runs/compare/?run={first.number}&run={other.number}" for other in (third, second)
    ]


def test_one_run_asks_for_another_and_six_are_too_many(as_charlie: Client) -> None:
    for _ in range(6):
        factories.make_run()

    assert "Choose two to 5 runs" in read(as_charlie.get("/runs/compare/")).text
    assert "Or name another run" in read(as_charlie.get("/runs/compare/?run=1")).text
    assert as_charlie.get("/runs/compare/?" + "&".join(f"run={n}" for n in range(1, 7))).status_code == 422
    assert as_charlie.get("/runs/compare/?run=1&run=99").status_code == 404


def test_queries_do_not_grow_with_steps(as_charlie: Client, django_assert_max_num_queries) -> None:
    runs = three_runs()
    for run in runs:
        for index in range(5):
            factories.make_step(run, f"more_{index}")

    with django_assert_max_num_queries(12):
        as_charlie.get("/runs/compare/?" + "&".join(f"run={run.number}" for run in runs))

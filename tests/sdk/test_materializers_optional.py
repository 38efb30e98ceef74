"""Values of packages that are not among our dependencies; each test needs its package."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas
import pytest

from stepwell.sdk.materializers import storing


def save_and_load(value: Any, folder: Path) -> tuple[Any, storing.Saved]:
    saved = storing.save(value, folder)
    return storing.load(folder, materializer=saved.materializer, type_name=saved.type), saved


FRAMES = {
    "plain": (pandas.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [1.5, float("nan")]}), True),
    "part": (pandas.DataFrame({"a": [1, 2, 3]}).iloc[1:], True),
    "labels": (pandas.DataFrame({"a": [1]}, index=["k"]), True),
    "times": (pandas.DataFrame({"t": pandas.date_range("2026", periods=2, tz="UTC")}), True),
    "lists": (pandas.DataFrame({"a": [[1], [2]]}), False),
    "dicts": (pandas.DataFrame({"a": [{"x": 1}, {"y": 2}]}), False),
    "mixed": (pandas.DataFrame({"a": [1, "x"]}), False),
    "numbered": (pandas.DataFrame({1: [1]}), False),
    "durations": (pandas.DataFrame({"d": pandas.to_timedelta([1, 2])}), False),
    "seconds": (pandas.DataFrame({"t": pandas.to_datetime(["2026-01-01"]).astype("datetime64[s]")}), False),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_table_is_parquet_exactly_where_that_keeps_it(name: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame, is_parquet = FRAMES[name]

    loaded, saved = save_and_load(frame, tmp_path)

    pandas.testing.assert_frame_equal(loaded, frame)
    assert saved.warning == ""
    assert (tmp_path / "table.parquet").exists() is is_parquet
    assert (tmp_path / "value.pkl").exists() is not is_parquet


@pytest.mark.parametrize("dtype", [object, "str"])
def test_text_columns_keep_their_type(dtype: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"o": pandas.Series(["a", "b"], dtype=dtype)})

    loaded, _ = save_and_load(frame, tmp_path)

    pandas.testing.assert_frame_equal(loaded, frame)


def test_polars_tables_come_back(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [1, 2], "b": ["<x>", None], "c": [[1], [2]]})

    loaded, saved = save_and_load(frame, tmp_path)
    (tmp_path / "series").mkdir()
    series, _ = save_and_load(frame["a"], tmp_path / "series")

    assert loaded.equals(frame)
    assert series.equals(frame["a"])
    assert saved.visualizations[0]["kind"] == "html"
    assert "&lt;x&gt;" in (tmp_path / "preview.html").read_text()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "F", "I", "I;16", "LAB"])
def test_images_keep_every_pixel_and_are_shown(mode: str, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image").new(mode, (3, 2))

    loaded, saved = save_and_load(image, tmp_path)

    assert loaded.mode == mode
    assert loaded.tobytes() == image.tobytes()
    assert [shown["kind"] for shown in saved.visualizations] == ["image"]


def test_an_image_from_a_file_comes_back_as_an_image(tmp_path: Path) -> None:
    images = pytest.importorskip("PIL.Image")
    buffer = io.BytesIO()
    images.new("RGB", (4, 4), "red").save(buffer, "JPEG")

    loaded, _ = save_and_load(opened := images.open(buffer), tmp_path)

    assert loaded.tobytes() == opened.tobytes()


def test_a_figure_is_shown_as_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    figures = pytest.importorskip("matplotlib.figure")
    figure = figures.Figure()
    figure.subplots().plot([1, 2])

    loaded, saved = save_and_load(figure, tmp_path)

    assert type(loaded) is figures.Figure
    assert saved.visualizations[0]["kind"] == "image"
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")

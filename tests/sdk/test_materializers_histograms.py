"""Histograms of arrays and of table columns: what is drawn, and what is left out."""

from __future__ import annotations

import re

import pytest

numpy = pytest.importorskip("numpy")
pandas = pytest.importorskip("pandas")

from stepwell.sdk.materializers import histograms  # noqa: E402
from stepwell.sdk.materializers.arrays import ArrayMaterializer  # noqa: E402
from stepwell.sdk.materializers.tables import PandasMaterializer  # noqa: E402


def counts(page: str) -> list[int]:
    return [int(count.replace(",", "")) for count in re.findall(r"<title>([\d,]+)</title>", page)]


def test_every_value_of_an_array_is_counted_once(tmp_path):
    kinds = ArrayMaterializer(tmp_path).save_visualizations(numpy.arange(90).reshape(9, 10))

    assert {name: str(kind) for name, kind in kinds.items()} == {"histograms.html": "html"}
    assert counts((tmp_path / "histograms.html").read_text()) == [3] * 30


def test_a_table_gets_one_picture_per_numeric_column(tmp_path):
    table = pandas.DataFrame({"<b>": range(20), "text": ["x"] * 20, "y": [0.5] * 20, "flag": [True, False] * 10})

    PandasMaterializer(tmp_path).save_visualizations(table)
    page = (tmp_path / "histograms.html").read_text()

    assert page.count("<figure>") == 3
    assert "<b><b>" not in page
    assert "&lt;b&gt;" in page


def test_what_is_not_finite_is_left_out():
    values = numpy.array([1.0, 2.0, numpy.nan, numpy.inf])

    assert sum(counts(histograms.page([("x", values)]))) == 2
    assert histograms.page([("x", numpy.array([numpy.nan]))]) == ""


def test_missing_values_of_a_nullable_column_do_not_stop_the_picture(tmp_path):
    table = pandas.DataFrame({"n": pandas.array([1, None] * 10, dtype="Int64")})

    kinds = PandasMaterializer(tmp_path).save_visualizations(table)

    assert "histograms.html" in kinds
    assert sum(counts((tmp_path / "histograms.html").read_text())) == 10


def test_a_handful_of_numbers_gets_no_picture(tmp_path):
    assert ArrayMaterializer(tmp_path).save_visualizations(numpy.arange(5)) == {}

"""Values of every kind, stored in a real folder and loaded again."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import math
import sys
import threading
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import numpy
import pandas
import pydantic
import pytest

from stepwell.errors import ArtifactError
from stepwell.sdk.materializers import pickled, storing
from stepwell.sdk.richtext import CSVString, HTMLString, JSONString, MarkdownString


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


class Point(NamedTuple):
    x: int
    y: float


Pair = namedtuple("Pair", "left right")


@dataclasses.dataclass
class Config:
    rate: float
    layers: list[tuple[int, int]]
    parent: Config | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    name: str
    size: int = dataclasses.field(default=0, init=False)


class Model(pydantic.BaseModel):
    name: str
    when: datetime.date
    inner: dict[str, tuple[int, ...]] = {}


class Secretive(pydantic.BaseModel):
    name: str
    _seen: int = pydantic.PrivateAttr(default=0)


class Text(str):
    __slots__ = ()


def save_and_load(value: Any, folder: Path) -> tuple[Any, storing.Saved]:
    saved = storing.save(value, folder)
    return storing.load(folder, materializer=saved.materializer, type_name=saved.type), saved


def same_types(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return all(same_types(*pair) for pair in zip(left.items(), right.items(), strict=True))
    if isinstance(left, (list, tuple)):
        return all(same_types(*pair) for pair in zip(left, right, strict=True))
    return True


VALUES: list[Any] = [
    None,
    True,
    0,
    -(2**200),
    1.5,
    float("inf"),
    "text \ud800 \0 “”",
    b"\0\xff",
    bytearray(b"ab"),
    3 + 4j,
    [],
    {},
    [1, [2.0, ["three", None, [True]]]],
    {"a": {"b": [1, (2, 3)]}},
    {"$": "tuple", "v": [1]},
    {1: "int", (1, 2): "tuple", None: "none", 1.5: "float"},
    [{1, 2}, frozenset({(1, 2)})],
    ((1, (2,)), [(3,)], {"k": (4,)}),
    OrderedDict([("b", 1), ("a", 2)]),
    Counter("banana"),
    defaultdict(list, {"a": [1]}),
    deque([1, 2]),
    Point(1, 2.0),
    Pair([1], Point(1, 2.0)),
    Colour.RED,
    Level.LOW,
    {Colour.RED: [Level.LOW]},
    Config(rate=0.1, layers=[(1, 2)], parent=Config(0.2, [])),
    [Config(rate=0.1, layers=[])],
    Frozen("x"),
    Model(name="m", when=datetime.date(2026, 1, 2), inner={"a": (1, 2)}),
    {"models": [Model(name="m", when=datetime.date(2026, 1, 2))]},
    Decimal("1.10"),
    datetime.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=datetime.UTC),
    datetime.date(2026, 1, 2),
    datetime.timedelta(days=1, microseconds=3),
    UUID(int=7),
    Path("/data/x.csv"),
    range(1, 10, 3),
    Text("subclass"),
    HTMLString("<b>é</b>"),
    MarkdownString("# x"),
    CSVString("a,b\r\n1,2"),
    JSONString('{"a": 1}'),
    numpy.float32(1.5),
    numpy.datetime64("2026-01-02", "ns"),
    [numpy.int64(3), numpy.datetime64("2026-01-02", "ns")],
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:40].encode("ascii", "replace").decode())
def test_a_value_comes_back_equal_and_with_equal_types(value: Any, tmp_path: Path) -> None:
    loaded, saved = save_and_load(value, tmp_path)

    assert loaded == value
    assert same_types(loaded, value)
    assert saved.metadata == storing.jsonable.clean(saved.metadata)


def test_not_a_number_comes_back(tmp_path: Path) -> None:
    loaded, _ = save_and_load([float("nan")], tmp_path)

    assert math.isnan(loaded[0])


def test_each_load_is_a_copy_of_its_own(tmp_path: Path) -> None:
    value = {"a": [1]}
    saved = storing.save(value, tmp_path)
    first = storing.load(tmp_path, materializer=saved.materializer, type_name=saved.type)
    first["a"].append(2)

    assert storing.load(tmp_path, materializer=saved.materializer, type_name=saved.type) == {"a": [1]}


def test_a_dataclass_with_an_attribute_of_its_own_keeps_it(tmp_path: Path) -> None:
    value = Config(rate=0.1, layers=[])
    value.extra = 7  # type: ignore[attr-defined]

    loaded, _ = save_and_load(value, tmp_path)

    assert loaded.extra == 7


def test_a_pydantic_model_keeps_its_private_state(tmp_path: Path) -> None:
    value = Secretive(name="x")
    value._seen = 3

    loaded, _ = save_and_load(value, tmp_path)

    assert loaded._seen == 3


def test_plain_data_is_stored_as_json_without_a_warning(tmp_path: Path) -> None:
    saved = storing.save({"a": [1, 2]}, tmp_path)

    assert (tmp_path / "value.json").read_text() == '{"a":[1,2]}'
    assert saved.warning == ""
    assert saved.visualizations == [{"kind": "json", "file": "value.json", "size": 11}]


def test_other_objects_are_pickled_with_a_warning_that_names_the_type(tmp_path: Path) -> None:
    loaded, saved = save_and_load(Text, tmp_path / ".")
    assert loaded is Text

    saved = storing.save(threading.Event, tmp_path)
    assert saved.warning == ""

    (tmp_path / "lambda").mkdir()
    saved = storing.save(lambda: 1, tmp_path / "lambda")
    assert "function is stored with cloudpickle" in saved.warning


@pytest.mark.parametrize("value", [threading.Lock(), (item for item in ())])
def test_what_cannot_be_stored_is_refused_by_the_name_of_its_type(value: Any, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=type(value).__qualname__):
        storing.save(value, tmp_path)


def test_a_class_of_the_running_script_is_stored_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", "/somewhere/train.py", raising=False)
    monkeypatch.setattr(main, "__spec__", None, raising=False)

    class Local:
        pass

    Local.__module__, Local.__qualname__ = "__main__", "Local"
    monkeypatch.setattr(main, "Local", Local, raising=False)
    content = pickled.dumps([Local()])

    assert type(pickled.loads(content)[0]) is Local
    assert b"train" in content
    assert b"__main__" not in content


def test_arrays_keep_shape_type_and_content_and_show_a_summary(tmp_path: Path) -> None:
    value = numpy.array([[1.0, 2.0], [3.0, 6.0]], dtype="float32")

    loaded, saved = save_and_load(value, tmp_path)

    assert loaded.dtype == value.dtype
    assert (loaded == value).all()
    assert saved.metadata == {"shape": [2, 2], "dtype": "float32", "bytes": 16, "min": 1.0, "max": 6.0, "mean": 3.0}
    assert (tmp_path / "array.npy").exists()


def test_object_and_masked_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    objects, _ = save_and_load(numpy.array([{"a": 1}, None], dtype=object), tmp_path / "1")
    masked, _ = save_and_load(numpy.ma.masked_array([1, 2], mask=[True, False]), tmp_path / "2")

    assert objects.tolist() == [{"a": 1}, None]
    assert type(masked) is numpy.ma.MaskedArray
    assert masked.mask.tolist() == [True, False]


@pytest.mark.parametrize(
    "frame",
    [
        pandas.DataFrame({"a": [1, 2], "b": ["x", None]}),
        pandas.DataFrame({1: [1.5], ("x", "y"): [[1, 2]]}),
        pandas.DataFrame({"when": pandas.date_range("2026-01-01", periods=3, tz="Europe/Berlin")}).set_index("when"),
        pandas.DataFrame({"c": pandas.Categorical(["x", "y"]), "n": pandas.array([1, None], dtype="Int64")}),
        pandas.DataFrame(),
    ],
    ids=["text", "odd", "times", "extension", "empty"],
)
def test_tables_come_back_exactly_without_a_warning(frame: pandas.DataFrame, tmp_path: Path) -> None:
    loaded, saved = save_and_load(frame, tmp_path)

    pandas.testing.assert_frame_equal(loaded, frame)
    assert saved.type == "pandas.DataFrame"
    assert saved.warning == ""
    assert saved.metadata["shape"] == list(frame.shape)


def test_a_table_preview_is_escaped_and_bounded(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"<script>": ["<img onerror=x>" + "y" * 10_000] * 300, "n": range(300)})

    _, saved = save_and_load(frame, tmp_path)
    page = (tmp_path / "preview.html").read_text()

    assert {"kind": "html", "file": "preview.html", "size": len(page.encode())} in saved.visualizations
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<tr>") == 51
    assert len(page) < 200_000
    assert "300 rows × 2 columns" in page
    assert saved.metadata["numbers"]["n"] == {"min": 0, "max": 299, "mean": 149.5}


def test_a_series_keeps_its_name_and_index(tmp_path: Path) -> None:
    series = pandas.Series([1, 2], index=["a", "b"], name="s")

    loaded, saved = save_and_load(series, tmp_path)

    pandas.testing.assert_series_equal(loaded, series)
    assert saved.visualizations[0]["kind"] == "html"


def test_an_estimator_predicts_the_same_after_loading(tmp_path: Path) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    model = linear_model.LinearRegression().fit([[0], [1]], [1, 3])

    loaded, saved = save_and_load(model, tmp_path)

    assert loaded.predict([[2]]).tolist() == pytest.approx([5.0])
    assert saved.warning == ""
    assert saved.metadata["parameters"]["fit_intercept"] == "True"


@pytest.mark.parametrize(
    ("value", "kind", "file"),
    [
        (HTMLString("<h1>x</h1>"), "html", "text.html"),
        (MarkdownString("# x"), "markdown", "text.md"),
        (CSVString("a,b"), "csv", "text.csv"),
        (JSONString("[1]"), "json", "text.json"),
    ],
)
def test_text_that_says_how_it_is_shown_is_shown_so(value: str, kind: str, file: str, tmp_path: Path) -> None:
    saved = storing.save(value, tmp_path)

    assert saved.visualizations == [{"kind": kind, "file": file, "size": len(value)}]
    assert (tmp_path / file).read_text() == value


def test_a_stored_dataclass_whose_class_is_gone_is_refused(tmp_path: Path) -> None:
    saved = storing.save(Config(0.1, []), tmp_path)
    text = (tmp_path / "value.json").read_text()
    (tmp_path / "value.json").write_text(text.replace(":Config", ":Gone"))

    with pytest.raises(ArtifactError, match="Gone is not part of this code"):
        storing.load(tmp_path, materializer=saved.materializer, type_name=saved.type)

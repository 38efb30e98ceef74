"""pandas and polars tables: Parquet where it keeps every value, else cloudpickle; with a preview and a summary."""

from __future__ import annotations

import importlib
import importlib.util
from html import escape
from typing import Any, ClassVar

from stepwell.sdk.materializers import histograms, pickled
from stepwell.sdk.materializers.base import BaseMaterializer, VisualizationType

PARQUET = "table.parquet"
PREVIEW = "preview.html"
_PREVIEW_ROWS = 50
_PREVIEW_COLUMNS = 50
_PREVIEW_BYTES = 200_000
_CELL_CHARACTERS = 200
_SUMMARY_COLUMNS = 100
#: a picture of fewer says less than the numbers
_FEWEST_FOR_A_PICTURE = 10


class PandasMaterializer(BaseMaterializer):
    """DataFrames and Series."""

    ASSOCIATED_NAMES: ClassVar[tuple[str, ...]] = (
        "pandas.DataFrame",
        "pandas.Series",
        "pandas.core.frame.DataFrame",
        "pandas.core.series.Series",
    )

    def save(self, data: Any) -> None:
        if _fits_parquet(data):
            data.to_parquet(self.file(PARQUET), engine="pyarrow")
            if _keeps_types(self.file(PARQUET), data):
                return
            self.file(PARQUET).unlink()
        self.file(pickled.FILE).write_bytes(pickled.dumps(data))

    def load(self, data_type: type[Any]) -> Any:
        if not self.file(PARQUET).exists():
            return pickled.loads(self.file(pickled.FILE).read_bytes())
        import pandas

        return pandas.read_parquet(self.file(PARQUET), engine="pyarrow")

    def save_visualizations(self, data: Any) -> dict[str, VisualizationType]:
        frame = data.to_frame() if data.ndim == 1 else data
        top = frame.iloc[:_PREVIEW_ROWS, :_PREVIEW_COLUMNS]
        header = [_cell(name) for name in ("", *top.columns)]
        rows = [[_cell(value) for value in row] for row in top.itertuples(name=None)]
        self.file(PREVIEW).write_text(_html_table(header, rows, shape=frame.shape), encoding="utf-8")
        return {PREVIEW: VisualizationType.HTML, **self._save_histograms(frame)}

    def _save_histograms(self, frame: Any) -> dict[str, VisualizationType]:
        if len(frame) < _FEWEST_FOR_A_PICTURE:
            return {}
        # A column of pandas' own nullable kinds becomes floats, with NaN where nothing is.
        numbers = [
            (str(name), frame.iloc[:, at].to_numpy(dtype="float64", na_value=float("nan")))
            for at, name in enumerate(frame.columns[:_SUMMARY_COLUMNS])
            if frame.dtypes.iloc[at].kind in "biuf"
        ]
        if not (picture := histograms.page(numbers)):
            return {}
        self.file(histograms.FILE).write_text(picture, encoding="utf-8")
        return {histograms.FILE: VisualizationType.HTML}

    def extract_metadata(self, data: Any) -> dict[str, Any]:
        if data.ndim == 1:
            return {"shape": list(data.shape), "dtype": str(data.dtype), "missing": int(data.isna().sum())}
        columns = list(data.columns)[:_SUMMARY_COLUMNS]
        metadata: dict[str, Any] = {
            "shape": list(data.shape),
            "dtypes": {str(name): str(data.dtypes.iloc[at]) for at, name in enumerate(columns)},
            "missing": int(data.isna().sum().sum()),
        }
        numbers = data.iloc[:, [at for at in range(len(columns)) if data.dtypes.iloc[at].kind in "biuf"]]
        if len(data) and numbers.shape[1] and numbers.columns.is_unique:
            summary = numbers.agg(["min", "max", "mean"])
            metadata["numbers"] = {str(name): _summary(summary[name]) for name in summary.columns}
        return metadata


class PolarsMaterializer(BaseMaterializer):
    """polars DataFrames and Series."""

    ASSOCIATED_NAMES: ClassVar[tuple[str, ...]] = (
        "polars.dataframe.frame.DataFrame",
        "polars.series.series.Series",
    )

    @classmethod
    def can_store(cls, data: Any) -> bool:
        import polars

        frame = _polars_frame(data)
        return type(data) in (polars.DataFrame, polars.Series) and polars.Object not in frame.dtypes

    def save(self, data: Any) -> None:
        _polars_frame(data).write_parquet(self.file(PARQUET))

    def load(self, data_type: type[Any]) -> Any:
        import polars

        frame = polars.read_parquet(self.file(PARQUET), use_pyarrow=False)
        return frame.to_series() if issubclass(data_type, polars.Series) else frame

    def save_visualizations(self, data: Any) -> dict[str, VisualizationType]:
        frame = _polars_frame(data)
        top = frame[:_PREVIEW_ROWS, :_PREVIEW_COLUMNS]
        rows = [[_cell(value) for value in row] for row in top.iter_rows()]
        header = [_cell(name) for name in top.columns]
        self.file(PREVIEW).write_text(_html_table(header, rows, shape=frame.shape), encoding="utf-8")
        return {PREVIEW: VisualizationType.HTML}

    def extract_metadata(self, data: Any) -> dict[str, Any]:
        frame = _polars_frame(data)
        columns = frame.columns[:_SUMMARY_COLUMNS]
        return {"shape": list(data.shape), "dtypes": {name: str(frame[name].dtype) for name in columns}}


def _polars_frame(data: Any) -> Any:
    return data.to_frame() if len(data.shape) == 1 else data


def _fits_parquet(data: Any) -> bool:
    if data.ndim == 1 or importlib.util.find_spec("pyarrow") is None:
        return False
    import pandas

    if type(data) is not pandas.DataFrame or data.attrs or not len(data.columns):
        return False
    names_fit = all(type(name) is str for name in data.columns) and data.columns.is_unique
    return names_fit and type(data.index) in (pandas.RangeIndex, pandas.Index) and _columns_fit(data)


def _columns_fit(data: Any) -> bool:
    # Parquet turns lists into arrays, fills dicts up and refuses mixed columns: only plain text is safe as `object`
    import pandas

    columns = [data.index, *(data.iloc[:, at] for at in range(data.shape[1]))]
    return all(
        column.dtype.kind in "biufM" or pandas.api.types.infer_dtype(column, skipna=False) == "string"
        for column in columns
    )


def _keeps_types(file: Any, data: Any) -> bool:
    # seconds become milliseconds, and whether text is `object` or `str` depends on the version of pandas
    parquet = importlib.import_module("pyarrow.parquet")
    stored = parquet.read_schema(file).empty_table().to_pandas()
    return bool(stored.dtypes.equals(data.dtypes) and stored.index.dtype == data.index.dtype)


def _summary(column: Any) -> dict[str, Any]:
    return {name: value.item() if hasattr(value, "item") else value for name, value in column.items()}


def _cell(value: Any) -> str:
    text = str(value)
    return escape(text if len(text) <= _CELL_CHARACTERS else f"{text[:_CELL_CHARACTERS]}…")


def _html_table(header: list[str], rows: list[list[str]], *, shape: tuple[int, ...]) -> str:
    size = 0
    lines: list[str] = []
    for row in rows:
        line = f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>"
        size += len(line.encode())
        if size > _PREVIEW_BYTES - 20_000:
            break
        lines.append(line)
    shown = f"{shape[0]} rows × {shape[1]} columns" + (f", first {len(lines)} shown" if shape[0] > len(lines) else "")
    head = f"<tr>{''.join(f'<th>{cell}</th>' for cell in header)}</tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(lines)}</tbody></table><p>{shown}</p>"

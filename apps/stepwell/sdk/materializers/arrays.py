"""numpy arrays and scalars as npy files."""

from __future__ import annotations

from typing import Any, ClassVar

from stepwell.sdk.materializers import histograms
from stepwell.sdk.materializers.base import BaseMaterializer, VisualizationType

FILE = "array.npy"
#: larger arrays are stored without minimum, maximum and mean, which would read them whole once more
_SUMMARY_ELEMENTS = 20_000_000
#: a picture of fewer says less than the numbers
_FEWEST_FOR_A_PICTURE = 10


class ArrayMaterializer(BaseMaterializer):
    """Arrays whose elements are no Python objects."""

    ASSOCIATED_NAMES: ClassVar[tuple[str, ...]] = ("numpy.ndarray", "numpy.generic")

    @classmethod
    def can_store(cls, data: Any) -> bool:
        import numpy

        # subclasses (masked arrays, matrices) and object arrays would come back as something else
        is_plain = type(data) is numpy.ndarray or isinstance(data, numpy.generic)
        return is_plain and not data.dtype.hasobject

    def save(self, data: Any) -> None:
        import numpy

        with self.file(FILE).open("wb") as file:
            numpy.save(file, data, allow_pickle=False)

    def load(self, data_type: type[Any]) -> Any:
        import numpy

        array = numpy.load(self.file(FILE), allow_pickle=False)
        return array[()] if issubclass(data_type, numpy.generic) else array

    def save_visualizations(self, data: Any) -> dict[str, VisualizationType]:
        if data.dtype.kind not in "biuf" or data.size < _FEWEST_FOR_A_PICTURE:
            return {}
        if not (picture := histograms.page([("all values", data)])):
            return {}
        self.file(histograms.FILE).write_text(picture, encoding="utf-8")
        return {histograms.FILE: VisualizationType.HTML}

    def extract_metadata(self, data: Any) -> dict[str, Any]:
        import numpy

        if isinstance(data, numpy.generic):
            return {"value": data.item() if data.dtype.kind in "biuf" else str(data), "dtype": str(data.dtype)}
        metadata: dict[str, Any] = {"shape": list(data.shape), "dtype": str(data.dtype), "bytes": data.nbytes}
        if data.dtype.kind in "biuf" and 0 < data.size <= _SUMMARY_ELEMENTS:
            with numpy.errstate(all="ignore"):
                metadata |= {"min": data.min().item(), "max": data.max().item(), "mean": float(data.mean())}
        return metadata

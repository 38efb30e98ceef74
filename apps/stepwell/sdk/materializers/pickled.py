"""Everything without a form of its own: cloudpickle, with classes of the user's script kept by name."""

from __future__ import annotations

import functools
import io
import pickle
from types import FunctionType
from typing import Any, ClassVar

from stepwell.sdk import typenames
from stepwell.sdk.materializers.base import BaseMaterializer

FILE = "value.pkl"


def dumps(value: Any) -> bytes:
    """Return ``value`` pickled so that another process of the same code loads the same classes."""
    buffer = io.BytesIO()
    _pickler()(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    return buffer.getvalue()


@functools.cache
def _pickler() -> Any:
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, thing: Any) -> Any:
            # cloudpickle copies what `__main__` defines; the copy's class would not be the class the next step checks
            if isinstance(thing, (type, FunctionType)) and thing.__module__ == "__main__":
                named = typenames.reference(thing)
                if named is not None:
                    return typenames.find, named
            return super().reducer_override(thing)

    return Pickler


def loads(content: bytes) -> Any:
    """Return the value ``dumps`` wrote. Only for processes that run the user's code anyway."""
    return _Unpickler(io.BytesIO(content)).load()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        # written by a step host under the file's name, read by the script that is the same file
        if module == typenames.main_alias():
            return typenames.find(module, name)
        return super().find_class(module, name)


class PickleMaterializer(BaseMaterializer):
    """Any picklable value."""

    def save(self, data: Any) -> None:
        self.file(FILE).write_bytes(dumps(data))

    def load(self, data_type: type[Any]) -> Any:
        return loads(self.file(FILE).read_bytes())


class EstimatorMaterializer(PickleMaterializer):
    """scikit-learn estimators, whose own way to be stored is pickle."""

    ASSOCIATED_NAMES: ClassVar[tuple[str, ...]] = ("sklearn.base.BaseEstimator",)

    def extract_metadata(self, data: Any) -> dict[str, Any]:
        parameters = {name: repr(value)[:200] for name, value in data.get_params(deep=False).items()}
        return {"parameters": dict(list(parameters.items())[:100])}

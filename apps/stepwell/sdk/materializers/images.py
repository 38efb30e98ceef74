"""Pictures: PIL images and matplotlib figures."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from stepwell.sdk.materializers import pickled
from stepwell.sdk.materializers.base import BaseMaterializer, VisualizationType

PICTURE = "image.png"
_RAW = "pixels.bin"
_SHAPE = "image.json"
#: modes PNG keeps bit by bit
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})


class ImageMaterializer(BaseMaterializer):
    """PIL images; an image read from a file comes back as a plain ``Image`` with the same pixels."""

    ASSOCIATED_NAMES: ClassVar[tuple[str, ...]] = ("PIL.Image.Image",)

    def save(self, data: Any) -> None:
        if data.mode in _PNG_MODES and "transparency" not in data.info:
            data.save(self.file(PICTURE), format="PNG")
            return
        self.file(_SHAPE).write_text(json.dumps({"mode": data.mode, "size": list(data.size)}), encoding="utf-8")
        self.file(_RAW).write_bytes(data.tobytes())

    def load(self, data_type: type[Any]) -> Any:
        from PIL import Image

        if self.file(_SHAPE).exists():
            shape = json.loads(self.file(_SHAPE).read_text(encoding="utf-8"))
            return Image.frombytes(shape["mode"], tuple(shape["size"]), self.file(_RAW).read_bytes())
        with Image.open(self.file(PICTURE)) as picture:
            return picture.copy()

    def save_visualizations(self, data: Any) -> dict[str, VisualizationType]:
        if not self.file(PICTURE).exists():
            data.convert("RGB").save(self.file(PICTURE), format="PNG")
        return {PICTURE: VisualizationType.IMAGE}

    def extract_metadata(self, data: Any) -> dict[str, Any]:
        return {"width": data.width, "height": data.height, "mode": data.mode}


class FigureMaterializer(BaseMaterializer):
    """matplotlib figures, pickled, with a picture to look at."""

    ASSOCIATED_NAMES: ClassVar[tuple[str, ...]] = ("matplotlib.figure.Figure",)

    def save(self, data: Any) -> None:
        self.file(pickled.FILE).write_bytes(pickled.dumps(data))

    def load(self, data_type: type[Any]) -> Any:
        return pickled.loads(self.file(pickled.FILE).read_bytes())

    def save_visualizations(self, data: Any) -> dict[str, VisualizationType]:
        data.savefig(self.file("figure.png"), format="png")
        return {"figure.png": VisualizationType.IMAGE}

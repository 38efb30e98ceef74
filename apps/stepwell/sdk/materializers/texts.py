"""Text that is shown as HTML, Markdown, CSV or JSON, each in a file of its kind."""

from __future__ import annotations

from typing import Any, ClassVar

from stepwell.sdk.materializers.base import BaseMaterializer, VisualizationType
from stepwell.sdk.richtext import CSVString, HTMLString, JSONString, MarkdownString

_FILES: dict[type[str], tuple[str, VisualizationType]] = {
    HTMLString: ("text.html", VisualizationType.HTML),
    MarkdownString: ("text.md", VisualizationType.MARKDOWN),
    CSVString: ("text.csv", VisualizationType.CSV),
    JSONString: ("text.json", VisualizationType.JSON),
}


class TextMaterializer(BaseMaterializer):
    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = tuple(_FILES)

    @classmethod
    def can_store(cls, data: Any) -> bool:
        return type(data) in _FILES

    def save(self, data: str) -> None:
        self.file(_FILES[type(data)][0]).write_bytes(data.encode("utf-8", "surrogatepass"))

    def load(self, data_type: type[Any]) -> Any:
        for kind, (name, _shown) in _FILES.items():
            if self.file(name).exists():
                return kind(self.file(name).read_bytes().decode("utf-8", "surrogatepass"))
        raise FileNotFoundError(f"{self.uri} holds no text.")

    def save_visualizations(self, data: str) -> dict[str, VisualizationType]:
        name, shown = _FILES[type(data)]
        return {name: shown}

    def extract_metadata(self, data: str) -> dict[str, Any]:
        return {"length": len(data)}

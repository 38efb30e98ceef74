"""A file or folder somebody registered, kept as it is."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from stepwell.sdk.materializers.base import BaseMaterializer

_KEPT = "files"


class FolderMaterializer(BaseMaterializer):
    """Loads as the path of a copy, which is the caller's to change."""

    SKIP_REGISTRATION: ClassVar[bool] = True

    def save(self, data: Any) -> None:
        source, target = Path(data), Path(self.uri) / _KEPT
        target.mkdir()
        if source.is_dir():
            shutil.copytree(source, target / source.resolve().name, symlinks=True)
        else:
            shutil.copyfile(source, target / source.name)

    def load(self, data_type: type[Any]) -> Path:
        copied = Path(tempfile.mkdtemp(prefix="stepwell-")) / _KEPT
        shutil.copytree(Path(self.uri) / _KEPT, copied)
        return next(copied.iterdir())

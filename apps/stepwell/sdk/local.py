"""Loading what a run stored, in a script or notebook on the same machine."""

from __future__ import annotations

import os
from typing import Any

from stepwell.sdk import loading
from stepwell.sdk.artifactstore import ArtifactStore


def load_stored(stored: dict[str, Any], artifact_root: str | os.PathLike[str]) -> Any:
    """Return the value of an artifact version after its bytes were checked.

    Loading may run code the value was stored with, so only load what your own runs made. Every call makes a new
    copy.

    Args:
        stored: ``uri``, ``size``, ``sha256``, ``materializer`` and ``type`` as they were recorded.
        artifact_root: the folder of the artifact store.

    Raises:
        ArtifactError: The data is missing, damaged, or its class is not part of this code.
    """
    return loading.load_stored(stored, store=ArtifactStore(artifact_root))

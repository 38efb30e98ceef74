"""The run of an experiment tracker that belongs to a step, as its process told it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stepwell.core.wire import TrackedRun

#: the key of a step's metadata that holds it (``sdk.trackers`` writes it)
METADATA_KEY = "experiment_tracker"


def tracked_run(metadata: Mapping[str, Any]) -> TrackedRun | None:
    """Return the tracker's run of a step with this metadata; None when there is none.

    A step can write what it likes into its metadata: only web addresses become links.
    """
    told = metadata.get(METADATA_KEY)
    if not isinstance(told, Mapping) or not told.get("run_id"):
        return None
    url = str(told.get("url") or "")
    return TrackedRun(
        tracker=str(told.get("tracker") or ""),
        flavor=str(told.get("flavor") or ""),
        experiment=str(told.get("experiment") or ""),
        run_id=str(told["run_id"]),
        place=str(told.get("place") or ""),
        url=url if url.startswith(("http://", "https://")) else "",
    )

"""Metadata on what is named: a run, a step, an artifact version, a model version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stepwell.sdk import models
from stepwell.sdk.artifactcalls import artifact_target
from stepwell.sdk.client import default_transport

_KNOWN = (
    "run_id_name_or_prefix",
    "step_id",
    "step_name",
    "artifact_version_id",
    "artifact_name",
    "artifact_version",
    "model_name",
    "model_version",
    "model_version_id",
    "infer_model",
)
_OF_MODELS = ("model_name", "model_version", "model_version_id")


def log_on(metadata: dict[str, Any], named: Mapping[str, Any]) -> None:
    """Put metadata on what ``named`` names.

    Raises:
        TypeError: There is no such argument.
        ValueError: Nothing is named, or too much.
        NotFound: There is no such thing.
    """
    given = {name: value for name, value in named.items() if value is not None}
    if unknown := sorted(given.keys() - set(_KNOWN)):
        raise TypeError(f"log_metadata takes no {', '.join(unknown)}; there are: {', '.join(_KNOWN)}.")
    if not given:
        raise ValueError(
            "log_metadata() outside of a step needs to know where the facts belong: "
            "run_id_name_or_prefix=, step_id=, artifact_name= or artifact_version_id=."
        )
    if given.pop("infer_model", False) or "model_name" in given:
        models.log_model_metadata(metadata, **{name: given[name] for name in _OF_MODELS if name in given})
        return
    default_transport().ask("metadata.log", target=_target(given), metadata=metadata)


def _target(given: Mapping[str, Any]) -> dict[str, Any]:
    run = given.get("run_id_name_or_prefix")
    if "step_name" in given and run is None:
        raise ValueError("log_metadata: step_name is named together with run_id_name_or_prefix.")
    target = artifact_target(given)
    if "step_id" in given:
        target["step_id"] = str(given["step_id"])
    if run is not None:
        target["run"] = str(run)
        if "step_name" in given:
            target["step"] = given["step_name"]
    if len(target.keys() & {"artifact", "step_id", "run"}) != 1:
        raise ValueError(f"log_metadata: name one thing, not {', '.join(sorted(given))}.")
    return target

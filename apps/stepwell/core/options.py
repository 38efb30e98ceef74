"""Which options steps and pipelines take, and how one layer of options lies over another."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from stepwell.core.near import close_matches

#: options of a step that a pipeline sets for all of its steps
SHARED_OPTIONS = (
    "enable_cache",
    "enable_artifact_metadata",
    "enable_artifact_visualization",
    "enable_step_logs",
    "environment",
    "secrets",
    "settings",
    "extra",
    "on_failure",
    "on_success",
    "on_start",
    "on_end",
    "model",
    "retry",
    "substitutions",
    "cache_policy",
    "experiment_tracker",
    "step_operator",
)
STEP_OPTIONS = (
    "name",
    "step_type",
    *SHARED_OPTIONS,
    "parameters",
    "output_materializers",
    "runtime",
    "heartbeat_healthy_threshold",
    "group",
    "timeout",
)
PIPELINE_OPTIONS = (
    "name",
    *SHARED_OPTIONS,
    "tags",
    "on_init",
    "on_cleanup",
    "execution_mode",
    "dynamic",
)
#: dicts that merge key by key; a policy's or a retry's given fields are held as such a dict too
_MERGED = frozenset(
    {"environment", "settings", "extra", "substitutions", "parameters", "output_materializers", "cache_policy", "retry"}
)
_JOINED = frozenset({"secrets", "tags"})


def check_names(given: Collection[str], known: Collection[str], *, where: str) -> None:
    """Refuse options that do not exist.

    Raises:
        TypeError: Names the first unknown option and the nearest known one.
    """
    for name in given:
        if name not in known:
            near = close_matches(name, known)
            hint = f"Did you mean {near[0]}?" if near else f"The options are: {', '.join(sorted(known))}."
            raise TypeError(f"{where} has no option {name}. {hint}")


def merge(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``lower`` with ``upper`` laid over it: dicts merge key by key, names of secrets and tags add up, anything
    else is replaced."""
    result = dict(lower)
    for name, value in upper.items():
        old = result.get(name)
        if name in _MERGED and isinstance(old, dict) and isinstance(value, dict) and not _is_whole(name, old, value):
            result[name] = merge_dicts(old, value)
        elif name in _JOINED and old is not None:
            result[name] = [*old, *(item for item in value if item not in old)]
        else:
            result[name] = value
    return result


def _is_whole(name: str, old: dict[str, Any], value: dict[str, Any]) -> bool:
    # A policy that has a name ("no_cache") is whole: nothing lies over it field by field.
    return name == "cache_policy" and ("name" in old or "name" in value)


def merge_dicts(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``lower`` with ``upper`` laid over it at every depth; lists are replaced."""
    result = dict(lower)
    for key, value in upper.items():
        old = result.get(key)
        result[key] = merge_dicts(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result

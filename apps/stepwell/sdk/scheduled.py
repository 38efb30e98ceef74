"""Storing a schedule from the script that defines its pipeline."""

from __future__ import annotations

import copy
import importlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from stepwell.core.nametemplates import has_placeholder
from stepwell.errors import UsageError
from stepwell.sdk.places import place_of
from stepwell.sdk.schedule import Schedule
from stepwell.sdk.variants import describe_variant

if TYPE_CHECKING:
    from stepwell.sdk.pipelines import Pipeline


def store(pipeline: Pipeline, origin: Pipeline, schedule: Schedule, given: Mapping[str, Any]) -> Any:
    """Store the code of a pipeline and its schedule, and return what was stored.

    ``pipeline`` is a variant of ``origin``, which is what runners find again in the code: what ``with_options``
    changed is kept beside it. ``given`` are the arguments of the call; others take the code's defaults when a run
    starts.

    Raises:
        UsageError: The code is in no file, the pipeline is no module's attribute, or a parameter does not fit.
    """
    from stepwell.core.plan import Overrides

    place = place_of(pipeline.module)
    if not place.entry_file or origin.source.resolve != "import":
        raise UsageError(
            f"A runner cannot find pipeline {pipeline.name}: it is not at the top level of a file.",
            hint="Define it at the top level of a .py file, then schedule it.",
        )
    if pipeline.run_name is not None and not has_placeholder(pipeline.run_name):
        raise UsageError(
            f"The run_name “{pipeline.run_name}” has no placeholder, so only one run could have it.",
            hint=f"Write {pipeline.run_name}-{{date}}-{{time}}, or leave it out.",
        )
    # A copy is no module's attribute, so that all of its options count as the variant's.
    variant = copy.copy(pipeline)
    values = variant.complete_parameters(given)
    if not variant.is_dynamic:
        variant.trace(values)
    plain = variant.plain_parameters(values)
    # By name: the server stands above the SDK, and is loaded here and nowhere else in it.
    stored = importlib.import_module("stepwell.conf.local").store_schedule(
        spec=origin.spec(),
        name=schedule.name or f"{pipeline.name}-schedule",
        timing=schedule.timing,
        catchup=schedule.catchup,
        parameters={name: plain[name] for name in {**pipeline.file.parameters, **given}},
        overrides=Overrides(variant=_variant(variant)),
        entry_file=place.entry_file,
        source_root=place.source_root,
    )
    _tell(stored, schedule)
    return stored


def _variant(pipeline: Pipeline) -> dict[str, Any]:
    found = describe_variant(pipeline)
    if pipeline.run_name is None:
        return found
    return {**found, "options": {**found.get("options", {}), "run_name": pipeline.run_name}}


def _tell(stored: Any, schedule: Schedule) -> None:
    zone = ZoneInfo(schedule.timezone)
    times = ", ".join(f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}" for moment in stored.next_times[:3])
    lines = [f"Schedule {stored.name} of {stored.pipeline} is {'stored' if stored.is_new else 'changed'}."]
    if stored.is_paused:
        lines.append("It is paused; resume it on its page.")
    elif times:
        lines.append(f"Its next runs: {times}. A runner starts them (stepwell up).")
    sys.stderr.write(" ".join(lines) + "\n")
    sys.stderr.flush()

"""What the form that starts a run has beside its fields: values of earlier runs, and the same start from elsewhere."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from stepwell.pipelines.models import Pipeline
from stepwell.runs.models import Run
from stepwell.web import present

_OFFERED = 5
#: runs looked through for values that differ
_LOOKED_AT = 50


@dataclass(frozen=True, slots=True)
class Preset:
    """The parameters of an earlier run, or the defaults."""

    label: str
    url: str
    made: present.Moment | None
    is_current: bool


def earlier_parameters(pipeline: Pipeline, number: str, schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return those parameters of the pipeline's run of that number that today's code takes; None without such a run."""
    if not (number.isascii() and number.isdigit()):
        return None
    run = Run.objects.filter(pipeline=pipeline, number=int(number[:15])).only("parameters").first()
    return None if run is None else {name: run.parameters[name] for name in _known(schema) if name in run.parameters}


def presets(pipeline: Pipeline, chosen: str) -> list[Preset]:
    """Return the defaults, and the newest runs that differ in their parameters."""
    runs = Run.objects.filter(pipeline=pipeline).only("number", "parameters", "created_at").order_by("-id")[:_LOOKED_AT]
    different: dict[str, Run] = {}
    for run in runs:
        different.setdefault(json.dumps(run.parameters, sort_keys=True), run)
    offered = list(different.values())[:_OFFERED]
    found = [
        Preset(f"#{run.number}", f"?from={run.number}", present.moment(run.created_at), chosen == str(run.number))
        for run in offered
    ]
    return [Preset("defaults", "?", None, not any(one.is_current for one in found)), *found] if found else []


def calls(request: HttpRequest, pipeline: Pipeline, parameters: dict[str, Any]) -> list[tuple[str, str]]:
    """Return how the run is started over the API: the language, and its text."""
    root = request.build_absolute_uri("/").rstrip("/")
    path = reverse("api:start_run", args=[pipeline.slug])
    body = shlex.quote(json.dumps({"parameters": parameters}, ensure_ascii=False))
    curl = (
        'curl -H "Authorization: Bearer $STEPWELL_TOKEN" -H "Content-Type: application/json" \\\n'
        f"  -d {body} \\\n  {root}{path}"
    )
    values = "".join(f"    {name!r}: {value!r},\n" for name, value in parameters.items())
    python = (
        "import os\n\nfrom stepwell import Client\n\n"
        f'client = Client(url="{root}", token=os.environ["STEPWELL_TOKEN"])\n'
        f"parameters = {{\n{values}}}\n"
        f'client.trigger_pipeline("{pipeline.slug}", parameters)'
    )
    return [("curl", curl), ("Python", python)]


def _known(schema: Mapping[str, Any]) -> list[str]:
    return list(schema.get("properties", {}))

"""What a run was given and what it came to: its parameters, and the results none of its own steps takes up."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from stepwell.artifacts.models import StepArtifact
from stepwell.runs.models import Run
from stepwell.web import present
from stepwell.web.panel_parts import ArtifactRow, artifact_row

_MOST_PARAMETERS = 12
_MOST_RESULTS = 6
_LONGEST_VALUE = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Gist:
    """``n_more_parameters`` and ``has_more_results``: what other pages of the run have beside these."""

    parameters: list[tuple[str, str]]
    n_more_parameters: int
    results: list[ArtifactRow]
    has_more_results: bool


def gist(run: Run, *, has_results: bool) -> Gist:
    """Return the gist of ``run``; one query, and none without results."""
    results = _results(run) if has_results else []
    parameters = [(name, present.value(value, limit=_LONGEST_VALUE)) for name, value in run.parameters.items()]
    return Gist(
        parameters=parameters[:_MOST_PARAMETERS],
        n_more_parameters=max(0, len(parameters) - _MOST_PARAMETERS),
        results=[artifact_row(link.name, link.artifact_version) for link in results[:_MOST_RESULTS]],
        has_more_results=len(results) > _MOST_RESULTS,
    )


def _results(run: Run) -> list[StepArtifact]:
    links = StepArtifact.objects.filter(step_run__run=run)
    taken = links.filter(artifact_version=OuterRef("artifact_version"), direction=StepArtifact.Direction.INPUT)
    last = links.filter(~Exists(taken), direction=StepArtifact.Direction.OUTPUT)
    return list(last.select_related("artifact_version__artifact").order_by("-id")[: _MOST_RESULTS + 1])

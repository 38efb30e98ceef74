"""Two to five runs side by side: what differs between them, and nothing else unless asked for."""

from __future__ import annotations

import csv
import io
from typing import Any

from django.http import HttpResponse
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role
from stepwell.errors import UsageError
from stepwell.runs.models import Run
from stepwell.web import compare_rows, present
from stepwell.web.access import get_run_or_404, needs
from stepwell.web.csv_text import safe_cell
from stepwell.web.request import WebRequest, render_page
from stepwell.web.run_rows import listed, run_rows

FEWEST, MOST = 2, 5
_OFFERED = 12


@require_safe
@needs(Role.VIEWER)
def compare(request: WebRequest) -> HttpResponse:
    """Show what differs between the runs an address names: ``?run=41&run=42``."""
    runs = _runs(request)
    if len(runs) < FEWEST:
        return _choose(request, runs[0] if runs else None)
    shows_all = request.GET.get("show") == "all"
    steps = compare_rows.read_steps(runs)
    rows = compare_rows.rows(runs, steps)
    chosen = [row for row in rows if shows_all or row.differs]
    query = "&".join(f"run={run.number}" for run in runs)
    context: dict[str, Any] = {
        "runs": [(run, present.state(run.status), present.moment(run.created_at), _without(runs, run)) for run in runs],
        "sections": compare_rows.by_section(chosen),
        "shows_all": shows_all,
        "n_same": sum(not row.differs for row in rows),
        "n_different": sum(row.differs for row in rows),
        "diffs": compare_rows.code_diffs(runs, steps),
        "csv_url": f"{reverse('runs:compare_csv')}?{query}{'&show=all' if shows_all else ''}",
        "other_url": f"{reverse('runs:compare')}?{query}{'' if shows_all else '&show=all'}",
        "can_add": len(runs) < MOST,
    }
    return render_page(request, "runs/compare.html", context)


def _choose(request: WebRequest, first: Run | None) -> HttpResponse:
    """Offer the other runs of the pipeline, and two fields."""
    alike = Run.objects.filter(pipeline=first.pipeline_id).exclude(pk=first.pk) if first else Run.objects.none()
    others = run_rows(list(listed(alike).order_by("-id")[:_OFFERED]))
    return render_page(request, "runs/compare_choose.html", {"first": first, "others": others, "most": MOST})


@require_safe
@needs(Role.VIEWER)
def compare_csv(request: WebRequest) -> HttpResponse:
    """Send the table as CSV."""
    runs = _runs(request)
    if len(runs) < FEWEST:
        raise UsageError("A comparison needs two runs.", hint="Add run=NUMBER to the address.")
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["part", "what", *(f"#{run.number}" for run in runs)])
    for row in compare_rows.rows(runs, compare_rows.read_steps(runs)):
        if row.differs or request.GET.get("show") == "all":
            writer.writerow([safe_cell(cell) for cell in (row.section, row.name, *row.cells)])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="compare.csv"'
    return response


def _runs(request: WebRequest) -> list[Run]:
    refs = [ref.strip() for ref in [*request.GET.getlist("run"), *request.GET.getlist("id")] if ref.strip()]
    refs = list(dict.fromkeys(refs))
    if len(refs) > MOST:
        raise UsageError(f"{len(refs)} runs were chosen.", hint=f"Compare up to {MOST} at a time.")
    runs = {run.pk: run for run in (get_run_or_404(request, ref) for ref in refs)}
    return list(runs.values())


def _without(runs: list[Run], gone: Run) -> str:
    if len(runs) <= FEWEST:
        return ""
    return f"{reverse('runs:compare')}?" + "&".join(f"run={run.number}" for run in runs if run is not gone)


urlpatterns = [
    path("runs/compare/", compare, name="compare"),
    path("runs/compare.csv", compare_csv, name="compare_csv"),
]

"""The code of a run as it ran, and what changed in it against the run before."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from django.http import HttpResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from stepwell.accounts.models import Role
from stepwell.errors import ArtifactError
from stepwell.execution import actions, archives
from stepwell.pipelines.models import Snapshot
from stepwell.runs.models import Run
from stepwell.web import highlight, present
from stepwell.web.access import get_run_or_404, needs
from stepwell.web.request import WebRequest, render_page
from stepwell.web.run_tabs import run_context

#: files that a person may choose from
_MOST_FILES = 500
_MOST_BYTES = 512 * 1024
#: unchanged lines around a change
_CONTEXT = 4


@dataclass(frozen=True, slots=True)
class FileChoice:
    name: str
    url: str
    is_current: bool
    #: "changed", "new" or "gone" against the other run; empty when it is the same
    change: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of code. ``kind``: ``same``, ``new``, ``old``, or ``gap`` for lines that are left out."""

    kind: str
    old: int | None
    new: int | None
    html: SafeString | str


@require_safe
@needs(Role.VIEWER)
def code(request: WebRequest, ref: str) -> HttpResponse:
    """Show a file of the run's code, or how it differs from that of another run."""
    run = get_run_or_404(request, ref)
    other = _other_run(run, request.GET.get("against", ""))
    mine, theirs = _files(run.snapshot), _files(other.snapshot) if other else {}
    is_same = other is not None and _is_same(run.snapshot, other.snapshot)
    wants_diff = request.GET.get("view") == "diff" and other is not None and not is_same
    changed = {} if is_same or other is None else _changes(mine, theirs)
    names = sorted({*mine, *changed}, key=lambda name: (name not in changed, name != run.snapshot.entry_file, name))
    name = _chosen(request.GET.get("file", ""), names, run, first_changed=wants_diff)
    old, new = theirs.get(name, ""), mine.get(name, "")
    lines = diff_lines(old, new) if wants_diff else plain_lines(new)
    context = {
        **run_context(request, run, "code"),
        "files": [
            FileChoice(each, _url(run, file=each, diff=wants_diff), each == name, changed.get(each, ""))
            for each in names[:_MOST_FILES]
        ],
        "file": name,
        "lines": lines,
        "other": other,
        "other_url": reverse("runs:detail", args=[other.number]) if other else "",
        "is_same": is_same,
        "n_changed": len(changed),
        "wants_diff": wants_diff,
        "code_url": _url(run, file=name),
        "diff_url": _url(run, file=name if name in changed else "", diff=True),
        "n_new": sum(line.kind == "new" for line in lines) if wants_diff else 0,
        "n_old": sum(line.kind == "old" for line in lines),
    }
    return render_page(request, "runs/code.html", context)


def plain_lines(text: str) -> list[Line]:
    """Return the lines of a file."""
    return [Line("same", None, number, html) for number, html in enumerate(highlight.python_lines(text), start=1)]


def diff_lines(old: str, new: str) -> list[Line]:
    """Return the lines of both texts as they follow one another, long unchanged stretches left out."""
    before, after = highlight.python_lines(old), highlight.python_lines(new)
    matcher = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=len(before) > 5000)
    lines: list[Line] = []
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        first = group[0][3] + 1
        if first > 1:
            lines.append(Line("gap", None, None, f"line {first}"))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                lines += [Line("same", i1 + k + 1, j1 + k + 1, after[j1 + k]) for k in range(j2 - j1)]
                continue
            lines += [Line("old", number + 1, None, before[number]) for number in range(i1, i2)]
            lines += [Line("new", None, number + 1, after[number]) for number in range(j1, j2)]
    return lines


def _other_run(run: Run, against: str) -> Run | None:
    """Return the run to compare with: the one asked for, its parent, or the run of the pipeline before."""
    if against and (asked := actions.find_run(against)):
        return asked
    if run.parent_id:
        return Run.objects.select_related("snapshot", "pipeline").filter(id=run.parent_id).first()
    earlier = Run.objects.filter(pipeline_id=run.pipeline_id, id__lt=run.id)
    return earlier.select_related("snapshot", "pipeline").order_by("-id").first()


def _is_same(one: Snapshot, other: Snapshot) -> bool:
    return one.id == other.id or bool(one.code_hash and one.code_hash == other.code_hash)


def _files(snapshot: Snapshot) -> dict[str, str]:
    """Return name -> text of the code that was kept; of code that was not, what was registered of it."""
    try:
        root = archives.unpacked(snapshot.code_hash) if snapshot.code_hash else None
    except ArtifactError:
        root = None
    if root is None:
        return _registered(snapshot)
    found: dict[str, str] = {}
    for place in sorted(one for one in root.rglob("*") if one.is_file() and not one.is_symlink()):
        if len(found) < _MOST_FILES and place.stat().st_size <= _MOST_BYTES and "__pycache__" not in place.parts:
            found[place.relative_to(root).as_posix()] = _text(place)
    return found


def _registered(snapshot: Snapshot) -> dict[str, str]:
    spec = snapshot.compiled
    sources = [spec.source_code, *(dict.fromkeys(step.source_code for step in spec.plan.steps) if spec.plan else ())]
    text = "\n\n".join(source.rstrip() for source in sources if source)
    return {snapshot.entry_file or "pipeline.py": text + "\n"} if text else {}


def _text(place: Path) -> str:
    return place.read_text(encoding="utf-8", errors="replace")


def _changes(mine: dict[str, str], theirs: dict[str, str]) -> dict[str, str]:
    found = {}
    for name in mine.keys() | theirs.keys():
        if mine.get(name) != theirs.get(name):
            found[name] = "changed" if name in mine and name in theirs else "new" if name in mine else "gone"
    return found


def _chosen(asked: str, names: list[str], run: Run, *, first_changed: bool) -> str:
    if asked in names:
        return asked
    if not first_changed and run.snapshot.entry_file in names:
        return run.snapshot.entry_file
    return names[0] if names else ""


def _url(run: Run, *, file: str, diff: bool = False) -> str:
    return f"{reverse('runs:code', args=[run.number])}{present.query(file=file, view='diff' if diff else '')}"


urlpatterns = [path("runs/<str:ref>/code/", code, name="code")]

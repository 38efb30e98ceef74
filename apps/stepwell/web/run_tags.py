"""The tags of a run as people change them on its page: what they typed is read, and what does not fit is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe
from pydantic import ValidationError

from stepwell.accounts.models import Role
from stepwell.core.wire_artifacts import TagsToChange, Target
from stepwell.errors import UsageError
from stepwell.execution import notes
from stepwell.runs.models import Run
from stepwell.web.access import needs, shown
from stepwell.web.request import WebRequest

#: the newest runs whose tags are offered
_LOOKED_AT = 500
_OFFERED = 200


@dataclass(frozen=True, slots=True)
class TagField:
    """The field for new tags as it is shown again: what was typed, and why it does not do."""

    text: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    added: list[str]
    removed: list[str]


def change(run: Run, sent: QueryDict) -> Changed:
    """Put on a run what was typed, with commas between, or is named by ``add``; take off what ``remove`` names.

    Raises:
        UsageError: Nothing was given, or a tag does not do; says which and why.
    """
    before = set(run.tags)
    add, remove = [*_typed(sent), *sent.getlist("add")], sent.getlist("remove")
    if not add and not remove:
        raise UsageError("No tag was given.", hint="Write one, or several with commas between them.")
    notes.change_tags(_asked(add, remove), row=run)
    return Changed(sorted(set(run.tags) - before), sorted(before - set(run.tags)))


def told(run: Run, changed: Changed) -> str:
    """Return what came of a change as a sentence."""
    parts = [f"{', '.join(changed.added)} added"] if changed.added else []
    parts += [f"{', '.join(changed.removed)} taken off"] if changed.removed else []
    return f"Tags of run #{run.number}: {' and '.join(parts) or 'nothing to change'}."


def read(sent: QueryDict) -> list[str]:
    """Return the tags that were typed.

    Raises:
        UsageError: One does not do; says which and why.
    """
    return _asked(_typed(sent), []).add


def _typed(sent: QueryDict) -> list[str]:
    return [text for part in sent.get("tags", "").split(",") if (text := part.strip())]


def _asked(add: list[str], remove: list[str]) -> TagsToChange:
    try:
        return TagsToChange(target=Target(run="this"), add=add, remove=remove)
    except ValidationError as exc:
        why = " ".join(_explain(error) for error in exc.errors())
        raise UsageError(why, fields={"tags": why}) from None


def _explain(error: Any) -> str:
    """Return what pydantic refused in words that name the tag."""
    most = error.get("ctx", {}).get("max_length")
    if error["type"] == "too_long":
        return f"These are {len(error['input'])} tags, and {most} are added at once: take some away."
    tag = str(error["input"])
    if error["type"] == "string_too_long":
        return f"“{shown(tag[:30])}…” has {len(tag)} characters, and a tag {most} at most: shorten it."
    return f"“{shown(tag)}” does not do: {error['msg'].removeprefix('Value error, ')}"


@require_safe
@needs(Role.OPERATOR)
def choices(request: WebRequest) -> HttpResponse:
    """Offer the tags that the newest runs have, for a field that is being typed in."""
    newest = Run.objects.order_by("-id").values_list("tags", flat=True)[:_LOOKED_AT]
    found = dict.fromkeys(str(tag) for tags in newest for tag in tags)
    return render(request, "runs/_tag_choices.html", {"tags": list(found)[:_OFFERED]})


urlpatterns = [path("runs/tags/", choices, name="tag_choices")]

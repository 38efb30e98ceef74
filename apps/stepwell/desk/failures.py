"""Failures that still need somebody, and saying that one does not."""

from __future__ import annotations

from django.db import transaction

from stepwell.accounts.models import User
from stepwell.core.status import RunStatus
from stepwell.desk.models import Acknowledgement
from stepwell.errors import Conflict
from stepwell.runs import events
from stepwell.runs.models import Run

_LONGEST_NOTE = 500


def acknowledge(*, run: Run, note: str, by: User) -> Acknowledgement:
    """Say that somebody saw to a failed run; it is unresolved no more.

    Raises:
        Conflict: The run did not fail, or its failure is settled already.
    """
    note = note.replace("\0", "").strip()[:_LONGEST_NOTE]
    with transaction.atomic():
        settled = Run.objects.filter(pk=run.pk, is_unresolved=True).update(is_unresolved=False)
        if not settled:
            raise _not_open(run)
        done, _ = Acknowledgement.objects.update_or_create(
            run=run, defaults={"note": note, "by": by, "by_name": by.get_username()}
        )
        events.record(run.pk, "run.acknowledged", {"by": by.get_username(), "message": note})
    return done


def withdraw(*, run: Run, by: User) -> str:
    """Take back that somebody saw to a failed run: it is unresolved again. Return the note that was given.

    Raises:
        Conflict: Nobody said so, or a rerun ended since that stands for it.
    """
    with transaction.atomic():
        said = Acknowledgement.objects.select_for_update().filter(run=run).first()
        if said is None:
            raise Conflict(f"Nobody has acknowledged the failure of run #{run.number}.")
        if _has_later_end(run):
            raise Conflict(
                f"A rerun of run #{run.number} ended meanwhile and stands for its failure.",
                hint="Nothing is left to do.",
            )
        said.delete()
        Run.objects.filter(pk=run.pk, status=RunStatus.FAILED).update(is_unresolved=True)
        events.record(run.pk, "run.reopened", {"by": by.get_username()})
    return said.note


def _has_later_end(run: Run) -> bool:
    """Return whether a rerun of it, or of one of those, came to an end that settles what was before it."""
    found = [run.pk]
    while found:
        reruns = dict(Run.objects.filter(parent_id__in=found).values_list("pk", "status"))
        if not {RunStatus.COMPLETED, RunStatus.FAILED}.isdisjoint(reruns.values()):
            return True
        found = list(reruns)
    return False


def _not_open(run: Run) -> Conflict:
    run.refresh_from_db(fields=["status", "is_unresolved"])
    if run.status != RunStatus.FAILED:
        return Conflict(f"Run #{run.number} is {run.status}, so there is no failure to acknowledge.")
    return Conflict(f"The failure of run #{run.number} is settled already.", hint="Nothing is left to do.")

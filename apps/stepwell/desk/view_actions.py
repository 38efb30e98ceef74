"""What people do with saved views: keep, change, share, pin, open first, remove."""

from __future__ import annotations

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from stepwell.accounts.models import User
from stepwell.desk.models import SavedView, ViewMark
from stepwell.errors import Conflict, NotFound, UsageError

_MOST_VIEWS = 200
#: how long a removed view can be brought back
_RESTORABLE = timedelta(days=1)


def visible_views(user: User) -> QuerySet[SavedView]:
    """Return the views ``user`` may open: their own, and the shared ones of others."""
    there = SavedView.objects.filter(removed_at=None)
    return there.filter(Q(owner=user) | Q(is_shared=True)).select_related("owner")


def save_view(*, user: User, name: str, query: str, is_shared: bool) -> SavedView:
    """Keep a list under a name; a view of one's own with this name is replaced.

    Raises:
        UsageError: The name does not do.
        Conflict: The person has too many views.
    """
    name = " ".join("".join(char if char.isprintable() else " " for char in name).split())
    if not 0 < len(name) <= 80:
        raise UsageError("A view needs a name of up to 80 characters.", fields={"name": "Give a name."})
    if len(query) > 2000:
        raise UsageError("This list has more filters than a view can keep.", hint="Take some away.")
    if SavedView.objects.filter(owner=user, removed_at=None).count() >= _MOST_VIEWS:
        raise Conflict(f"You have {_MOST_VIEWS} views, which is the most.", hint="Remove one first.")
    with transaction.atomic():
        SavedView.objects.filter(owner=user, name=name, removed_at__isnull=False).delete()
        view, _ = SavedView.objects.update_or_create(
            owner=user, name=name, defaults={"query": query, "is_shared": is_shared}
        )
    return view


def remove_view(view: SavedView) -> None:
    """Remove a view. It can be restored for a day, with what everybody made of it."""
    now = timezone.now()
    SavedView.objects.filter(owner=view.owner_id, removed_at__lt=now - _RESTORABLE).delete()
    SavedView.objects.filter(pk=view.pk).update(removed_at=now)


def restore_view(*, user: User, view_id: object) -> SavedView:
    """Bring back a view of ``user``'s own that they removed.

    Raises:
        NotFound: It was removed too long ago, or replaced by another of its name.
    """
    found = SavedView.objects.filter(owner=user, id=view_id)
    if not found.update(removed_at=None):
        raise NotFound("This view cannot be brought back any more.", hint="Save the list under its name again.")
    return found.get()


def find_view(*, user: User, view_id: object) -> SavedView:
    """Return a view ``user`` may open.

    Raises:
        NotFound: There is none.
    """
    view = visible_views(user).filter(id=view_id).first()
    if view is None:
        raise NotFound("There is no such view.", hint="It may have been removed, or is no longer shared.")
    return view


def own_view(*, user: User, view_id: object) -> SavedView:
    """Return a view of ``user``'s own.

    Raises:
        NotFound: There is none.
    """
    view = SavedView.objects.filter(owner=user, id=view_id, removed_at=None).first()
    if view is None:
        raise NotFound("You have no such view.", hint="Only its owner changes a view.")
    return view


def mark_view(*, user: User, view: SavedView, is_pinned: bool | None = None, is_default: bool | None = None) -> None:
    """Pin a view to the person's rail, or open their runs with it; None leaves that as it is."""
    with transaction.atomic():
        try:
            with transaction.atomic():
                mark, _ = ViewMark.objects.get_or_create(user=user, view=view)
        except IntegrityError:
            mark = ViewMark.objects.get(user=user, view=view)
        if is_pinned is not None:
            mark.is_pinned = is_pinned
        if is_default is not None:
            ViewMark.objects.filter(user=user, is_default=True).update(is_default=False)
            mark.is_default = is_default
        mark.save()

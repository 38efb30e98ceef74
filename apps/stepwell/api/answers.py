"""Small things the operations share: what they may answer, and what a request may carry."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from pydantic import BaseModel

from stepwell.accounts import audit
from stepwell.api.auth import ApiRequest
from stepwell.core.wire import ErrorAnswer
from stepwell.errors import UsageError
from stepwell.kit.models import Row
from stepwell.runs.models import Run


def answers(model: type[BaseModel], *errors: int, status: int = 200) -> dict[int, Any]:
    """Return an operation's ``response``: ``model`` when it works, one error shape for everything else."""
    return {status: model, **dict.fromkeys((401, 403, *errors, 422), ErrorAnswer)}


class UnknownFilter(UsageError):
    """The address has a filter that does not exist."""

    code = "invalid"


def only_query(request: HttpRequest, filters: type[BaseModel]) -> None:
    """Refuse query parameters that ``filters`` does not have, and NUL in any, which no database looks for alike.

    Raises:
        UnknownFilter: Names every one.
    """
    known = filters.model_fields
    unknown = [name for name in request.GET if name not in known]
    if unknown:
        error = UnknownFilter(hint=f"There are: {', '.join(known)}.")
        error.fields = {name[:80]: "There is no such filter." for name in unknown[:20]}  # type: ignore[attr-defined]
        raise error
    if odd := [name for name in known if any("\0" in value for value in request.GET.getlist(name))]:
        error = UnknownFilter("A filter holds a NUL character.")
        error.fields = dict.fromkeys(odd, "No text we keep has a NUL character.")  # type: ignore[attr-defined]
        raise error


def record_run_act(request: ApiRequest, action: str, run: Run) -> None:
    """Write what the caller did to a run into the audit log."""
    record_act(request, action, kind="run", row=run)


def record_act(request: ApiRequest, action: str, *, kind: str, row: Row) -> None:
    """Write what the caller did to a row of some kind into the audit log."""
    token = request.auth.token
    audit.record(
        actor=request.auth.user,
        action=action,
        object_kind=kind,
        object_id=str(row.id),
        object_name=str(row),
        ip=request.META.get("REMOTE_ADDR"),
        after={"token": token.name} if token else None,
    )


def idempotency_key(request: ApiRequest, key: str | None) -> str | None:
    """Return the key as stored: one person's keys never meet another's."""
    return None if key is None else f"{request.auth.user.id.hex}:{key}"

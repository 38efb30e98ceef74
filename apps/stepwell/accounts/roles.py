"""Who may do what: the one table that pages, the API, their tests and the documents share."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stepwell.accounts.models import ROLE_ORDER, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something people do, the least role for it, and the addresses it is done at.

    ``places`` are patterns of ``METHOD address``; pages answer to GET and POST alike.
    """

    name: str
    role: str
    what: str
    places: tuple[str, ...]

    def is_at(self, place: str) -> bool:
        return any(re.fullmatch(pattern, place) for pattern in self.places)

    def may(self, role: str) -> bool:
        """Return whether somebody with ``role`` may do it."""
        return ROLE_ORDER.index(role) >= ROLE_ORDER.index(self.role)


ENVIRONMENT = Act(
    name="environment", role=Role.OPERATOR, what="see the values of steps' environment variables", places=()
)
#: the first act whose pattern fits an address is the one done there
ACTS: tuple[Act, ...] = (
    Act(
        name="account",
        role=Role.VIEWER,
        what="change one's own password and preferences, end one's own sessions, make and revoke one's own tokens",
        places=(r"PAGE /me/.*", r"PAGE /tokens/.*", r"GET /api/v1/me"),
    ),
    Act(
        name="desk",
        role=Role.VIEWER,
        what="save views of lists, watch runs, read one's own inbox",
        places=(r"PAGE /views/.*", r"PAGE /inbox/.*", r"PAGE /runs/[^/]+/watch/"),
    ),
    Act(
        name="runs",
        role=Role.OPERATOR,
        what="start, cancel and rerun runs, answer what runs wait for, say that a failure is known",
        places=(
            r"PAGE /pipelines/[^/]+/run/",
            r"PAGE /runs/[^/]+/(rerun|cancellation|acknowledgement)/",
            r"PAGE /errors/[^/]+/acknowledgement/",
            r"PAGE /bulk/(new|[^/]+/undo)/",
            r"POST /api/v1/pipelines/[^/]+/runs",
            r"POST /api/v1/runs/[^/]+/(cancellation|reruns|waits/[^/]+/answer)",
        ),
    ),
    Act(
        name="results",
        role=Role.OPERATOR,
        what="store artifacts, metadata and tags, let a result expire, promote models",
        places=(
            r"PAGE /runs/[^/]+/steps/.+/expiry/",
            r"PAGE /runs/([^/]+/)?tags/",
            r"PAGE /models/[^/]+/[^/]+/stage/",
            r"POST /api/v1/(artifact-versions|uploads|uploads/[^/]+/parts|metadata|tags)",
            r"POST /api/v1/models/.+",
        ),
    ),
    Act(
        name="schedules",
        role=Role.OPERATOR,
        what="make, change, pause, start and delete schedules",
        places=(
            r"PAGE /schedules/(new|[^/]+/(edit|pause|runs|backfill|deletion))/",
            r"(POST|PATCH|DELETE) /api/v1/schedules.*",
        ),
    ),
    ENVIRONMENT,
    Act(
        name="stack",
        role=Role.ADMIN,
        what="add, change and remove trackers, step operators and other components",
        places=(
            r"PAGE /stack/\+/.+",
            r"PAGE /stack/[0-9a-f-]{36}/.*",
            r"(POST|PATCH|DELETE) /api/v1/components.*",
        ),
    ),
    Act(
        name="secrets",
        role=Role.ADMIN,
        what="see secrets' names; make, replace and delete them",
        places=(r"PAGE /secrets/.*", r"[A-Z]+ /api/v1/secrets.*"),
    ),
    Act(
        name="people",
        role=Role.ADMIN,
        what="invite people, make service accounts, change roles, end sessions, deactivate; revoke anybody's tokens",
        places=(r"PAGE /people/.*",),
    ),
    Act(name="alerts", role=Role.ADMIN, what="say who is told of what by which address", places=(r"PAGE /alerts/.*",)),
    Act(
        name="instance",
        role=Role.ADMIN,
        what="change the instance's settings, see how it does, read and export the audit log, look at every table",
        places=(r"PAGE /(settings|system|audit|admin)/.*",),
    ),
    Act(
        name="reading",
        role=Role.VIEWER,
        what="see and download everything else: runs, logs, artifacts, models, schedules, components, metrics",
        places=(r"PAGE /.*", r"GET /api/v1/.+"),
    ),
)


def act_at(place: str) -> Act | None:
    """Return what is done at ``PAGE /address`` or ``METHOD /api/v1/address``; None when the table does not say."""
    return next((act for act in ACTS if act.is_at(place)), None)

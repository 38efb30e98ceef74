"""The API: its operations, who is let in, and how it answers."""

from __future__ import annotations

from ninja import NinjaAPI, Router

from stepwell.accounts.models import Role
from stepwell.api import artifacts, components, dynamic, models, notes, pipelines, runs, schedules, steps, vault
from stepwell.api.answers import answers
from stepwell.api.auth import ApiRequest, needs
from stepwell.api.bodies import StrictParser
from stepwell.api.errors import add_handlers
from stepwell.core.wire import Me

me = Router(tags=["You"], auth=needs(Role.VIEWER))


@me.get("", response=answers(Me), summary="Who you are and what you may do")
def get_me(request: ApiRequest) -> Me:
    caller = request.auth
    return Me(
        user=caller.user.username,
        role=caller.role,
        token=caller.token.name if caller.token else None,
        expires_at=caller.token.expires_at if caller.token else None,
    )


def _make() -> NinjaAPI:
    made = NinjaAPI(
        title="Stepwell",
        version="1",
        description="Pipelines, their runs, steps and logs. Make a token on the Tokens page.",
        urls_namespace="api",
        docs_url=None,
        auth=needs(Role.VIEWER),
        parser=StrictParser(),
    )
    add_handlers(made)
    made.add_router("/me", me)
    made.add_router("/models", models.router)
    made.add_router("/pipelines", pipelines.router)
    made.add_router("/runs", runs.router)
    made.add_router("/runs", steps.router)
    made.add_router("/runs", dynamic.router)
    made.add_router("/components", components.router)
    made.add_router("", artifacts.router)
    made.add_router("", notes.router)
    made.add_router("/secrets", vault.router)
    made.add_router("/schedules", schedules.router)
    return made


api = _make()

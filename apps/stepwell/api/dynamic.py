"""Dynamic runs: what their body called, and what people are asked."""

from __future__ import annotations

from ninja import Path, Query, Router

from stepwell.accounts.models import Role
from stepwell.api.answers import answers, only_query, record_run_act
from stepwell.api.auth import ApiRequest, needs
from stepwell.api.lookup import find_run
from stepwell.core.wire_dynamic import CallFilters, CallPage, WaitAnswer, WaitDetail, WaitList
from stepwell.execution import journal, waits

router = Router(tags=["Dynamic runs"], auth=needs(Role.VIEWER))


@router.get("/{ref}/calls", response=answers(CallPage, 404), summary="List what a dynamic pipeline's body called")
def list_calls(request: ApiRequest, ref: Path[str], filters: Query[CallFilters]) -> CallPage:
    only_query(request, CallFilters)
    return journal.call_page(find_run(ref), filters)


@router.get(
    "/{ref}/waits",
    response=answers(WaitList, 404),
    by_alias=True,
    summary="List what a run waits or waited for people to answer",
)
def list_waits(request: ApiRequest, ref: Path[str]) -> WaitList:
    return journal.wait_list(find_run(ref))


@router.post(
    "/{ref}/waits/{wait}/answer",
    response=answers(WaitDetail, 404, 409),
    by_alias=True,
    auth=needs(Role.OPERATOR),
    summary="Answer what a run waits for",
    description=(
        "The wait is named by its id or name. The first answer that fits the schema stands; later ones get 409, with "
        "the first one and who gave it under “fields”."
    ),
)
def answer_wait(request: ApiRequest, ref: Path[str], wait: Path[str], body: WaitAnswer) -> WaitDetail:
    run = find_run(ref)
    answered = waits.answer(waits.find_wait(run, wait), body.answer, by=request.auth.user.username)
    record_run_act(request, "run.answered", run)
    return journal.wait_detail(answered)

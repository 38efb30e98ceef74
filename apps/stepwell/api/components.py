"""Components of the instance: experiment trackers, step operators, the artifact store."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from ninja import Path, Query, Router
from ninja.responses import Status

from stepwell.accounts.models import Role
from stepwell.api.answers import answers, only_query
from stepwell.api.auth import ApiRequest, needs
from stepwell.api.shapes import HIDDEN
from stepwell.core.wire import ComponentChange, ComponentDetail, ComponentFilters, ComponentList, NewComponent
from stepwell.stacks import actions, queries
from stepwell.stacks.queries import ComponentLine

router = Router(tags=["Components"], auth=needs(Role.VIEWER))


@router.get("", response=answers(ComponentList), summary="List components")
def list_components(request: ApiRequest, filters: Query[ComponentFilters]) -> ComponentList:
    only_query(request, ComponentFilters)
    lines = [line for line in queries.list_components() if filters.kind in {None, line.kind}]
    return ComponentList(items=[_detail(line, full=request.auth.sees_all) for line in lines])


@router.get("/{component_id}", response=answers(ComponentDetail, 404), summary="Get a component")
def get_component(request: ApiRequest, component_id: Path[UUID]) -> ComponentDetail:
    return _detail(queries.line_of(queries.get_component(component_id)), full=request.auth.sees_all)


@router.post(
    "", response=answers(ComponentDetail, 404, 409, status=201), auth=needs(Role.ADMIN), summary="Add a component"
)
def add_component(request: ApiRequest, response: HttpResponse, body: NewComponent) -> Status:
    made = actions.add_component(
        kind=body.kind,
        flavor=body.flavor,
        name=body.name,
        config=body.config,
        is_default=body.default,
        by=request.auth.user,
        ip=request.META.get("REMOTE_ADDR"),
    )
    response["Location"] = f"/api/v1/components/{made.pk}"
    return Status(201, _detail(queries.line_of(made), full=True))


@router.patch(
    "/{component_id}",
    response=answers(ComponentDetail, 404),
    auth=needs(Role.ADMIN),
    summary="Change a component's settings, or make it the default of its kind",
)
def change_component(request: ApiRequest, component_id: Path[UUID], body: ComponentChange) -> ComponentDetail:
    row, ip = queries.get_component(component_id), request.META.get("REMOTE_ADDR")
    if body.config is not None:
        row = actions.change_component(component=row, config=body.config, by=request.auth.user, ip=ip)
    if body.default:
        row = actions.set_default(component=row, by=request.auth.user, ip=ip)
    return _detail(queries.line_of(row), full=True)


@router.delete(
    "/{component_id}",
    response={204: None, **{code: model for code, model in answers(ComponentDetail, 404).items() if code != 200}},
    auth=needs(Role.ADMIN),
    summary="Remove a component",
)
def remove_component(request: ApiRequest, component_id: Path[UUID]) -> Status:
    row = queries.get_component(component_id)
    actions.remove_component(component=row, by=request.auth.user, ip=request.META.get("REMOTE_ADDR"))
    return Status(204, None)


def _detail(line: ComponentLine, *, full: bool) -> ComponentDetail:
    config = {
        name: dict.fromkeys(value, HIDDEN) if isinstance(value, dict) and not full else value
        for name, value in line.config.items()
    }
    return ComponentDetail(
        id=line.id, kind=line.kind, flavor=line.flavor, name=line.name, default=line.is_default, config=config
    )

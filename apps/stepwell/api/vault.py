"""Secrets, for admins: create, replace and delete them. Their values go in and never come out."""

from __future__ import annotations

from ninja import Path, Router
from ninja.responses import Status

from stepwell.accounts.models import Role
from stepwell.api.answers import answers
from stepwell.api.auth import ApiRequest, needs
from stepwell.core.wire_artifacts import Done, NewSecret, SecretDetail, SecretList, SecretToStore
from stepwell.execution.callreads import secret_detail
from stepwell.vault import actions, queries
from stepwell.vault.models import Secret

router = Router(tags=["Secrets"], auth=needs(Role.ADMIN))


@router.get("", response=answers(SecretList), summary="List secrets by name, without values")
def list_secrets(request: ApiRequest) -> SecretList:
    return SecretList(items=[secret_detail(row) for row in Secret.objects.order_by("name")])


@router.get("/{name}", response=answers(SecretDetail, 404), summary="Get a secret, without its values")
def get_secret(request: ApiRequest, name: Path[str]) -> SecretDetail:
    return secret_detail(queries.get_secret(name))


@router.post("", response=answers(SecretDetail, 409, status=201), summary="Create a secret")
def create_secret(request: ApiRequest, body: NewSecret) -> Status:
    made = actions.put_secret(name=body.name, values=body.values, by=request.auth.user, ip=_ip(request))
    return Status(201, secret_detail(made))


@router.put("/{name}", response=answers(SecretDetail, 404), summary="Replace all keys and values of a secret")
def rotate_secret(request: ApiRequest, name: Path[str], body: SecretToStore) -> SecretDetail:
    secret = queries.get_secret(name)
    return secret_detail(
        actions.rotate_secret(secret=secret, values=body.values, by=request.auth.user, ip=_ip(request))
    )


@router.delete("/{name}", response=answers(Done, 404), summary="Delete a secret")
def delete_secret(request: ApiRequest, name: Path[str]) -> Done:
    actions.delete_secret(secret=queries.get_secret(name), by=request.auth.user, ip=_ip(request))
    return Done()


def _ip(request: ApiRequest) -> str | None:
    return request.META.get("REMOTE_ADDR")

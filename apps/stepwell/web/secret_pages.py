"""Secrets, for admins: names and keys are shown, values only ever travel in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from stepwell.accounts.models import Role
from stepwell.errors import Conflict, StepwellError, UsageError
from stepwell.runs.models import Run
from stepwell.vault import actions, queries, rules
from stepwell.vault.models import Secret, SecretUse
from stepwell.web import confirm
from stepwell.web.access import needs
from stepwell.web.caller import address

_FEWEST_ROWS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """One row of the form: a key and what is wrong with it. There is no field for the value, on purpose."""

    number: int
    key: str = ""
    problem: str = ""


@needs(Role.ADMIN)
@require_safe
def secret_list(request: HttpRequest) -> HttpResponse:
    secrets = queries.list_secrets()
    runs = _runs(secret.use for secret in secrets if secret.use)
    rows = [(secret, runs.get(secret.use.run_id) if secret.use else None) for secret in secrets]
    return render(request, "vault/list.html", {"rows": rows})


@needs(Role.ADMIN)
@never_cache
@sensitive_post_parameters()
@sensitive_variables()
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return render(request, "vault/create.html", {"rows": _blank_rows(request)})
    name = request.POST.get("name", "").strip()
    try:
        actions.put_secret(name=name, values=_values(request), by=request.user, ip=address(request))
    except (UsageError, Conflict) as exc:
        context = {"name": name, **_refusal(request, exc)}
        return render(request, "vault/create.html", context, status=exc.status)
    messages.success(request, f"The secret {name} is stored.")
    return redirect("secrets:list")


@needs(Role.ADMIN)
@require_safe
def detail(request: HttpRequest, name: str) -> HttpResponse:
    secret = queries.get_secret(name)
    return _detail(request, secret, {"rows": _blank_rows(request, secret.keys)})


@needs(Role.ADMIN)
@never_cache
@sensitive_post_parameters()
@sensitive_variables()
@require_POST
def rotate(request: HttpRequest, name: str) -> HttpResponse:
    secret = queries.get_secret(name)
    try:
        secret = actions.rotate_secret(secret=secret, values=_values(request), by=request.user, ip=address(request))
    except UsageError as exc:
        return _detail(request, secret, _refusal(request, exc), status=exc.status)
    messages.success(
        request, f"The secret {name} is rotated: steps that start from now on get version {secret.version}."
    )
    return redirect("secrets:detail", name)


@needs(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, name: str) -> HttpResponse:
    secret = queries.get_secret(name)
    if request.method != "POST":
        return confirm.ask(
            request,
            f"Delete the secret {name}?",
            will_happen="Its values cannot be brought back. Steps that name it will fail before they start, until "
            "there is a secret of this name again.",
            button=f"Delete {name}",
            crumbs=[("Secrets", reverse("secrets:list")), (name, reverse("secrets:detail", args=[name]))],
        )
    actions.delete_secret(secret=secret, by=request.user, ip=address(request))
    messages.success(request, f"The secret {name} is deleted.")
    return redirect("secrets:list")


def _detail(request: HttpRequest, secret: Secret, form: dict[str, object], status: int = 200) -> HttpResponse:
    uses = queries.latest_uses(secret=secret)
    runs = _runs(uses)
    context = {"secret": secret, "uses": [(use, runs.get(use.run_id)) for use in uses], **form}
    return render(request, "vault/detail.html", context, status=status)


def _runs(uses: Iterable[SecretUse]) -> dict[UUID, Run]:
    return Run.objects.select_related("pipeline").in_bulk({use.run_id for use in uses})


@sensitive_variables()
def _pairs(request: HttpRequest) -> list[tuple[str, str]]:
    keys, values = request.POST.getlist("key"), request.POST.getlist("value")
    pairs = zip(keys, values, strict=False)
    # A browser sends every line break of a text field as CR LF; keys and certificates are written with LF.
    return [(key.strip(), value.replace("\r\n", "\n")) for key, value in pairs if key.strip() or value]


@sensitive_variables()
def _values(request: HttpRequest) -> dict[str, str]:
    values: dict[str, str] = {}
    for key, value in _pairs(request):
        if key in values:
            why = f"The key {key[:60]} is there twice."
            raise rules.SecretRefused(why, fields={key: why})
        values[key] = value
    return values


def _blank_rows(request: HttpRequest, keys: Iterable[str] = ()) -> list[KeyRow]:
    asked = request.GET.get("rows", "")
    n_rows = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 3 else _FEWEST_ROWS
    filled = list(keys)
    wanted = min(max(n_rows, len(filled) + (1 if filled else 0)), rules.MOST_KEYS)
    filled += [""] * (wanted - len(filled))
    return [KeyRow(number=number, key=key) for number, key in enumerate(filled, 1)]


def _refusal(request: HttpRequest, error: StepwellError) -> dict[str, object]:
    fields = error.details.get("fields") or {}
    keys = [key for key, _ in _pairs(request)]
    keys += [""] * (_FEWEST_ROWS - len(keys))
    about_name = isinstance(error, rules.NameRefused | Conflict)
    return {
        "rows": [KeyRow(number=number, key=key, problem=fields.get(key, "")) for number, key in enumerate(keys, 1)],
        "name_problem": f"{error.message} {error.hint}" if about_name else "",
        "problem": "" if about_name or fields else f"{error.message} {error.hint}".strip(),
        "refused": True,
    }


urlpatterns = [
    path("secrets/", secret_list, name="list"),
    # A secret's name begins with a letter or digit, so this one cannot hide one.
    path("secrets/+/", create, name="create"),
    path("secrets/<str:name>/", detail, name="detail"),
    path("secrets/<str:name>/versions/", rotate, name="rotate"),
    path("secrets/<str:name>/delete/", delete, name="delete"),
]

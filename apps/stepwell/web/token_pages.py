"""API tokens: everybody their own, admins also see and revoke those of others."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from stepwell.accounts import actions, queries
from stepwell.accounts.models import ROLE_ORDER, ApiToken, Role, User
from stepwell.errors import Denied, NotFound, UsageError
from stepwell.web import confirm
from stepwell.web.access import needs
from stepwell.web.caller import address
from stepwell.web.fields import PageForm

_LIVES = [("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("", "never")]


class TokenForm(PageForm):
    name = forms.CharField(label="Name", max_length=100, help_text="What it is for, such as “nightly build”.")
    role = forms.ChoiceField(label="Role", help_text="The most it may do.")
    days = forms.ChoiceField(label="Expires", choices=_LIVES, initial="90", required=False)
    owner = forms.ChoiceField(label="Acts for", required=False, help_text="You, or a service account.")

    def __init__(self, *args: object, user: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        services = list(queries.list_services()) if user.may(Role.ADMIN) else []
        if services:
            names = [(str(service.pk), f"{service.username} ({service.role})") for service in services]
            self.fields["owner"].choices = [("", user.username), *names]
        else:
            del self.fields["owner"]
        allowed = ROLE_ORDER[: ROLE_ORDER.index(user.role) + 1]
        self.fields["role"].choices = [(value, label) for value, label in Role.choices if value in allowed]
        self.fields["role"].initial = min(user.role, Role.OPERATOR, key=ROLE_ORDER.index)


@needs(Role.VIEWER)
@require_safe
def token_list(request: HttpRequest) -> HttpResponse:
    return _page(request)


@needs(Role.VIEWER)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    form = TokenForm(request.POST or None, user=request.user)
    if request.method != "POST" or not form.is_valid():
        return _page(request, form=form, status=422 if form.is_bound else 200)
    days, owner = form.cleaned_data["days"], form.cleaned_data.get("owner")
    try:
        token, raw = actions.make_token(
            user=queries.list_services().get(pk=owner) if owner else request.user,
            name=form.cleaned_data["name"],
            role=form.cleaned_data["role"],
            expires_at=timezone.now() + timedelta(days=int(days)) if days else None,
            by=request.user,
            ip=address(request),
        )
    except Denied as exc:
        form.add_error("role", exc.message)
        return _page(request, form=form, status=422)
    except UsageError as exc:
        form.add_refusal(exc)
        return _page(request, form=form, status=exc.status)
    # Answered at once, not after a redirect: that would have to keep the token somewhere.
    return _page(request, raw=raw, made=token.name)


@needs(Role.VIEWER)
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: HttpRequest, token: UUID) -> HttpResponse:
    row = _get(request, token)
    if request.method != "POST":
        return confirm.ask(
            request,
            f"Revoke the token “{row.name}”?",
            will_happen="Programs that send it are refused from then on. It cannot be brought back, only replaced by "
            "a new one.",
            button=f"Revoke {row.name}",
            crumbs=[("Tokens", reverse("tokens:list"))],
        )
    actions.revoke_token(token=row, by=request.user, ip=address(request))
    messages.success(request, f"The token “{row.name}” is revoked.")
    return redirect("tokens:list")


@needs(Role.VIEWER)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def rotate(request: HttpRequest, token: UUID) -> HttpResponse:
    row = _get(request, token)
    if not _may_replace(request.user, row):
        raise Denied(f"The token “{row.name}” is {row.user.username}'s.", hint="You can revoke it.")
    if request.method != "POST":
        return confirm.ask(
            request,
            f"Replace the token “{row.name}”?",
            will_happen="The old one is refused at once. You are shown a new one with the same name, role and time to "
            "live; give it to the programs that use it.",
            button=f"Replace {row.name}",
            crumbs=[("Tokens", reverse("tokens:list"))],
        )
    made, raw = actions.rotate_token(token=row, by=request.user, ip=address(request))
    return _page(request, raw=raw, made=made.name)


def _may_replace(user: User, token: ApiToken) -> bool:
    """Return whether a person may have a token like this one: whoever makes it sees it."""
    return token.user == user or token.user.is_service


def _get(request: HttpRequest, token: UUID) -> ApiToken:
    row = queries.list_tokens(viewer=request.user).filter(pk=token).first()
    if row is None:
        raise NotFound("There is no such token.")
    return row


def _page(request: HttpRequest, *, form: TokenForm | None = None, status: int = 200, **shown: str) -> HttpResponse:
    tokens = list(queries.list_tokens(viewer=request.user))
    context = {
        "tokens": tokens,
        "replaceable": {token.pk for token in tokens if _may_replace(request.user, token)},
        "form": form or TokenForm(user=request.user),
        "with_owner": request.user.may(Role.ADMIN),
        **shown,
    }
    return render(request, "accounts/tokens.html", context, status=status)


urlpatterns = [
    path("tokens/", token_list, name="list"),
    path("tokens/new/", create, name="create"),
    path("tokens/<uuid:token>/revocation/", revoke, name="revoke"),
    path("tokens/<uuid:token>/rotation/", rotate, name="rotate"),
]

"""Signing in by a company's own provider (OpenID Connect, extra ``oidc``): allauth talks to it, we say who comes in."""

from __future__ import annotations

from typing import Any, NoReturn

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.openid_connect import views
from django.conf import settings
from django.contrib import auth
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from stepwell.accounts import actions, audit
from stepwell.accounts.models import User
from stepwell.errors import Conflict, Denied, StepwellError, UsageError
from stepwell.web import errors
from stepwell.web.access import public
from stepwell.web.caller import address, own_path


class Refused(Denied):
    """You cannot come in this way."""


class Adapter(DefaultSocialAccountAdapter):
    """Takes over where the provider has said who somebody is: accounts, roles and the audit log are ours."""

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> NoReturn:
        try:
            with transaction.atomic():
                user = _known(sociallogin) or _joined(request, sociallogin)
                audit.record(
                    actor=user,
                    action="sign_in",
                    object_kind="person",
                    object_id=user.pk,
                    object_name=user.username,
                    ip=address(request),
                    after={"by": settings.OIDC_NAME},
                )
        except StepwellError as exc:
            raise ImmediateHttpResponse(errors.error_page(request, exc)) from None
        auth.login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        raise ImmediateHttpResponse(redirect(own_path(sociallogin.state.get("next") or "/")))

    def on_authentication_error(self, request: HttpRequest, provider: Any, **_: Any) -> NoReturn:
        audit.record(actor=None, action="sign_in.failed", ip=address(request), after={"by": settings.OIDC_NAME})
        refused = Refused(f"Signing in by {settings.OIDC_NAME} did not work.", hint="Try again from the sign-in page.")
        raise ImmediateHttpResponse(errors.error_page(request, refused))


def _known(sociallogin: SocialLogin) -> User | None:
    if not sociallogin.is_existing:
        return None
    user = User.objects.get(pk=sociallogin.user.pk)
    if not user.is_active or user.is_service:
        raise Refused(f"{user.username} is deactivated.", hint="Ask an admin of this instance.")
    return user


def _joined(request: HttpRequest, sociallogin: SocialLogin) -> User:
    """Make the person. One who is here already under this name is not taken over: a name proves nothing."""
    if settings.OIDC_ROLE == "none":
        raise Refused("Nobody joins this instance this way.", hint="Ask an admin of this instance for an invite.")
    wanted = str(sociallogin.user.username or sociallogin.user.email or "")[:150]
    try:
        user = actions.make_user(name=wanted, role=settings.OIDC_ROLE, ip=address(request))
    except Conflict as exc:
        hint = "If it is you, sign in as you did before; otherwise ask an admin of this instance."
        raise Conflict(exc.message, hint=hint) from None
    except UsageError as exc:
        raise Refused(f"The name “{wanted[:40]}” cannot be used here.", hint=exc.hint) from None
    sociallogin.connect(request, user)
    return user


def _door(view: Any) -> Any:
    @public
    @never_cache
    @require_safe
    def run(request: HttpRequest, provider_id: str) -> HttpResponse:
        return view(request, provider_id)

    return run


urlpatterns = [
    path("oidc/<slug:provider_id>/login/", _door(views.login), name="openid_connect_login"),
    path("oidc/<slug:provider_id>/callback/", _door(views.callback), name="openid_connect_callback"),
]

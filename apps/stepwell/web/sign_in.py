"""Signing in by password or one-time link, joining by invite, and signing out."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from stepwell.accounts import actions, links
from stepwell.accounts.links import LinkGone
from stepwell.accounts.models import LoginLink, User
from stepwell.accounts.sign_in import WrongPassword
from stepwell.accounts.throttle import TooManyAttempts
from stepwell.errors import Conflict, UsageError
from stepwell.web.access import public
from stepwell.web.caller import address, own_path
from stepwell.web.fields import PageForm


class SignInForm(PageForm):
    name = forms.CharField(
        label="Name", max_length=150, widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": True})
    )
    password = forms.CharField(
        label="Password",
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class JoinForm(PageForm):
    name = forms.CharField(
        label="Name",
        max_length=150,
        help_text="Letters, digits and @ . + - _ only.",
        widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    password = forms.CharField(
        label="Password",
        max_length=1024,
        strip=False,
        help_text="At least 10 characters.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


@public
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    target = own_path(request.POST.get("next") or request.GET.get("next") or "/")
    if request.method != "POST":
        if request.user.is_authenticated:
            return redirect(target)
        return render(request, "accounts/login.html", _context(SignInForm(), target))
    form = SignInForm(request.POST)
    status, headers = 422, {}
    if form.is_valid():
        try:
            user = actions.check_password(ip=address(request), **form.cleaned_data)
        except TooManyAttempts as exc:
            form.add_refusal(exc)
            status, headers = exc.status, {"Retry-After": str(exc.retry_after)}
        except WrongPassword as exc:
            form.add_refusal(exc)
        else:
            return _enter(request, user, target)
    response = render(request, "accounts/login.html", _context(form, target), status=status)
    for name, value in headers.items():
        response[name] = value
    return response


def _context(form: SignInForm, target: str) -> dict[str, Any]:
    context: dict[str, Any] = {"form": form, "next": target}
    if settings.OIDC_URL:
        url = reverse("openid_connect_login", args=["sso"])
        context |= {"sso_url": f"{url}?{urlencode({'next': target})}", "sso_name": settings.OIDC_NAME}
    return context


@public
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def login_link(request: HttpRequest, token: str) -> HttpResponse:
    """Show what the link does; only the button uses it up, so that previews of the link do not."""
    try:
        link = links.find_link(token)
        if link.purpose == LoginLink.Purpose.INVITE:
            response = _join(request, link, token)
        elif request.method == "POST":
            response = _enter(request, actions.use_login_link(raw=token, ip=address(request)), "/")
        else:
            response = render(request, "accounts/link.html", {"link": link})
    except LinkGone as exc:
        response = render(request, "accounts/link_gone.html", {"error": exc}, status=exc.status)
    # The address of this page is a credential. Not "no-referrer": browsers then send "Origin: null" with the form.
    response.headers["Referrer-Policy"] = "strict-origin"
    return response


def _join(request: HttpRequest, link: LoginLink, token: str) -> HttpResponse:
    form = JoinForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = actions.accept_invite(raw=token, ip=address(request), **form.cleaned_data)
        except Conflict as exc:
            form.add_error("name", f"{exc.message} {exc.hint}")
        except UsageError as exc:
            form.add_refusal(exc)
        else:
            return _enter(request, user, "/")
    status = 422 if request.method == "POST" else 200
    return render(request, "accounts/join.html", {"form": form, "link": link}, status=status)


def _enter(request: HttpRequest, user: User, target: str) -> HttpResponse:
    auth.login(request, user)
    return redirect(target)


@public
@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        actions.record_sign_out(user=request.user, ip=address(request))
    auth.logout(request)
    return redirect("login")


urlpatterns = [
    path("login/", login, name="login"),
    path("login/<str:token>/", login_link, name="login_link"),
    path("logout/", logout, name="logout"),
]

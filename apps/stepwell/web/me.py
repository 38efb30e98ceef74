"""What a person sets for themselves: time zone, theme, password, and where they are signed in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import auth, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from stepwell.accounts import actions, people, queries
from stepwell.accounts.models import Role, User
from stepwell.accounts.sign_in import WrongPassword
from stepwell.accounts.throttle import TooManyAttempts
from stepwell.accounts.zones import zone_names
from stepwell.errors import NotFound, UsageError
from stepwell.web import confirm, undo
from stepwell.web.access import needs, shown
from stepwell.web.caller import address, own_path
from stepwell.web.fields import PageForm, ZoneInput

#: seconds for which a browser keeps what is its own
_YEAR = 365 * 86400


class PreferencesForm(PageForm):
    time_zone = forms.CharField(
        label="Time zone", required=False, max_length=64, help_text="Empty: the instance's.", widget=ZoneInput()
    )
    theme = forms.ChoiceField(label="Theme", required=False, choices=User._meta.get_field("theme").choices)
    palette = forms.ChoiceField(
        label="Colours of states", required=False, choices=User._meta.get_field("palette").choices
    )
    density = forms.ChoiceField(
        label="Rows of tables",
        required=False,
        choices=[("", "Usual"), ("compact", "Close together"), ("comfortable", "Far apart")],
        help_text="In this browser.",
    )
    has_keys = forms.BooleanField(
        label="Single-letter keys", required=False, help_text="j, k, f, r and others; ? lists them."
    )
    log_wraps = forms.BooleanField(
        label="Wrap lines of logs", required=False, help_text="Until you say otherwise beside a log."
    )
    log_times = forms.BooleanField(label="Times in logs", required=False, help_text="When each line was written.")
    log_from_start = forms.BooleanField(
        label="Open logs at the first line",
        required=False,
        help_text="Else at the newest, which is followed while the step runs.",
    )


class PasswordForm(PageForm):
    current = forms.CharField(
        label="Current password",
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    password = forms.CharField(
        label="New password",
        max_length=1024,
        strip=False,
        help_text="At least 10 characters.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


@needs(Role.VIEWER)
@require_http_methods(["GET", "HEAD", "POST"])
def me(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request)
    form = PreferencesForm(request.POST)
    if form.is_valid():
        density, before = form.cleaned_data.pop("density"), _preferences(request)
        try:
            actions.change_preferences(user=_fresh(request), ip=address(request), **form.cleaned_data)
        except UsageError as exc:
            form.add_refusal(exc)
        else:
            switches = {name: "on" if before[name] else "" for name in people.SWITCHES}
            undo.offer(request, "Saved.", reverse("me"), **before | switches)
            response = redirect("me")
            response.set_cookie("stepwell-density", density, max_age=_YEAR, samesite="Lax", secure=request.is_secure())
            return response
    return _page(request, preferences=form)


@needs(Role.VIEWER)
@never_cache
@sensitive_post_parameters("current", "password")
@require_POST
def password(request: HttpRequest) -> HttpResponse:
    form = _password_form(request.user, request.POST)
    if form.is_valid():
        user = _fresh(request)
        try:
            actions.change_password(
                user=user,
                current=form.cleaned_data.get("current", ""),
                password=form.cleaned_data["password"],
                ip=address(request),
            )
        except (WrongPassword, TooManyAttempts) as exc:
            form.add_error("current", f"{exc.message} {exc.hint}".strip())
        except UsageError as exc:
            form.add_refusal(exc)
        else:
            # Keeps this session, under a new id; all others were made with the old password and end.
            auth.update_session_auth_hash(request, user)
            messages.success(request, "The password is changed. Other devices are signed out.")
            return redirect("me")
    return _page(request, passwords=form)


@needs(Role.VIEWER)
@require_POST
def look(request: HttpRequest) -> HttpResponse:
    """Show this session's times in another zone, or the person's pages in another theme; then go back."""
    if "zone" in request.POST:
        name = request.POST["zone"][:64]
        if name and name not in zone_names():
            raise UsageError(f"There is no time zone “{shown(name)}”.", hint="Choose one of the list on your account.")
        request.session["zone"] = name
    if "theme" in request.POST:
        user = _fresh(request)
        actions.change_preferences(
            user=user, time_zone=user.time_zone, theme=request.POST["theme"][:8], ip=address(request)
        )
    return redirect(own_path(request.POST.get("next", "")))


@needs(Role.VIEWER)
@require_http_methods(["GET", "HEAD", "POST"])
def sessions(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return confirm.ask(
            request,
            "Sign out everywhere?",
            will_happen="All your sessions end, this one too, and you sign in again. Your tokens stay.",
            button="Sign out everywhere",
            crumbs=[("Account", reverse("me"))],
        )
    actions.end_sessions(user=request.user, by=request.user, ip=address(request))
    auth.logout(request)
    return redirect("login")


@needs(Role.VIEWER)
@require_http_methods(["GET", "HEAD", "POST"])
def session(request: HttpRequest, ref: str) -> HttpResponse:
    if request.method != "POST":
        return ask_to_end(request, request.user, ref, crumbs=[("Account", reverse("me"))])
    actions.end_session(user=request.user, ref=ref, by=request.user, ip=address(request))
    messages.success(request, "That session is ended.")
    return redirect("me")


def ask_to_end(request: HttpRequest, user: User, ref: str, *, crumbs: list[tuple[str, str]]) -> HttpResponse:
    """Ask whether a session of a person should end.

    Raises:
        NotFound: There is no such session.
    """
    found = next((one for one in actions.list_sessions(user) if one.ref == ref), None)
    if found is None:
        raise NotFound("There is no such session.", hint="It may have ended already.")
    where = f" on {found.agent}" if found.agent else ""
    return confirm.ask(
        request,
        f"End this session of {user.username}?",
        will_happen=f"Whoever uses it, from {found.ip or 'an unknown address'}{where}, has to sign in again.",
        button="End the session",
        crumbs=crumbs,
    )


def _fresh(request: HttpRequest) -> User:
    # Not request.user: a value that is refused must not show in the frame of the page that says so.
    return User.objects.get(pk=request.user.pk)


def _preferences(request: HttpRequest) -> dict[str, Any]:
    """Return what the form of preferences holds now."""
    kept = {name: getattr(request.user, name) for name in ("time_zone", "theme", "palette", *people.SWITCHES)}
    return kept | {"density": request.COOKIES.get("stepwell-density", "")}


def _password_form(user: User, values: object = None) -> PasswordForm:
    form = PasswordForm(values)
    if not user.has_usable_password():
        del form.fields["current"]
    return form


def _page(
    request: HttpRequest, *, preferences: PreferencesForm | None = None, passwords: PasswordForm | None = None
) -> HttpResponse:
    user = request.user
    context = {
        "preferences": preferences or PreferencesForm(initial=_preferences(request)),
        "passwords": passwords or _password_form(user),
        "zones": zone_names(),
        "tokens": [token for token in queries.list_tokens(viewer=user).filter(user=user) if token.state == "active"],
        "sessions": actions.list_sessions(user, this=request.session.session_key),
    }
    return render(request, "accounts/me.html", context, status=422 if preferences or passwords else 200)


urlpatterns = [
    path("me/", me, name="me"),
    path("me/password/", password, name="me_password"),
    path("me/look/", look, name="me_look"),
    path("me/sessions/", sessions, name="me_sessions"),
    path("me/sessions/<slug:ref>/", session, name="me_session"),
]

"""People and their roles, for admins."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from stepwell.accounts import actions, queries
from stepwell.accounts.models import ROLE_ORDER, Role, User
from stepwell.accounts.roles import ACTS
from stepwell.errors import Conflict, NotFound, UsageError
from stepwell.web import confirm, undo
from stepwell.web.access import needs
from stepwell.web.caller import address
from stepwell.web.fields import PageForm
from stepwell.web.me import ask_to_end


class InviteForm(PageForm):
    role = forms.ChoiceField(label="Role", choices=Role.choices, initial=Role.OPERATOR)


class ServiceForm(PageForm):
    name = forms.CharField(label="Name", max_length=150, help_text="Such as “build-server”.")
    role = forms.ChoiceField(label="Role", choices=Role.choices, initial=Role.OPERATOR)

    def __init__(self, *args: object) -> None:
        # The page has another form with a field “role”.
        super().__init__(*args, auto_id="service_%s")


@needs(Role.ADMIN)
@require_safe
def people_list(request: HttpRequest) -> HttpResponse:
    return _page(request)


@needs(Role.ADMIN)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: HttpRequest) -> HttpResponse:
    form = InviteForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return _page(request, form=form, status=422 if form.is_bound else 200)
    role = form.cleaned_data["role"]
    raw = actions.make_invite(role=role, by=request.user, ip=address(request))
    return _page(request, link=_url(request, raw), link_for=f"one new {Role(role).label.lower()}", link_life="7 days")


@needs(Role.ADMIN)
@require_POST
def role(request: HttpRequest, person: UUID) -> HttpResponse:
    found = _get(person)
    was = found.role
    user = actions.change_role(user=found, role=request.POST.get("role", ""), by=request.user, ip=address(request))
    told = f"{user.username} is {user.get_role_display().lower()} now."
    if user.role == was:
        messages.info(request, told)
    else:
        undo.offer(request, told, reverse("people:role", args=[user.pk]), role=was)
    return redirect("people:list")


@needs(Role.ADMIN)
@require_POST
def activity(request: HttpRequest, person: UUID) -> HttpResponse:
    active = request.POST.get("active") == "on"
    found = _get(person)
    was = found.is_active
    user = actions.set_active(user=found, active=active, by=request.user, ip=address(request))
    told = f"{user.username} is {'active' if active else 'deactivated'} now."
    if active == was:
        messages.info(request, told)
    else:
        undo.offer(request, told, reverse("people:activity", args=[user.pk]), active="on" if was else "")
    return redirect("people:list")


@needs(Role.ADMIN)
@never_cache
@require_POST
def link(request: HttpRequest, person: UUID) -> HttpResponse:
    user = _get(person)
    raw = actions.make_login_link(user=user, by=request.user, ip=address(request))
    return _page(request, link=_url(request, raw), link_for=user.username, link_life="15 minutes")


@needs(Role.ADMIN)
@require_POST
def service(request: HttpRequest) -> HttpResponse:
    form = ServiceForm(request.POST)
    if not form.is_valid():
        return _page(request, services=form, status=422)
    try:
        made = actions.make_service(by=request.user, ip=address(request), **form.cleaned_data)
    except Conflict as exc:
        form.add_error("name", f"{exc.message} {exc.hint}")
    except UsageError as exc:
        form.add_refusal(exc)
    else:
        messages.success(request, f"{made.username} is there now. Make a token for it on the page Tokens.")
        return redirect("people:list")
    return _page(request, services=form, status=422)


@needs(Role.ADMIN)
@require_safe
def sessions(request: HttpRequest, person: UUID) -> HttpResponse:
    user = _get(person)
    found = actions.list_sessions(user, this=request.session.session_key)
    return render(request, "accounts/sessions.html", {"person": user, "sessions": found})


@needs(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def end_sessions(request: HttpRequest, person: UUID) -> HttpResponse:
    user = _get(person)
    if request.method != "POST":
        return confirm.ask(
            request,
            f"Sign {user.username} out everywhere?",
            will_happen="All their sessions end, and they sign in again. Their tokens stay.",
            button=f"Sign {user.username} out",
            crumbs=_above(user),
        )
    actions.end_sessions(user=user, by=request.user, ip=address(request))
    messages.success(request, f"{user.username} is signed out everywhere.")
    return redirect("people:sessions", user.pk)


@needs(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def session(request: HttpRequest, person: UUID, ref: str) -> HttpResponse:
    user = _get(person)
    if request.method != "POST":
        return ask_to_end(request, user, ref, crumbs=_above(user))
    actions.end_session(user=user, ref=ref, by=request.user, ip=address(request))
    messages.success(request, "That session is ended.")
    return redirect("people:sessions", user.pk)


def _above(user: User) -> list[tuple[str, str]]:
    return [("People", reverse("people:list")), (user.username, reverse("people:sessions", args=[user.pk]))]


def _get(key: UUID) -> User:
    user = User.objects.filter(pk=key).first()
    if user is None:
        raise NotFound("There is no such person.")
    return user


def _url(request: HttpRequest, raw: str) -> str:
    return request.build_absolute_uri(reverse("login_link", args=[raw]))


def _page(
    request: HttpRequest,
    *,
    form: InviteForm | None = None,
    services: ServiceForm | None = None,
    status: int = 200,
    **shown: str,
) -> HttpResponse:
    context = {
        "people": list(queries.list_people()),
        "roles": Role.choices,
        "acts": [(act.what, [act.may(role) for role in ROLE_ORDER]) for act in ACTS],
        "form": form or InviteForm(),
        "services": services or ServiceForm(),
        **shown,
    }
    return render(request, "accounts/people.html", context, status=status)


urlpatterns = [
    path("people/", people_list, name="list"),
    path("people/invites/", invite, name="invite"),
    path("people/services/", service, name="service"),
    path("people/<uuid:person>/sessions/", sessions, name="sessions"),
    path("people/<uuid:person>/sessions/all/", end_sessions, name="end_sessions"),
    path("people/<uuid:person>/sessions/<slug:ref>/", session, name="session"),
    path("people/<uuid:person>/role/", role, name="role"),
    path("people/<uuid:person>/activity/", activity, name="activity"),
    path("people/<uuid:person>/link/", link, name="link"),
]

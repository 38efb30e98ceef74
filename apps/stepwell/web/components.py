"""Components: everybody sees which there are, admins add, change and remove them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from pydantic.fields import FieldInfo

from stepwell.accounts.models import Role
from stepwell.errors import Conflict, UsageError
from stepwell.stacks import actions, queries
from stepwell.stacks.flavors import FLAVORS, Flavor, find_flavor
from stepwell.stacks.models import Component
from stepwell.web import confirm, undo
from stepwell.web.access import needs
from stepwell.web.caller import address
from stepwell.web.fields import PageForm

_PLAIN = {"autocomplete": "off", "spellcheck": "false"}


class ComponentForm(PageForm):
    """The settings of one flavor; for a new component also its name, and whether it is the default."""

    def __init__(self, *args: Any, flavor: Flavor, is_new: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings = flavor.settings.model_fields
        if is_new:
            self.fields["name"] = forms.CharField(
                label="Name",
                max_length=100,
                help_text="What steps call it.",
                widget=forms.TextInput(attrs=_PLAIN),
            )
        self.fields.update({name: _field(info) for name, info in self._settings.items()})
        if is_new:
            self.fields["is_default"] = forms.BooleanField(
                label="Default",
                required=False,
                help_text="Used where a step says True instead of a name; the first of its kind always is.",
            )

    def clean(self) -> dict[str, Any]:
        for name, info in self._settings.items():
            if _holds_pairs(info) and name in self.cleaned_data:
                self.cleaned_data[name] = self._pairs(name, self.cleaned_data[name])
        return self.cleaned_data

    @property
    def config(self) -> dict[str, Any]:
        return {name: value for name in self._settings if (value := self.cleaned_data.get(name))}

    def _pairs(self, name: str, text: str) -> dict[str, str]:
        pairs: dict[str, str] = {}
        for number, line in enumerate(text.splitlines(), 1):
            key, sign, value = line.partition("=")
            if not line.strip():
                continue
            if not sign or key.strip() in pairs:
                why = "is not NAME=value" if not sign else "has a name that is there already"
                self.add_error(name, f"Line {number} {why}.")
                break
            pairs[key.strip()] = value.strip()
        return pairs


@needs(Role.VIEWER)
@require_safe
def component_list(request: HttpRequest) -> HttpResponse:
    context = {"lines": queries.list_components(), "flavors": FLAVORS, "can_change": request.user.may(Role.ADMIN)}
    return render(request, "stacks/list.html", context)


@needs(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest, kind: str, flavor: str) -> HttpResponse:
    known = find_flavor(kind, flavor)
    form = ComponentForm(request.POST or None, flavor=known, is_new=True)
    status = 422 if form.is_bound else 200
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.add_component(
                kind=known.kind,
                flavor=known.name,
                name=form.cleaned_data["name"],
                config=form.config,
                is_default=form.cleaned_data["is_default"],
                by=request.user,
                ip=address(request),
            )
        except (UsageError, Conflict) as exc:
            form.add_refusal(exc)
            status = exc.status
        else:
            messages.success(request, f"{made.name} is added.")
            return redirect("components:list")
    return render(request, "stacks/create.html", {"form": form, "flavor": known}, status=status)


@needs(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: HttpRequest, component: UUID) -> HttpResponse:
    row = queries.get_component(component)
    known = find_flavor(row.kind, row.flavor)
    form = ComponentForm(request.POST or None, flavor=known, is_new=False, initial=_texts(row))
    if request.method == "POST" and form.is_valid():
        try:
            actions.change_component(component=row, config=form.config, by=request.user, ip=address(request))
        except UsageError as exc:
            form.add_refusal(exc)
        else:
            messages.success(request, f"{row.name} is changed: steps that start from now on use it as it is now.")
            return redirect("components:list")
    context = {"component": row, "form": form, "flavor": known}
    return render(request, "stacks/detail.html", context, status=422 if request.method == "POST" else 200)


@needs(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, component: UUID) -> HttpResponse:
    row = queries.get_component(component)
    if request.method != "POST":
        also = " No other one becomes the default." if row.is_default else ""
        return confirm.ask(
            request,
            f"Remove {row.name}?",
            will_happen="Runs that name it are refused, and steps that wait fail when they start, until there is a "
            f"component of this name again.{also}",
            button=f"Remove {row.name}",
            crumbs=[("Stack", reverse("components:list")), (row.name, reverse("components:detail", args=[row.pk]))],
        )
    actions.remove_component(component=row, by=request.user, ip=address(request))
    messages.success(request, f"{row.name} is removed.")
    return redirect("components:list")


@needs(Role.ADMIN)
@require_POST
def make_default(request: HttpRequest, component: UUID) -> HttpResponse:
    """Make a component the default of its kind; with ``default=no`` have it be that no more."""
    row = queries.get_component(component)
    was = Component.objects.filter(kind=row.kind, is_default=True).first()
    if request.POST.get("default") == "no":
        actions.unset_default(component=row, by=request.user, ip=address(request))
        told, back, fields = f"{row.name} is not the default any more.", row, {}
    else:
        actions.set_default(component=row, by=request.user, ip=address(request))
        told = f"{row.name} is the default now."
        back, fields = (was, {}) if was else (row, {"default": "no"})
    undo.offer(request, told, reverse("components:default", args=[back.pk]), **fields)
    return redirect("components:list")


def _holds_pairs(info: FieldInfo) -> bool:
    return isinstance(info.get_default(), dict)


def _field(info: FieldInfo) -> forms.CharField:
    common = {"label": info.title, "help_text": info.description or "", "required": info.is_required()}
    if _holds_pairs(info):
        return forms.CharField(widget=forms.Textarea(attrs={"rows": 5, **_PLAIN}), max_length=100_000, **common)
    return forms.CharField(widget=forms.TextInput(attrs=_PLAIN), max_length=2000, **common)


def _texts(component: Component) -> dict[str, str]:
    return {
        name: "\n".join(f"{key}={one}" for key, one in value.items()) if isinstance(value, dict) else str(value)
        for name, value in component.config.items()
    }


urlpatterns = [
    path("stack/", component_list, name="list"),
    path("stack/+/<str:kind>/<str:flavor>/", create, name="create"),
    path("stack/<uuid:component>/", detail, name="detail"),
    path("stack/<uuid:component>/default/", make_default, name="default"),
    path("stack/<uuid:component>/delete/", delete, name="delete"),
]

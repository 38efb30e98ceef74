"""Alert rules and what became of the alerts, for admins."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from stepwell.accounts.models import Role
from stepwell.alerts import actions
from stepwell.alerts.delivering import MOST_TRIES
from stepwell.alerts.models import AlertRule, Delivery, Event
from stepwell.errors import Conflict, StepwellError, UsageError
from stepwell.pipelines.models import Pipeline
from stepwell.vault.keyring import VaultError
from stepwell.web import confirm, present
from stepwell.web.access import needs
from stepwell.web.caller import address
from stepwell.web.fields import PageForm

_SHOWN = 100
_STATES = {
    Delivery.Status.OPEN: present.State("queued", "Waits", "queued"),
    Delivery.Status.DONE: present.State("completed", "Delivered", "completed"),
    Delivery.Status.FAILED: present.State("failed", "Failed", "failed"),
    Delivery.Status.DEAD: present.State("failed", "Not delivered", "failed"),
}
_HELP = {
    AlertRule.Kind.WEBHOOK: "An http or https address. Each call is a POST with JSON, signed with the rule's secret.",
    AlertRule.Kind.APPRISE: "An address of the library apprise, such as mailto://user:password@example.org?to=ana@example.org.",
}


class RuleForm(PageForm):
    name = forms.CharField(label="Name", max_length=100)
    url = forms.CharField(
        label="Address",
        max_length=2000,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    pipeline = forms.ModelChoiceField(
        label="Pipeline", queryset=Pipeline.objects.order_by("name"), required=False, empty_label="All pipelines"
    )
    events = forms.MultipleChoiceField(
        label="When",
        choices=[(event.value, event.label) for event in Event if event != Event.TEST],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    is_enabled = forms.BooleanField(label="Switched on", required=False)

    def __init__(self, *args: Any, kind: str, rule: AlertRule | None = None, **kwargs: Any) -> None:
        kwargs["initial"] = _initial(rule)
        super().__init__(*args, **kwargs)
        kept = f"It is {rule.shown} now and not shown in full; leave this empty to keep it. " if rule else ""
        self.fields["url"].help_text = kept + _HELP[AlertRule.Kind(kind)]


def _initial(rule: AlertRule | None) -> dict[str, Any]:
    if rule is None:
        return {"events": [Event.FAILED, Event.RECOVERED], "is_enabled": True}
    return {
        "name": rule.name,
        "pipeline": rule.pipeline,
        "events": actions.flags(rule),
        "is_enabled": rule.is_enabled,
    }


@needs(Role.ADMIN)
@require_safe
def alert_list(request: HttpRequest) -> HttpResponse:
    rules = AlertRule.objects.select_related("pipeline")
    deliveries = Delivery.objects.select_related("rule", "run__pipeline").order_by("-id")[:_SHOWN]
    lines = [(one, _STATES[Delivery.Status(one.status)], _note(one)) for one in deliveries]
    return render(request, "alerts/list.html", {"rules": rules, "lines": lines, "shown": _SHOWN})


def _note(delivery: Delivery) -> str:
    if delivery.status == Delivery.Status.OPEN and delivery.error:
        return f"Try {delivery.tries} of {MOST_TRIES}: {delivery.error}"
    return delivery.error


@needs(Role.ADMIN)
@sensitive_post_parameters("url")
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest, kind: str) -> HttpResponse:
    if kind not in AlertRule.Kind.values:
        raise Http404
    form = RuleForm(request.POST or None, kind=kind)
    made, status = _store(request, form, kind=kind)
    if made:
        messages.success(request, f"{made.name} is added. Send a test to see that it arrives.")
        return redirect("alerts:detail", made.pk)
    context = {"form": form, "label": AlertRule.Kind(kind).label}
    return render(request, "alerts/create.html", context, status=status)


@needs(Role.ADMIN)
@sensitive_post_parameters("url")
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: HttpRequest, rule: UUID) -> HttpResponse:
    row = actions.get_rule(rule)
    form = RuleForm(request.POST or None, kind=row.kind, rule=row)
    made, status = _store(request, form, kind=row.kind, rule=row)
    if made:
        messages.success(request, f"{made.name} is changed.")
        return redirect("alerts:list")
    return render(request, "alerts/detail.html", {"rule": actions.get_rule(rule), "form": form}, status=status)


def _store(
    request: HttpRequest, form: RuleForm, *, kind: str, rule: AlertRule | None = None
) -> tuple[AlertRule | None, int]:
    """Return the stored rule, or the status of the page that says what does not do."""
    if request.method != "POST":
        return None, 200
    if not form.is_valid():
        return None, 422
    data = form.cleaned_data
    try:
        made = actions.put_rule(
            rule=rule,
            kind=kind,
            name=data["name"],
            url=data["url"],
            pipeline=data["pipeline"],
            events=set(data["events"]),
            is_enabled=data["is_enabled"],
            by=request.user,
            ip=address(request),
        )
    except (UsageError, Conflict, VaultError) as exc:
        form.add_refusal(exc)
        return None, 422 if isinstance(exc, VaultError) else exc.status
    return made, 200


@needs(Role.ADMIN)
@require_POST
def secret(request: HttpRequest, rule: UUID) -> HttpResponse:
    """Show what a webhook is signed with; it is asked for by a form, so that no link or prefetch shows it."""
    row = actions.get_rule(rule)
    try:
        text = actions.opened(row)["secret"]
    except StepwellError as exc:
        messages.error(request, f"{exc.message} {exc.hint}".strip())
        return redirect("alerts:detail", row.pk)
    form = RuleForm(kind=row.kind, rule=row)
    return render(request, "alerts/detail.html", {"rule": row, "form": form, "secret": text})


@needs(Role.ADMIN)
@require_POST
def test(request: HttpRequest, rule: UUID) -> HttpResponse:
    row = actions.get_rule(rule)
    actions.send_test(rule=row, by=request.user, ip=address(request))
    messages.success(request, f"A test of {row.name} is on its way; what becomes of it is listed below.")
    return redirect("alerts:list")


@needs(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, rule: UUID) -> HttpResponse:
    row = actions.get_rule(rule)
    if request.method != "POST":
        return confirm.ask(
            request,
            f"Remove {row.name}?",
            will_happen="Its address, its secret and the list of what was sent go with it. Alerts that wait are not "
            "sent.",
            button=f"Remove {row.name}",
            crumbs=[("Alerts", reverse("alerts:list")), (row.name, reverse("alerts:detail", args=[row.pk]))],
        )
    actions.remove_rule(rule=row, by=request.user, ip=address(request))
    messages.success(request, f"{row.name} is removed.")
    return redirect("alerts:list")


@needs(Role.ADMIN)
@require_POST
def redeliver(request: HttpRequest, delivery: UUID) -> HttpResponse:
    row = Delivery.objects.select_related("rule").filter(id=delivery).first()
    if row is None:
        raise Http404
    actions.redeliver(delivery=row, by=request.user, ip=address(request))
    messages.success(request, "It is sent again, with the same event id.")
    return redirect("alerts:list")


urlpatterns = [
    path("alerts/", alert_list, name="list"),
    path("alerts/+/<str:kind>/", create, name="create"),
    path("alerts/<uuid:rule>/", detail, name="detail"),
    path("alerts/<uuid:rule>/secret/", secret, name="secret"),
    path("alerts/<uuid:rule>/test/", test, name="test"),
    path("alerts/<uuid:rule>/delete/", delete, name="delete"),
    path("alerts/deliveries/<uuid:delivery>/again/", redeliver, name="redeliver"),
]

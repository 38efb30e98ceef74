"""Acts that can be taken back: the message that tells of one has a button that restores what was, exactly."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from stepwell.accounts import instance, people
from stepwell.accounts.models import AuditEvent, InstanceSettings, User
from stepwell.artifacts import model_actions
from stepwell.artifacts.models import ModelVersion
from stepwell.desk.models import Acknowledgement, Notice, SavedView, ViewMark, Watch
from stepwell.execution import actions
from stepwell.pipelines.models import Schedule
from stepwell.runs.models import Run, StepRun
from stepwell.stacks.models import Component
from tests import factories
from tests.artifacts.test_model_actions import naming, plan_run, version_of
from tests.plugins.cast import client_of
from tests.web.page import Element, form_of, read
from tests.web.test_components import make_tracker
from tests.web.test_settings import VALUES
from tests.web.test_unresolved import ended

READ_AT = datetime(2026, 5, 1, tzinfo=UTC)


def act(client: Client, address: str, **sent: Any) -> Element:
    return read(client.post(address, sent, follow=True))


def press_undo(client: Client, page: Element) -> Element:
    """Press “Undo” of the one message of a page, as a browser does."""
    form = page.one("div", id="messages").one("form")
    button = form.one("button")
    assert (button.text, page.one(id=button["aria-describedby"]).tag) == ("Undo", "span")
    assert page.one("div", id="messages")["role"] == "status"
    assert form.has("input", name="csrfmiddlewaretoken")
    sent = form_of(page.one("div", id="messages"), form["action"])
    return read(client.post(form["action"], sent, follow=True))


def state() -> dict[str, list[Any]]:
    """What acts of these tests change."""
    return {
        "runs": sorted(Run.objects.values_list("id", "is_unresolved", "tags")),
        "steps": sorted(StepRun.objects.values_list("id", "cache_expired_by"), key=str),
        "expired": [step.id for step in StepRun.objects.exclude(cache_expired_at=None)],
        "acknowledged": sorted(Acknowledgement.objects.values_list("run_id", "note")),
        "views": sorted(SavedView.objects.values_list("id", "name", "query", "is_shared", "removed_at")),
        "marks": sorted(ViewMark.objects.filter(is_pinned=True).values_list("user_id", "view_id")),
        "begins": sorted(ViewMark.objects.filter(is_default=True).values_list("user_id", "view_id")),
        "watches": sorted(Watch.objects.values_list("user_id", "run_id")),
        "read": sorted(Notice.objects.values_list("id", "read_at"), key=str),
        "paused": sorted(Schedule.objects.values_list("id", "is_paused")),
        "default": sorted(Component.objects.filter(is_default=True).values_list("id")),
        "people": sorted(User.objects.values_list("id", "role", "is_active")),
        "preferences": sorted(User.objects.values_list("id", "time_zone", "theme", "palette", *people.SWITCHES)),
        "settings": [getattr(InstanceSettings.load(), name) for name in instance.FIELDS],
        "stages": sorted(ModelVersion.objects.values_list("id", "stage")),
    }


def tags_added(_: User) -> tuple[str, dict[str, Any]]:
    run = factories.make_run(tags=["gpu"])
    return f"/runs/{run.number}/tags/", {"tags": "gpu,v3,new"}


def tag_taken_off(_: User) -> tuple[str, dict[str, Any]]:
    run = factories.make_run(tags=["a, <b>", "gpu"])
    return f"/runs/{run.number}/tags/", {"remove": "a, <b>"}


def acknowledged(_: User) -> tuple[str, dict[str, Any]]:
    return f"/runs/{ended('failed').number}/acknowledgement/", {"note": "seen"}


def cause_acknowledged(user: User) -> tuple[str, dict[str, Any]]:
    runs = [ended("failed") for _ in range(3)]
    client_of(user).post(f"/runs/{runs[0].number}/acknowledgement/", {"note": "before"})
    return "/errors/f1/acknowledgement/", {"note": "disk"}


def result_expired(_: User) -> tuple[str, dict[str, Any]]:
    runs = [factories.make_run() for _ in range(3)]
    steps = [factories.make_step(run, "fit") for run in runs]
    StepRun.objects.filter(id__in=[step.id for step in steps]).update(cache_key="k")
    actions.expire_result(step=StepRun.objects.get(id=steps[0].id), by="earlier")
    newer = factories.make_step(factories.make_run(), "fit")
    StepRun.objects.filter(id=newer.id).update(cache_key="k")
    return f"/runs/{newer.run.number}/steps/fit/expiry/", {}


def _view(user: User, name: str = "Failures", **fields: Any) -> SavedView:
    return SavedView.objects.create(owner=user, name=name, query="status=failed", is_shared=True, **fields)


def view_removed(user: User) -> tuple[str, dict[str, Any]]:
    view = _view(user)
    ViewMark.objects.create(user=user, view=view, is_pinned=True, is_default=True)
    ViewMark.objects.create(user=factories.make_user(), view=view, is_pinned=True, is_default=True)
    return f"/views/{view.id}/remove/", {}


def view_begun_with(user: User) -> tuple[str, dict[str, Any]]:
    ViewMark.objects.create(user=user, view=_view(user, "First"), is_default=True)
    return f"/views/{_view(user).id}/mark/", {"act": "default"}


def view_replaced(user: User) -> tuple[str, dict[str, Any]]:
    ViewMark.objects.create(user=user, view=_view(user), is_pinned=True, is_default=True)
    return "/views/", {"name": "Failures", "query": "status=cancelled"}


def preferences_saved(user: User) -> tuple[str, dict[str, Any]]:
    User.objects.filter(pk=user.pk).update(time_zone="Europe/Berlin", theme="dark", palette="safe", log_wraps=True)
    return "/me/", {"time_zone": "", "theme": "light", "palette": ""}


def settings_saved(_: User) -> tuple[str, dict[str, Any]]:
    InstanceSettings.load()
    InstanceSettings.objects.update(step_cache=False, redaction_patterns="api_key\n/AKIA[0-9A-Z]{16}/", step_slots=3)
    return "/settings/", {**VALUES, "step_cache": "on"}


def view_marked(what: str) -> Callable[[User], tuple[str, dict[str, Any]]]:
    def make(user: User) -> tuple[str, dict[str, Any]]:
        view = _view(user)
        ViewMark.objects.create(user=user, view=view, is_pinned=what == "unpin", is_default=what == "undefault")
        return f"/views/{view.id}/mark/", {"act": what}

    return make


def watched(_: User) -> tuple[str, dict[str, Any]]:
    return f"/runs/{factories.make_run(status='running').number}/watch/", {}


def watched_no_more(user: User) -> tuple[str, dict[str, Any]]:
    run = factories.make_run(status="running")
    Watch.objects.create(user=user, run=run)
    return f"/runs/{run.number}/watch/", {"act": "stop"}


def notices_read(user: User) -> tuple[str, dict[str, Any]]:
    for read_at in (None, None, READ_AT):
        Notice.objects.create(user=user, status="failed", text="x", path="/", read_at=read_at)
    return "/inbox/read/", {}


def schedule_paused(_: User) -> tuple[str, dict[str, Any]]:
    pipeline = factories.make_pipeline()
    made = Schedule.objects.create(pipeline=pipeline, name="nightly", cron="0 2 * * *", zone="UTC")
    return f"/schedules/{made.id}/pause/", {"paused": "yes"}


def schedule_resumed(user: User) -> tuple[str, dict[str, Any]]:
    address, _ = schedule_paused(user)
    Schedule.objects.update(is_paused=True)
    return address, {"paused": "no"}


def default_chosen(_: User) -> tuple[str, dict[str, Any]]:
    make_tracker("first")
    return f"/stack/{make_tracker('second').id}/default/", {}


def first_default_chosen(_: User) -> tuple[str, dict[str, Any]]:
    only = make_tracker("only")
    Component.objects.update(is_default=False)
    return f"/stack/{only.id}/default/", {}


def role_changed(_: User) -> tuple[str, dict[str, Any]]:
    return f"/people/{factories.make_user(role='operator').id}/role/", {"role": "viewer"}


def person_deactivated(_: User) -> tuple[str, dict[str, Any]]:
    return f"/people/{factories.make_user().id}/activity/", {}


def model_promoted(_: User) -> tuple[str, dict[str, Any]]:
    version_of(plan_run(a=naming()), "a")
    return "/models/churn/1/stage/", {"stage": "staging"}


def model_put_in_place_of_another(_: User) -> tuple[str, dict[str, Any]]:
    first, second = (version_of(plan_run(a=naming()), "a") for _ in range(2))
    model_actions.set_stage(first, "production")
    model_actions.set_stage(second, "staging")
    return "/models/churn/2/stage/", {"stage": "production", "force": "on"}


ACTS = {
    make.__name__: make
    for make in (
        *(view_replaced, preferences_saved, settings_saved),
        *(tags_added, tag_taken_off, acknowledged, cause_acknowledged, result_expired, view_removed, view_begun_with),
        *(watched, watched_no_more, notices_read, schedule_paused, schedule_resumed, default_chosen),
        *(first_default_chosen, role_changed, person_deactivated, model_promoted, model_put_in_place_of_another),
    )
} | {f"view_{what}": view_marked(what) for what in ("pin", "unpin", "undefault", "default", "share", "unshare")}


@pytest.mark.parametrize("name", ACTS)
def test_undo_restores_what_was_and_is_gone_on_the_next_page(as_alice: Client, alice: User, name: str) -> None:
    address, sent = ACTS[name](alice)
    if name == "view_share":
        SavedView.objects.update(is_shared=False)
    before = state()

    page = act(as_alice, address, **sent)

    assert state() != before
    assert not read(as_alice.get("/me/")).one("div", id="messages").children
    restored = press_undo(as_alice, page)
    assert state() == before
    assert restored.one("div", id="messages").text


@pytest.mark.parametrize("name", ["model_put_in_place_of_another", "tags_added", "acknowledged", "role_changed"])
def test_what_was_taken_back_can_be_done_again(as_alice: Client, alice: User, name: str) -> None:
    address, sent = ACTS[name](alice)
    page = act(as_alice, address, **sent)
    done = state()

    press_undo(as_alice, press_undo(as_alice, page))

    assert state() == done


@pytest.mark.parametrize(
    ("name", "role", "status"),
    [
        ("tags_added", "viewer", 403),
        ("acknowledged", "viewer", 403),
        ("cause_acknowledged", "viewer", 403),
        ("result_expired", "viewer", 403),
        ("schedule_paused", "viewer", 403),
        ("model_promoted", "viewer", 403),
        ("default_chosen", "operator", 403),
        ("role_changed", "operator", 403),
        ("view_removed", "admin", 404),
    ],
)
def test_taking_back_is_checked_as_any_act(as_alice: Client, alice: User, name: str, role: str, status: int) -> None:
    address, sent = ACTS[name](alice)
    page = act(as_alice, address, **sent)
    form = page.one("div", id="messages").one("form")
    stranger = client_of(factories.make_user("stranger", role))
    before = state()

    answer = stranger.post(form["action"], form_of(page.one("div", id="messages"), form["action"]))

    assert answer.status_code == status
    assert state() == before
    unsafe = Client(enforce_csrf_checks=True)
    unsafe.force_login(alice)
    assert unsafe.post(form["action"], {"act": "withdraw"}).status_code == 403
    assert state() == before


def test_taking_back_is_written_down_as_an_act_of_its_own(as_alice: Client, alice: User) -> None:
    address, sent = acknowledged(alice)

    press_undo(as_alice, act(as_alice, address, **sent))

    told = AuditEvent.objects.filter(action__startswith="run.").order_by("id")
    assert list(told.values_list("action", "actor_name")) == [("run.acknowledged", "alice"), ("run.reopened", "alice")]


def test_markup_in_what_is_told_stays_text(as_bob: Client) -> None:
    hostile = """<img src=x onerror="alert('1')">"""
    run = factories.make_run(tags=[hostile])

    answer = as_bob.post(f"/runs/{run.number}/tags/", {"remove": hostile}, follow=True)

    assert b"<img" not in answer.content
    messages = read(answer).one("div", id="messages")
    assert hostile in messages.text
    assert messages.one("input", name="add")["value"] == hostile


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_failure_that_a_rerun_settled_meanwhile_stays_settled(as_bob: Client, status: str) -> None:
    run = ended("failed")
    page = act(as_bob, f"/runs/{run.number}/acknowledgement/")
    ended(status, parent=ended("cancelled", parent=run))

    form = page.one("div", id="messages").one("form")
    answer = as_bob.post(form["action"], {"act": "withdraw"})

    assert "ended meanwhile" in read(answer, status=409).text
    run.refresh_from_db()
    assert not run.is_unresolved


def test_nobody_takes_back_what_nobody_did(as_bob: Client) -> None:
    run = ended("failed")

    assert as_bob.post(f"/runs/{run.number}/acknowledgement/", {"act": "withdraw"}).status_code == 409
    assert as_bob.post("/inbox/read/", {"at": "yesterday"}).status_code == 422


@pytest.mark.parametrize("name", ["schedule_paused", "role_changed", "person_deactivated"])
def test_what_changed_nothing_offers_no_undo(as_alice: Client, alice: User, name: str) -> None:
    address, sent = ACTS[name](alice)
    act(as_alice, address, **sent)

    assert not act(as_alice, address, **sent).one("div", id="messages").has("form")


def test_a_view_that_was_just_kept_is_taken_away_again(as_bob: Client) -> None:
    factories.make_run()

    press_undo(as_bob, act(as_bob, "/views/", name="Mine", query=""))

    assert not read(as_bob.get("/views/")).has("a", class_="table__link")
    assert not act(as_bob, "/views/", name="Mine", query="", default="on").one("div", id="messages").has("form")


def test_a_removed_view_is_nowhere_and_its_name_is_free(as_bob: Client, bob: User) -> None:
    view = _view(bob)
    ViewMark.objects.create(user=bob, view=view, is_pinned=True, is_default=True)

    as_bob.post(f"/views/{view.id}/remove/")

    assert as_bob.get("/runs/").status_code == 200
    for address in ("/views/", "/runs/", "/find/?q=Fail", "/"):
        assert "Failures" not in read(as_bob.get(address)).one("main").text.replace("“Failures”", "")
        assert not read(as_bob.get(address)).one("nav", class_="rail").has("a", class_="rail__view")
    assert as_bob.post(f"/views/{view.id}/mark/", {"act": "pin"}).status_code == 404
    as_bob.post("/views/", {"name": "Failures", "query": "status=cancelled"})
    assert SavedView.objects.get().query == "status=cancelled"
    assert as_bob.post(f"/views/{view.id}/mark/", {"act": "restore"}).status_code == 404

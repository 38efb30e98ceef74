from __future__ import annotations

import ipaddress

import pytest
from django.test import Client

from stepwell.accounts.models import AuditEvent
from stepwell.alerts import actions
from stepwell.alerts.models import AlertRule, Delivery
from tests.web.page import read

NEW = "/alerts/+/webhook/"
URL = "http://127.0.0.1:9999/hook/a-password"


@pytest.fixture(autouse=True)
def _loopback(settings) -> None:
    settings.ALERT_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]


def make_rule(**changes) -> AlertRule:
    return actions.put_rule(kind="webhook", name="ops", url=URL, events={"failed"}, by=None, **changes)


def test_an_admin_adds_a_rule_and_no_page_shows_its_address(as_alice: Client) -> None:
    form = {"name": "ops", "url": URL, "events": ["failed", "waiting"], "is_enabled": "on"}
    response = as_alice.post(NEW, form, follow=True)

    rule = AlertRule.objects.get()
    assert (rule.on_failed, rule.on_recovered, rule.on_waiting) == (True, False, True)
    assert "ops is added." in response.content.decode()
    assert AuditEvent.objects.get(action="alert_rule.added").actor_name == "alice"
    for address in ("/alerts/", f"/alerts/{rule.pk}/", "/audit/"):
        assert "a-password" not in as_alice.get(address).content.decode()
    assert "http://127.0.0.1" in read(as_alice.get("/alerts/")).text


def test_what_does_not_do_is_said_beside_its_field(as_alice: Client) -> None:
    form = {"name": "ops", "url": "http://10.0.0.1/", "events": ["failed"]}
    page = read(as_alice.post(NEW, form), status=422)

    assert "not a public address" in page.one(id="id_url_error").text
    assert page.one(id="id_name")["value"] == "ops"
    make_rule()
    page = read(as_alice.post(NEW, {**form, "url": URL}), status=409)
    assert "called ops already" in page.one(id="id_name_error").text


def test_a_change_without_an_address_keeps_the_one_there_is(as_alice: Client) -> None:
    rule = make_rule()
    before = actions.opened(rule)
    as_alice.post(f"/alerts/{rule.pk}/", {"name": "night", "url": "", "events": ["recovered"]})

    rule = actions.get_rule(rule.pk)
    assert (rule.name, rule.on_failed, rule.on_recovered, rule.is_enabled) == ("night", False, True, False)
    assert actions.opened(rule) == before


def test_the_secret_is_shown_when_it_is_asked_for(as_alice: Client) -> None:
    rule = make_rule()
    secret = actions.opened(rule)["secret"]

    assert secret not in as_alice.get(f"/alerts/{rule.pk}/").content.decode()
    assert read(as_alice.post(f"/alerts/{rule.pk}/secret/")).one(id="once").text == secret


def test_a_test_is_listed_and_a_dead_alert_is_sent_again(as_alice: Client) -> None:
    rule = make_rule()
    as_alice.post(f"/alerts/{rule.pk}/test/")
    delivery = Delivery.objects.get()
    assert (delivery.event, delivery.status) == ("test", "open")
    assert "Waits" in read(as_alice.get("/alerts/")).text
    assert "Send now" not in read(as_alice.get("/alerts/")).text
    Delivery.objects.update(error="It answered 503", tries=1)
    assert "Send now" in read(as_alice.get("/alerts/")).text
    Delivery.objects.update(status="dead", tries=5)
    page = read(as_alice.get("/alerts/"))
    assert "Not delivered" in page.text
    assert "It answered 503" in page.text

    as_alice.post(f"/alerts/deliveries/{delivery.pk}/again/")
    delivery.refresh_from_db()
    assert (delivery.status, delivery.tries) == ("open", 0)
    assert as_alice.post(f"/alerts/deliveries/{delivery.pk}/again/").status_code == 409


def test_a_removed_rule_is_gone_with_its_address(as_alice: Client) -> None:
    rule = make_rule()
    actions.send_test(rule=rule, by=None)
    assert "Remove ops?" in read(as_alice.get(f"/alerts/{rule.pk}/delete/")).text
    as_alice.post(f"/alerts/{rule.pk}/delete/")

    assert not AlertRule.objects.exists()
    assert not Delivery.objects.exists()
    assert as_alice.get(f"/alerts/{rule.pk}/").status_code == 404


@pytest.mark.parametrize("address", ["/alerts/", NEW])
def test_only_admins_see_alerts(as_bob: Client, as_charlie: Client, client: Client, address: str) -> None:
    assert as_bob.get(address).status_code == as_charlie.get(address).status_code == 403
    assert client.get(address).status_code == 302


def test_there_are_two_kinds(as_alice: Client) -> None:
    assert as_alice.get("/alerts/+/apprise/").status_code == 200
    assert as_alice.get("/alerts/+/other/").status_code == 404

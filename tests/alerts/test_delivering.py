"""From a run's end to an address: once per event, signed, tried again, given up visibly."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import socket
import threading
import time

import pytest
from django.db import transaction

from stepwell.accounts.models import AuditEvent
from stepwell.alerts import actions, delivering, wording
from stepwell.alerts.models import AlertRule, Delivery
from stepwell.core.status import RunStatus
from stepwell.desk.models import Watch
from stepwell.errors import Conflict, UsageError
from stepwell.execution import moves
from stepwell.vault import actions as vault
from stepwell.vault.models import SealedText
from tests.execution.make import make_run
from tests.factories import make_user

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("loopback"),
    # apprise looks for it on the Pythons that still have it
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated"),
]

ALL = {"failed", "recovered", "waiting"}
LIVE = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PAUSED)


def make_rule(url, *, name="ops", kind="webhook", events=ALL, **changes):
    return actions.put_rule(kind=kind, name=name, url=url, events=events, by=None, **changes)


def end(status, **changes):
    run = make_run({"a": []}, **changes)
    with transaction.atomic():
        assert moves.move_run(run.id, RunStatus(status), old=LIVE, reason="a failed: ValueError: no")
    return run


def events():
    return list(Delivery.objects.order_by("id").values_list("event", flat=True))


def test_what_happens_to_runs_becomes_alerts(heard):
    make_rule(heard.url)
    end("completed")
    assert events() == []
    end("failed")
    end("failed")
    end("cancelled")
    end("completed")
    end("completed")
    end("paused")
    assert events() == ["failed", "failed", "recovered", "waiting"]


def test_a_rule_hears_of_its_events_and_pipeline_only(heard):
    run = end("failed")
    make_rule(heard.url, name="failures", events={"failed"})
    make_rule(heard.url, name="mine", pipeline=run.pipeline)
    make_rule(heard.url, name="off", is_enabled=False)
    end("paused")
    assert [one.rule.name for one in Delivery.objects.all()] == ["mine"]


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_the_end_of_a_run_that_people_wait_for_is_told_once_to_each_rule(heard, status):
    only_asked = make_rule(heard.url, name="asked", events={"watched"})
    make_rule(heard.url, name="both", events={"failed", "watched"})
    make_rule(heard.url, name="neither", events={"waiting"})
    run = make_run({"a": []})
    ana, ben = make_user("ana"), make_user("ben")
    for person in (ana, ben):
        Watch.objects.create(user=person, run=run)
    with transaction.atomic():
        moves.move_run(run.id, RunStatus(status), old=(RunStatus.RUNNING,))

    owed = {delivery.rule.name: delivery for delivery in Delivery.objects.all()}
    assert owed.keys() == {"asked", "both"}
    assert owed["asked"].rule == only_asked
    assert owed["asked"].payload["event"] == "run.watched"
    assert owed["asked"].payload["asked_by"] == ["ana", "ben"]
    assert owed["both"].event == ("failed" if status == "failed" else "watched")
    said = {"completed": "completed", "failed": "failed", "cancelled": "was cancelled"}[status]
    assert wording.title(owed["asked"].payload).endswith(f"#{run.number} {said}")


def test_a_run_nobody_waits_for_is_told_to_no_rule_for_those(heard):
    make_rule(heard.url, events={"watched"})
    run = make_run({"a": []})
    with transaction.atomic():
        moves.move_run(run.id, RunStatus.COMPLETED, old=(RunStatus.RUNNING,))

    assert not Delivery.objects.exists()


def test_an_alert_is_stored_or_lost_with_the_move_it_is_about(heard):
    make_rule(heard.url)
    run = make_run({"a": []})
    with transaction.atomic():
        moves.move_run(run.id, RunStatus.FAILED, old=LIVE)
        assert events() == ["failed"]
        transaction.set_rollback(True)
    assert events() == []


def test_a_webhook_is_signed_and_tells_the_run(heard):
    rule = make_rule(heard.url)
    run = end("failed")
    assert delivering.deliver_due() == 1
    ((path, headers, body),) = heard.requests
    assert path == "/hook?key=1"
    told = json.loads(body)
    assert (told["event"], told["run"]["number"], told["pipeline"]) == ("run.failed", run.number, "train")
    assert told["run"]["reason"] == "a failed: ValueError: no"
    signed = f"{headers['Stepwell-Timestamp']}.".encode() + body
    secret = actions.opened(rule)["secret"].encode()
    assert headers["Stepwell-Signature"] == "v1=" + hmac.new(secret, signed, hashlib.sha256).hexdigest()
    assert abs(int(headers["Stepwell-Timestamp"]) - time.time()) < 60
    delivery = Delivery.objects.get()
    assert headers["Stepwell-Event-Id"] == told["event_id"] == str(delivery.id)
    assert (delivery.status, delivery.answered, delivery.tries) == ("done", 200, 1)
    assert delivering.deliver_due() == 0


def test_a_refusing_address_is_tried_five_times_with_growing_waits_and_then_given_up(heard):
    make_rule(heard.url)
    end("failed")
    heard.answers = [(500, {}, b"broken\nhere"), (302, {"Location": "http://10.0.0.1/"}, b""), *[(503, {}, b"")] * 3]
    waits = []
    for _ in range(5):
        assert delivering.deliver_due() == 1
        assert delivering.deliver_due() == 0, "it waits"
        delivery = Delivery.objects.get()
        waits.append(delivery.due_at - time.time())
        Delivery.objects.update(due_at=1)
    assert delivering.deliver_due() == 0
    delivery.refresh_from_db()
    assert (delivery.status, delivery.tries, delivery.answered) == ("dead", 5, 503)
    assert [round(wait, -1) for wait in waits[:4]] == [10, 60, 300, 1800]
    assert len({headers["Stepwell-Event-Id"] for _, headers, _ in heard.requests}) == 1
    actions.redeliver(delivery=delivery, by=None)
    assert delivering.deliver_due() == 1
    delivery.refresh_from_db()
    assert (delivery.status, delivery.answered) == ("done", 200)
    assert AuditEvent.objects.filter(action="alert.redelivered").exists()


def test_an_alert_that_waits_for_its_next_try_is_sent_now_when_asked_for(heard):
    heard.answers = [(503, {}, b"busy")]
    make_rule(heard.url)
    end("failed")
    assert (delivering.deliver_due(), delivering.deliver_due()) == (1, 0)
    actions.redeliver(delivery=Delivery.objects.get(), by=None)
    assert delivering.deliver_due() == 1
    assert Delivery.objects.get().status == "done"
    assert len({headers["Stepwell-Event-Id"] for _, headers, _ in heard.requests}) == 1


def test_an_alert_that_is_being_tried_is_not_sent_beside_that(heard):
    make_rule(heard.url)
    end("failed")
    delivery = Delivery.objects.get()
    with pytest.raises(Conflict):
        actions.redeliver(delivery=delivery, by=None)
    assert delivery.take(owner_id=None, seconds=60)
    with pytest.raises(Conflict):
        actions.redeliver(delivery=delivery, by=None)
    assert delivering.deliver_due() == 0
    # Whoever had it died: another one takes it, and the first can store nothing any more.
    Delivery.objects.update(due_at=1)
    assert delivering.deliver_due() == 1
    assert not delivery.end("dead")
    assert Delivery.objects.get().status == "done"


def test_an_address_that_may_not_be_called_any_more_is_given_up_at_once(heard, settings):
    make_rule(heard.url)
    end("failed")
    settings.ALERT_NETWORKS = []
    delivering.deliver_due()
    delivery = Delivery.objects.get()
    assert (delivery.status, heard.requests) == ("dead", [])
    assert "not a public address" in delivery.error


def test_addresses_are_sealed_and_outlive_a_new_key(heard):
    rule = make_rule(heard.url)
    raw = bytes(SealedText.objects.get().ciphertext)
    assert b"hook" not in raw
    assert rule.shown == "http://127.0.0.1"
    before = SealedText.objects.get().key_id
    vault.rotate_keys()
    vault.rotate_keys()
    vault.rotate_keys()
    assert SealedText.objects.get().key_id != before
    assert actions.opened(actions.get_rule(rule.pk))["url"] == heard.url
    assert "key=1" not in str(list(AuditEvent.objects.values()))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": ""}, "url"),
        ({"url": "http://10.0.0.1/"}, "url"),
        ({"url": "ftp://example.org/"}, "url"),
        ({"name": " "}, "name"),
        ({"events": set()}, "events"),
        ({"kind": "apprise", "url": "exec://rm"}, "url"),
        ({"kind": "apprise", "url": "mailto://"}, "url"),
    ],
)
def test_a_rule_that_does_not_do_names_the_field(heard, changes, field):
    with pytest.raises(UsageError) as refused:
        make_rule(**{"url": heard.url, **changes})
    assert field in refused.value.details["fields"]
    assert not AlertRule.objects.exists()
    assert not SealedText.objects.exists()


def test_e_mail_goes_through_apprise_to_a_real_mail_server():
    mail = MailServer()
    make_rule(f"mailto://127.0.0.1:{mail.port}?from=stepwell@example.org&to=ana@example.org", kind="apprise")
    run = end("failed")
    delivering.deliver_due()
    delivery = Delivery.objects.get()
    assert delivery.status == "done", delivery.error
    assert f"train #{run.number} failed" in mail.received
    assert "rcpt TO:<ana@example.org>" in mail.received


def lead(monkeypatch, names):
    """Have names lead to places, as somebody's DNS would."""
    real = socket.getaddrinfo

    def look(host, port, *args, **kwargs):
        return real(names.get(host, host), port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look)


def test_a_name_without_a_dot_leads_apprise_to_no_private_address(heard, settings, monkeypatch):
    settings.ALERT_NETWORKS = []
    lead(monkeypatch, {"redis": "127.0.0.1"})
    make_rule(f"ntfy://redis:{heard.server.server_port}/topic", kind="apprise")
    end("failed")

    delivering.deliver_due()

    delivery = Delivery.objects.get()
    assert delivery.status == "dead"
    assert "127.0.0.1, which is not a public address" in delivery.error
    assert heard.requests == []


def test_apprise_is_not_redirected_to_a_private_address(heard, settings):
    settings.ALERT_NETWORKS = [ipaddress.ip_network("127.0.0.1/32")]
    heard.answers = [(307, {"Location": f"http://127.0.0.2:{heard.server.server_port}/"}, b"")]
    make_rule(f"ntfy://127.0.0.1:{heard.server.server_port}/topic", kind="apprise")
    end("failed")

    delivering.deliver_due()

    assert "127.0.0.2, which is not a public address" in Delivery.objects.get().error
    assert len(heard.requests) == 1


class MailServer:
    """The few words of SMTP that one message needs, on a real socket."""

    def __init__(self):

        self.received = ""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        connection, _ = self._listener.accept()
        with connection, self._listener, connection.makefile("rw", newline="\r\n", encoding="utf-8") as lines:
            self._say(lines, "220 here")
            in_data = False
            for line in lines:
                self.received += line
                word = line.strip().upper()
                if in_data:
                    if line.strip() == ".":
                        in_data = False
                        self._say(lines, "250 taken")
                elif word == "DATA":
                    in_data = True
                    self._say(lines, "354 go on")
                elif word == "QUIT":
                    self._say(lines, "221 bye")
                    return
                else:
                    self._say(lines, "250 yes")

    @staticmethod
    def _say(lines, text):
        lines.write(f"{text}\r\n")
        lines.flush()

"""The same act many times at once: it happens once, and nobody is told otherwise."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from stepwell.accounts import actions as accounts
from stepwell.core.status import Trigger
from stepwell.errors import StepwellError
from stepwell.execution import actions
from stepwell.runs.models import Run
from stepwell.vault import actions as vault
from stepwell.vault.models import Secret
from tests.execution.make import make_run, make_snapshot

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 8


def at_once(act: Callable[[], Any]) -> tuple[list[Any], list[Exception]]:
    """Do ``act`` in many threads that begin together; return what came of it."""
    barrier, results, errors = threading.Barrier(MANY), [], []

    def work() -> None:
        barrier.wait(20)
        try:
            results.append(act())
        except StepwellError as exc:
            errors.append(exc)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) + len(errors) == MANY
    return results, errors


def test_one_key_starts_one_run():
    pipeline = make_snapshot().pipeline
    start = {"pipeline": pipeline, "parameters": {}, "trigger": Trigger.API, "actor": None, "idempotency_key": "k"}
    runs, errors = at_once(lambda: actions.start_run(**start))

    assert errors == []
    assert len({run.id for run in runs}) == Run.objects.count() == 1


def test_a_run_is_cancelled_once():
    run = make_run({"a": []})
    at_once(lambda: actions.cancel_run(run=Run.objects.get(id=run.id), by="alice"))

    assert [event.payload for event in run.events.all()].count({"by": "alice"}) == 1


def test_no_version_of_a_secret_is_lost_and_it_is_deleted_once():
    secret = vault.put_secret(name="s", values={"KEY": "first-value"}, by=None)
    done, errors = at_once(lambda: vault.rotate_secret(secret=secret, values={"KEY": "other-value"}, by=None))
    numbers = sorted(secret.versions.values_list("number", flat=True))

    assert errors == []
    assert numbers[-1] == MANY + 1 == max(numbers)
    assert len(set(numbers)) == len(numbers)
    done, errors = at_once(lambda: vault.delete_secret(secret=secret, by=None))
    assert (len(done), len(errors), Secret.objects.count()) == (1, MANY - 1, 0)


def test_a_token_is_revoked_once_and_an_invite_used_once():
    admin = accounts.make_user(name="admin", role="admin")
    token, _ = accounts.make_token(user=admin, name="t", role="admin")
    done, errors = at_once(lambda: accounts.revoke_token(token=token, by=admin))
    assert (len(done), len(errors)) == (1, MANY - 1)

    raw = accounts.make_invite(role="viewer", by=admin)
    names = iter(f"guest{number}" for number in range(MANY))
    done, errors = at_once(lambda: accounts.accept_invite(raw=raw, name=next(names), password="nine purple otters"))
    assert (len(done), len(errors)) == (1, MANY - 1)


def test_two_admins_cannot_demote_each_other_at_once():
    admins = [accounts.make_user(name=f"admin{number}", role="admin") for number in range(MANY)]
    others = iter(admins)
    at_once(lambda: accounts.change_role(user=next(others), role="viewer", by=None))

    assert sum(type(admin).objects.get(pk=admin.pk).role == "admin" for admin in admins) == 1

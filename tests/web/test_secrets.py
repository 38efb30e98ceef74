from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import pytest
from django.test import Client

from stepwell.accounts.models import AuditEvent
from stepwell.vault import actions
from stepwell.vault.models import Secret

VALUE = "correct-horse-battery-staple"
OTHER = "tr0ub4dor-and-three"


@pytest.fixture(autouse=True)
def ring(tmp_path: Path, settings: object) -> None:
    settings.KEYRING_FILE = tmp_path / "keyring"


def create(client: Client, name: str = "warehouse", **pairs: str) -> object:
    pairs = pairs or {"TOKEN": VALUE}
    return client.post("/secrets/+/", {"name": name, "key": [*pairs, ""], "value": [*pairs.values(), ""]})


def read(name: str = "warehouse") -> dict[str, str]:
    return actions.values_for_step(names=[name], run_id=uuid4(), step_name="load", attempt_id=uuid4())


@pytest.mark.parametrize("who", ["as_bob", "as_charlie"])
def test_only_admins_see_and_change_secrets(who: str, request: pytest.FixtureRequest) -> None:
    client = request.getfixturevalue(who)
    actions.put_secret(name="warehouse", values={"TOKEN": VALUE}, by=None)

    for path in ("", "+/", "warehouse/", "warehouse/delete/"):
        response = client.get(f"/secrets/{path}")
        assert response.status_code == 403
        assert "TOKEN" not in response.content.decode()
    for path in ("+/", "warehouse/versions/", "warehouse/delete/"):
        assert client.post(f"/secrets/{path}", {"key": "TOKEN", "value": OTHER}).status_code == 403
    assert read() == {"TOKEN": VALUE}


def test_value_goes_in_and_never_comes_out(as_alice: Client) -> None:
    create(as_alice, TOKEN=VALUE, USER_NAME="alice-in-chains")
    as_alice.post("/secrets/warehouse/versions/", {"key": ["TOKEN"], "value": [OTHER]})
    assert read() == {"TOKEN": OTHER}

    for path in ("/secrets/", "/secrets/warehouse/", "/secrets/warehouse/delete/", "/audit/", "/secrets/+/"):
        html = as_alice.get(path).content.decode()
        assert not [value for value in (VALUE, OTHER, "alice-in-chains") if value in html]


def test_list_shows_names_keys_versions_and_uses(as_alice: Client) -> None:
    create(as_alice)
    read()

    html = as_alice.get("/secrets/").content.decode()
    for part in ("warehouse", "TOKEN", "a deleted run", "/ load"):
        assert part in html


def test_refused_form_keeps_keys_and_says_to_enter_the_values_again(as_alice: Client) -> None:
    response = create(as_alice, GOOD=VALUE, PATH=OTHER)
    html = response.content.decode()

    assert response.status_code == 422
    assert "Enter the values again" in html
    assert 'value="GOOD"' in html
    assert "belongs to the step" in html
    assert VALUE not in html
    assert OTHER not in html
    assert not Secret.objects.exists()


@pytest.mark.parametrize(
    ("name", "status"), [("bad name", 422), ("", 422), ("taken", 409), ("../x", 422), ("<b>x</b>", 422)]
)
def test_refused_name_is_said_beside_it(as_alice: Client, name: str, status: int) -> None:
    create(as_alice, name="taken")
    response = create(as_alice, name=name, TOKEN=OTHER)
    html = response.content.decode()

    assert response.status_code == status
    assert re.search(r'<input id="name"[^>]*aria-invalid="true"', html)
    assert OTHER not in html
    assert "<b>x</b>" not in html


@pytest.mark.parametrize(
    "form",
    [
        {"name": "warehouse"},
        {"name": "warehouse", "key": ["A"], "value": [""]},
        {"name": "warehouse", "key": [""], "value": [VALUE]},
        {"name": "warehouse", "key": ["A", "A"], "value": [VALUE, OTHER]},
        {"name": "warehouse", "key": ["A"] * 3, "value": [VALUE]},
        {"name": "warehouse", "key": ["A"], "value": ["abc"]},
    ],
)
def test_incomplete_and_double_rows_store_nothing(as_alice: Client, form: dict[str, object]) -> None:
    response = as_alice.post("/secrets/+/", form)

    if form.get("key") == ["A"] * 3:
        assert response.status_code == 302
        return
    assert response.status_code == 422
    assert VALUE not in response.content.decode()
    assert not Secret.objects.exists()


def test_key_called_name_is_an_ordinary_key(as_alice: Client) -> None:
    form = {"name": "warehouse", "key": ["name"], "value": ["abc"]}
    html = as_alice.post("/secrets/+/", form).content.decode()

    assert not re.search(r'<input id="name"[^>]*aria-invalid="true"', html)
    assert "A value has at least 4 characters" in html


def test_line_breaks_of_a_certificate_arrive_as_they_were_pasted(as_alice: Client) -> None:
    create(as_alice, PEM="-----BEGIN-----\r\nabc\r\n-----END-----\r\n")

    assert read() == {"PEM": "-----BEGIN-----\nabc\n-----END-----\n"}


def test_rotation_that_is_refused_keeps_the_old_values(as_alice: Client) -> None:
    create(as_alice)
    response = as_alice.post("/secrets/warehouse/versions/", {"key": ["TOKEN"], "value": ["abc"]})

    assert response.status_code == 422
    assert read() == {"TOKEN": VALUE}


def test_delete_asks_first_and_then_deletes(as_alice: Client) -> None:
    create(as_alice)
    assert "cannot be brought back" in as_alice.get("/secrets/warehouse/delete/").content.decode()
    assert Secret.objects.exists()
    as_alice.post("/secrets/warehouse/delete/")

    assert not Secret.objects.exists()
    assert as_alice.get("/secrets/warehouse/").status_code == 404
    assert AuditEvent.objects.filter(action="secret.deleted", actor_name="alice").exists()


def test_unknown_secret_is_not_found(as_alice: Client) -> None:
    for path in ("nothing/", "nothing/delete/", "%00/", "a%2Fb/"):
        assert as_alice.get(f"/secrets/{path}").status_code == 404
    assert as_alice.post("/secrets/nothing/versions/", {"key": "A", "value": VALUE}).status_code == 404


@pytest.mark.parametrize(("rows", "expected"), [("10", 10), ("50", 50), ("99", 50), ("x", 3), ("-1", 3), ("²", 3)])
def test_more_rows_are_a_link_away(as_alice: Client, rows: str, expected: int) -> None:
    html = as_alice.get("/secrets/+/", {"rows": rows}).content.decode()

    assert html.count('name="value"') == expected


def test_number_of_queries_does_not_grow_with_the_secrets(
    as_alice: Client, django_assert_max_num_queries: object
) -> None:
    for number in range(20):
        actions.put_secret(name=f"secret-{number}", values={"TOKEN": VALUE}, by=None)
        read(f"secret-{number}")

    with django_assert_max_num_queries(12):
        as_alice.get("/secrets/")


def test_value_is_in_no_error_report(as_alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Django's error report lists local variables and form fields; ours must be blanked there."""
    from django.test import RequestFactory
    from django.views.debug import SafeExceptionReporterFilter

    from stepwell.web import secret_pages

    monkeypatch.setattr(actions.keyring, "seal", lambda *args, **kwargs: 1 / 0)
    request = RequestFactory().post("/secrets/+/", {"name": "warehouse", "key": ["TOKEN"], "value": [VALUE]})
    request.user = None
    report = SafeExceptionReporterFilter()
    report.is_active = lambda request: True  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError) as raised:
        secret_pages.create(request)

    shown = [report.get_post_parameters(request)]
    traceback = raised.value.__traceback__.tb_next
    while traceback:
        if traceback.tb_frame.f_globals["__name__"].startswith("stepwell."):
            shown += report.get_traceback_frame_variables(request, traceback.tb_frame)
        traceback = traceback.tb_next
    assert VALUE not in repr(shown)

"""The whole API against its own description: anything it takes gets an answer it describes, whoever asks.

``STEPWELL_FUZZ=20`` makes twenty times as many calls.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from stepwell.accounts.models import Role
from stepwell.api import auth
from stepwell.kit.allowance import Allowances
from stepwell.vault.actions import put_secret
from tests import factories
from tests.api.conftest import Caller
from tests.api.test_artifacts import upload
from tests.api.test_components import TRACKER
from tests.api.test_schedules import DAILY
from tests.artifacts.test_model_actions import complete, naming, output, plan_run
from tests.web.test_waits import ask

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(3600)]

TIMES = int(os.environ.get("STEPWELL_FUZZ", "1"))
#: calls of one operation by each role
CALLS = 3 * TIMES
NAMES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
#: what every operation may answer beside what its description says: limits that are the same for all
LIMITS = {405, 413, 415, 429}
ROLES = (None, *Role.values)


@pytest.fixture(autouse=True)
def _calm(monkeypatch: pytest.MonkeyPatch):
    """No limit of calls, and one connection to the database for all of them."""
    monkeypatch.setattr(auth, "READS", Allowances(burst=10**9, rate=1))
    monkeypatch.setattr(auth, "WRITES", Allowances(burst=10**9, rate=1))
    monkeypatch.setattr(connection, "close_if_unusable_or_obsolete", lambda: None)


@pytest.fixture
def real(people, pipeline) -> dict[tuple[str, str], list[str]]:
    """Path parameters that lead somewhere, by the first part of the path and the parameter's name."""
    operator, admin = Caller(people["operator"]), Caller(people["admin"])
    failed = factories.make_run(status="failed", steps={"load": "completed", "train": "failed"})
    running = factories.make_run(status="running", steps={"load": "running"}, pipeline=failed.pipeline)
    wait = ask({"type": "boolean"}, run=running)
    step = failed.steps.first()
    put_secret(name="known", values={"KEY": "a-long-value"}, by=None)
    complete(plan_run(a=naming()), "a", output("weights", kind="model"))
    schedule = operator.post("/schedules", DAILY).json()
    return {
        ("runs", "ref"): [str(failed.number), str(running.id)],
        ("runs", "invocation_id"): ["load"],
        ("runs", "number"): ["1"],
        ("runs", "wait"): [wait.name, str(wait.id)],
        ("pipelines", "ref"): [pipeline.slug, failed.pipeline.slug],
        ("models", "ref"): ["churn"],
        ("models", "version"): ["1", "latest", "production"],
        ("components", "component_id"): [admin.post("/components", TRACKER).json()["id"]],
        ("artifact-versions", "version_id"): [str(factories.make_artifact(step, files={"a.txt": "a"}).id)],
        ("uploads", "upload"): [upload(operator, file=b"1234")],
        ("steps", "step_id"): [str(step.id)],
        ("secrets", "name"): ["known"],
        ("schedules", "ref"): [schedule["name"], schedule["id"]],
    }


@pytest.fixture
def description(people):
    """The description as an admin gets it, over the same door the calls go through."""
    return schemathesis.openapi.from_wsgi(
        "/api/v1/openapi.json",
        get_wsgi_application(),
        headers={"Authorization": f"Bearer {Caller(people['admin']).raw}"},
    )


def test_every_answer_is_one_the_description_has(description, people, real) -> None:
    tokens = {role: {"Authorization": f"Bearer {Caller(people[role]).raw}"} if role else {} for role in ROLES}
    checks = CHECKS.get_by_names(NAMES)
    seen: dict[str | None, Counter[str]] = {role: Counter() for role in ROLES}
    for operation in [found.ok() for found in description.get_all_operations()]:
        call_many(operation, tokens=tokens, checks=checks, real=real, seen=seen)

    for role, answers in seen.items():
        print(f"{role or 'nobody'}: {answers.total():,} calls, {dict(sorted(answers.items()))}")
        assert answers.total() >= CALLS * 40
    assert set(seen[None]) <= {"401", "405"}
    fit = sum(seen[Role.ADMIN][code] for code in ("200", "201", "202", "204"))
    assert fit > seen[Role.ADMIN].total() / 10


def call_many(operation: Any, *, tokens: Any, checks: Any, real: Any, seen: Any) -> None:
    """Call one operation as everybody, with values that fit and that do not, and paths that lead somewhere or nowhere.

    A case is made once and sent by each role: making one costs more than all of its calls.
    """
    place = operation.path.split("/")[3]
    cases = operation.as_strategy()
    if list(operation.iter_parameters()) or operation.body:
        cases |= operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @settings(
        max_examples=CALLS,
        deadline=None,
        database=None,
        derandomize=TIMES == 1,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, is_real=st.sampled_from([True, True, True, False]), choice=st.integers(0, 7))
    def call(case: Any, is_real: bool, choice: int) -> None:
        if is_real:
            for name in case.path_parameters or {}:
                values = real[place, name]
                case.path_parameters[name] = values[choice % len(values)]
        for role, headers in tokens.items():
            with transaction.atomic():
                response = case.call(headers=headers)
                transaction.set_rollback(True)
            seen[role][str(response.status_code)] += 1
            if response.status_code not in LIMITS:
                case.validate_response(response, checks=checks)

    call()

"""When the run of a script counts as given up: by the process table here, by the clock for other hosts."""

from __future__ import annotations

import pytest

from stepwell.execution import nodes, sweep
from stepwell.runs.models import RunnerNode
from tests.execution.make import make_run

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("host", "status"), [("here", "running"), ("elsewhere", "failed")])
def test_a_script_that_is_late_to_say_it_lives(host, status):
    node = nodes.register(RunnerNode.Kind.SCRIPT, slots=1)
    RunnerNode.objects.filter(id=node.id).update(
        seen_at=1_000, host=nodes.host_name() if host == "here" else "elsewhere"
    )
    run = make_run({"a": []}, script_node_id=node.id)

    sweep.end_scripts_of_dead_nodes()

    run.refresh_from_db()
    assert run.status == status

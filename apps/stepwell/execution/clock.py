"""The clock of schedules: starts a run for each time that came, once, however many runners look."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from django.db import DatabaseError, transaction

from stepwell.core.status import Trigger
from stepwell.errors import ConfigError, StepwellError
from stepwell.execution import actions
from stepwell.pipelines import schedules
from stepwell.pipelines.models import Schedule, ScheduleFire
from stepwell.runs.models import Run

log = logging.getLogger(__name__)
#: what one round starts at most, so that a schedule that catches up leaves the runner time for its steps
_MOST_A_ROUND = 20


def fire_due() -> int:
    """Start a run for every schedule whose time has come; return how many times were taken.

    A schedule that cannot start its run says why on its page and waits for its next time; the others are not held up.
    """
    taken = 0
    for schedule in schedules.due_schedules(limit=_MOST_A_ROUND):
        try:
            taken += _fire(schedule, now=datetime.fromtimestamp(schedule.now, UTC))
        except ConfigError as exc:
            schedules.switch_off(schedule, problem=str(exc))
    return taken


def start_for(fire: ScheduleFire, *, name: str | None = None) -> Run | None:
    """Start the run of a fire and write down what came of it; None when it could not start.

    The caller has a transaction open.
    """
    schedule = fire.schedule
    try:
        with transaction.atomic():
            run = actions.start_run(
                pipeline=schedule.pipeline,
                parameters=schedule.parameters,
                overrides=schedule.parsed_overrides,
                trigger=Trigger.SCHEDULE,
                name=name,
                idempotency_key=fire_key(schedule, fire.fire_at),
            )
    except DatabaseError:
        # The store is in trouble, not the schedule: nothing is written down, and the next round tries again.
        raise
    except StepwellError as exc:
        schedules.note_outcome(fire, run_id=None, problem=str(exc))
        return None
    except Exception as exc:
        # Boundary: whatever is wrong with this schedule's pipeline must not stop the clock for the others.
        log.exception("Schedule %s could not start its run.", schedule.name)
        schedules.note_outcome(fire, run_id=None, problem=f"{type(exc).__name__}: {exc}"[:2000])
        return None
    schedules.note_outcome(fire, run_id=run.id)
    return run


def fire_key(schedule: Schedule, fire_at: int) -> str:
    """Return the key under which the run of a time is made once."""
    return f"schedule:{schedule.id}:{fire_at}"


def _fire(schedule: Schedule, *, now: datetime) -> int:
    with transaction.atomic():
        fire = schedules.claim_fire(schedule, now=now)
        if fire is None:
            return 0
        run = start_for(fire)
    log.info("Schedule %s fired: %s.", schedule.name, f"run #{run.number}" if run else fire.problem)
    return 1

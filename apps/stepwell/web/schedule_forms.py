"""The form of a schedule: what its fields show, and the rule, parameters and options their text spells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from stepwell.accounts.models import InstanceSettings
from stepwell.core.durations import parse_duration
from stepwell.core.plan import Overrides
from stepwell.core.status import StepStatus
from stepwell.core.timing import LONGEST_CRON, Timing, TimingKind, as_moment
from stepwell.errors import ConfigError
from stepwell.execution import planning
from stepwell.execution.parameters import ParameterErrors
from stepwell.pipelines.models import Schedule, Snapshot
from stepwell.runs.models import StepRun
from stepwell.web import forms, option_forms

#: the fields that are not a parameter's or an option's, with the most characters they take
_TEXTS = {
    "name": 255,
    "kind": 8,
    "cron": LONGEST_CRON + 1,
    "every": 40,
    "start": 32,
    "once": 32,
    "end": 32,
    "zone": 64,
    "catchup": 3,
}
_WHEN = "%Y-%m-%dT%H:%M:%S"


@dataclass(kw_only=True)
class ScheduleForm:
    """What was asked for, as far as it could be read. ``errors`` are by the field's name."""

    values: dict[str, str]
    timing: Timing | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    overrides: Overrides = field(default_factory=Overrides)
    errors: dict[str, str] = field(default_factory=dict)
    parameter_errors: dict[str, str] = field(default_factory=dict)
    option_errors: dict[str, str] = field(default_factory=dict)

    @property
    def n_errors(self) -> int:
        return len(self.errors) + len(self.parameter_errors) + len(self.option_errors)


def empty_form(pipeline: str) -> ScheduleForm:
    """Return the form of a new schedule: daily at two in the person's zone."""
    zone = timezone.get_current_timezone_name()
    values = {**dict.fromkeys(_TEXTS, ""), "kind": TimingKind.CRON, "cron": "0 2 * * *", "zone": zone}
    return _with_timing(ScheduleForm(values={**values, "name": f"{pipeline}-daily"[:255]}))


def stored_form(schedule: Schedule) -> ScheduleForm:
    """Return the form that holds a stored schedule."""
    zone = _zone_of(schedule)
    values = {
        "name": schedule.name,
        "kind": _kind_of(schedule),
        "cron": schedule.cron,
        "every": f"{schedule.interval_seconds}s" if schedule.interval_seconds else "",
        "start": _when(schedule.start_at, zone),
        "once": _when(schedule.once_at, zone),
        "end": _when(schedule.end_at, zone),
        "zone": schedule.zone,
        "catchup": "on" if schedule.catchup else "",
    }
    return _with_timing(
        ScheduleForm(values=values, parameters=schedule.parameters, overrides=schedule.parsed_overrides)
    )


def read_form(posted: Mapping[str, str], snapshot: Snapshot, *, kept: Overrides) -> ScheduleForm:
    """Return what a posted form says; ``kept`` are the options the schedule changed before."""
    values = {name: posted.get(name, "").replace("\0", "").strip()[:length] for name, length in _TEXTS.items()}
    form = _with_timing(ScheduleForm(values=values))
    if not values["name"]:
        form.errors["name"] = "Give it a name."
    schema = snapshot.parameters_schema
    try:
        complete = forms.read_parameters(schema, posted)
        usual = forms.defaults(schema)
        # What is as the code has it follows the code when that changes.
        form.parameters = {name: value for name, value in complete.items() if name not in usual or value != usual[name]}
    except ParameterErrors as exc:
        form.parameter_errors = exc.fields
    changed, form.option_errors = option_forms.read_overrides(steps_of(snapshot, kept), posted, kept)
    form.overrides = kept.model_copy(update={"steps": {**kept.steps, **changed.steps}})
    return form


def steps_of(snapshot: Snapshot, overrides: Overrides) -> list[StepRun]:
    """Return the steps a run would have, with the options it would run with; they are not stored."""
    plan = snapshot.compiled.plan
    options = planning.instance_options(InstanceSettings.load())
    steps = []
    for ordinal, coded in enumerate(plan.steps[: option_forms.MOST_STEPS] if plan else [], start=1):
        step = planning.with_instance_defaults(coded, options)
        override = overrides.steps.get(step.invocation_id)
        planned = step.model_copy(update={"options": override.apply(step.options)}) if override else step
        steps.append(
            StepRun(
                invocation_id=step.invocation_id,
                name=step.name,
                ordinal=ordinal,
                status=StepStatus.PENDING,
                plan=planned.model_dump(mode="json"),
            )
        )
    return steps


def _zone_of(schedule: Schedule) -> ZoneInfo:
    try:
        return ZoneInfo(schedule.zone)
    except (KeyError, ValueError, OSError):
        # Known when it was stored, and gone since; the form then says that there is no such zone.
        return ZoneInfo("UTC")


def _kind_of(schedule: Schedule) -> TimingKind:
    if schedule.cron:
        return TimingKind.CRON
    return TimingKind.INTERVAL if schedule.interval_seconds else TimingKind.ONCE


def _with_timing(form: ScheduleForm) -> ScheduleForm:
    values = form.values
    kind, zone = values["kind"], values["zone"] or "UTC"
    try:
        moments = {name: _moment(form, name, zone) for name in ("start", "end", "once")}
        interval = _interval(form) if kind == TimingKind.INTERVAL else None
        if form.errors:
            return form
        form.timing = Timing(
            cron=values["cron"] if kind == TimingKind.CRON else "",
            interval=interval,
            once=moments["once"] if kind == TimingKind.ONCE else None,
            start=None if kind == TimingKind.ONCE else moments["start"],
            end=None if kind == TimingKind.ONCE else moments["end"],
            zone=zone,
        )
    except ConfigError as exc:
        form.errors[_field_of(exc, kind)] = str(exc)
    return form


def _field_of(error: ConfigError, kind: str) -> str:
    if "time zone" in error.message:
        return "zone"
    if "ends before" in error.message:
        return "end"
    if "count from" in error.message:
        return "start"
    return {TimingKind.INTERVAL: "every", TimingKind.ONCE: "once"}.get(kind, "cron")


def _moment(form: ScheduleForm, name: str, zone: str) -> datetime | None:
    text = form.values[name]
    if not text:
        return None
    try:
        return as_moment(datetime.fromisoformat(text), zone)
    except ConfigError as exc:
        form.errors["zone" if "time zone" in exc.message else name] = str(exc)
    except ValueError:
        form.errors[name] = f"“{text}” is not a time. Write 2026-12-01T02:00."
    return None


def _interval(form: ScheduleForm) -> int | None:
    try:
        seconds = parse_duration(form.values["every"])
    except ConfigError as exc:
        form.errors["every"] = str(exc)
        return None
    if seconds != int(seconds):
        form.errors["every"] = "Give whole seconds."
        return None
    return int(seconds)


def _when(moment: datetime | None, zone: ZoneInfo) -> str:
    return "" if moment is None else moment.astimezone(zone).strftime(_WHEN)

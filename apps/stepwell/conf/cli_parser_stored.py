"""The words of the command line about what is stored beside runs: schedules and models."""

from __future__ import annotations

import argparse

from stepwell.conf.cli_words import Commands, add_json


def add_schedules(commands: Commands) -> None:
    """Add ``stepwell schedules`` and its verbs."""
    schedules = commands.add(
        "schedules",
        "cli_schedules:list_schedules",
        "List schedules, pause, resume, run, fill in or delete one",
        "stepwell schedules",
    )
    add_json(schedules)
    below = Commands(schedules, title="with one schedule", required=False)
    listing = below.add(
        "list", "cli_schedules:list_schedules", "List schedules by name", "stepwell schedules list --json"
    )
    add_json(listing, default=argparse.SUPPRESS)
    summaries = {
        "show": ("show_schedule", "Show a schedule and its next five times"),
        "pause": ("pause_schedule", "Let it start nothing until it is resumed"),
        "resume": ("resume_schedule", "Let it start runs again"),
        "run-now": ("run_schedule_now", "Start a run of it now, beside its times"),
        "backfill": ("backfill_schedule", "Start a run for every past time of some days that has none"),
        "delete": ("delete_schedule", "Delete it; the runs it started stay"),
    }
    verbs = {}
    for verb, (handler, summary) in summaries.items():
        days = " 2026-11-01 2026-11-07" if verb == "backfill" else ""
        example = f"stepwell schedules {verb} nightly{days}"
        verbs[verb] = below.add(verb, f"cli_schedules:{handler}", summary, example)
        verbs[verb].add_argument("ref", metavar="SCHEDULE", help="its name or its id")
    add_json(verbs["show"], default=argparse.SUPPRESS)
    backfill = verbs["backfill"]
    backfill.add_argument("first", metavar="FIRST", help="the first day, in the schedule's time zone")
    backfill.add_argument("last", metavar="LAST", nargs="?", help="the last day, included (default: the first)")
    backfill.add_argument("--preview", action="store_true", help="only print the times; start nothing")


def add_models(commands: Commands) -> None:
    """Add ``stepwell models`` and its verbs."""
    models = commands.add(
        "models", "cli_models:list_models", "List models, show one, promote a version", "stepwell models"
    )
    add_json(models)
    below = Commands(models, title="with one model", required=False)
    listing = below.add("list", "cli_models:list_models", "List models by name", "stepwell models list --json")
    add_json(listing, default=argparse.SUPPRESS)
    show = below.add(
        "show", "cli_models:show_model", "Show a model and its versions, or one version", "stepwell models show churn"
    )
    promote = below.add(
        "promote",
        "cli_models:promote_version",
        "Move a version to a stage",
        "stepwell models promote churn 3 production --force",
    )
    for parser in (show, promote):
        parser.add_argument("model", metavar="MODEL", help="its name or its id")
    which = "a version: its number, name, stage or id, or latest"
    show.add_argument("version", metavar="VERSION", nargs="?", help=which)
    show.add_argument("--limit", type=int, default=20, help="how many versions (default: %(default)s)")
    add_json(show, default=argparse.SUPPRESS)
    promote.add_argument("version", metavar="VERSION", help=which)
    promote.add_argument("stage", metavar="STAGE", help="none, staging, production or archived")
    promote.add_argument("--force", action="store_true", help="archive the version that is in this stage now")
    promote.add_argument("--reason", default="", metavar="TEXT", help="why, for the record")

"""Commands about models: list them, show one with its versions, move a version to a stage."""

from __future__ import annotations

import argparse

from stepwell.conf.cli_output import counted, moment, one_line, print_json, print_table
from stepwell.conf.cli_setup import load_database


def list_models(options: argparse.Namespace) -> int:
    """Print the models of this instance by name."""
    load_database()
    from stepwell.core.wire_models import ModelFilters
    from stepwell.execution.model_reading import list_models

    found, cursor = [], None
    while True:
        page = list_models(ModelFilters(cursor=cursor, limit=200))
        found += page.items
        if (cursor := page.next_cursor) is None:
            break
    if options.json:
        print_json([model.model_dump(mode="json") for model in found])
        return 0
    rows = [
        (
            model.name,
            model.n_versions,
            model.latest_version,
            ", ".join(f"{stage}: {version}" for stage, version in sorted(model.stages.items())),
        )
        for model in found
    ]
    print_table(("MODEL", "VERSIONS", "NEWEST", "STAGES"), rows, empty="No models.")
    return 0


def show_model(options: argparse.Namespace) -> int:
    """Print a model and its versions, or one version with what is linked to it."""
    load_database()
    from stepwell.artifacts import model_queries

    if options.version is not None:
        return _show_version(options)
    from stepwell.execution.model_reading import model_detail, version_summary

    model = model_queries.get_model(options.model)
    rows = model.versions.select_related("model").order_by("-number")
    versions = [version_summary(row) for row in (rows if options.json else rows[: options.limit])]
    detail = model_detail(model)
    if options.json:
        shown = [version.model_dump(mode="json") for version in versions]
        print_json({**detail.model_dump(mode="json"), "versions": shown})
        return 0
    print(f"Model {detail.name}: {counted(detail.n_versions, 'version')}")
    for name, text in (("description", detail.description), ("license", detail.license), *detail.about.items()):
        if text:
            print(f"  {name}: {one_line(text)}")
    print_table(
        ("VERSION", "NUMBER", "STAGE", "MADE"),
        [(version.version, version.number, version.stage, moment(version.created_at)) for version in versions],
        empty="No versions.",
    )
    return 0


def promote_version(options: argparse.Namespace) -> int:
    """Move a version of a model to a stage."""
    load_database()
    from stepwell.accounts import audit
    from stepwell.artifacts import model_actions, model_queries

    version = model_queries.get_version(options.model, options.version)
    was = str(version.stage)
    moved = model_actions.set_stage(
        version, options.stage, force=options.force, who="the command line", reason=options.reason
    )
    if moved.stage == was:
        print(f"Version {moved.name} of {moved.model.name} is in {was} already.")
        return 0
    audit.record(
        actor=None,
        action="model.promoted",
        object_kind="model_version",
        object_id=moved.id,
        object_name=str(moved),
        before={"stage": was},
        after={"stage": str(moved.stage)},
    )
    print(f"Version {moved.name} of {moved.model.name} moved from {was} to {moved.stage}.")
    return 0


def _show_version(options: argparse.Namespace) -> int:
    from stepwell.artifacts import model_queries
    from stepwell.execution.model_reading import model_version_detail

    detail = model_version_detail(model_queries.get_version(options.model, options.version))
    if options.json:
        print_json(detail.model_dump(mode="json"))
        return 0
    print(f"Version {detail.version} of {detail.model}: {detail.stage}, made {moment(detail.created_at)}")
    for name, value in detail.metadata.items():
        print(f"  {one_line(name)} = {one_line(repr(value))}")
    rows = [(link.name, link.artifact.name, link.artifact.version) for link in detail.artifacts]
    print_table(("LINKED AS", "ARTIFACT", "VERSION"), rows, empty="Nothing is linked to it.")
    if detail.runs:
        print(f"Runs: {', '.join(f'#{run.number}' for run in detail.runs)}")
    for move in detail.stage_history:
        why = f": {one_line(move.reason)}" if move.reason else ""
        print(f"{moment(move.at)}  {move.old} -> {move.new} by {move.by or 'nobody known'}{why}")
    return 0

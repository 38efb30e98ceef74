"""Storing what a registration or a script says of a pipeline."""

from __future__ import annotations

import platform
from importlib import metadata

from django.db import transaction
from django.utils.text import slugify

from stepwell.accounts import audit
from stepwell.core.plan import PipelineSpec
from stepwell.pipelines.models import Pipeline, Snapshot


@transaction.atomic
def store_snapshot(
    spec: PipelineSpec, *, code_hash: str, entry_file: str, git_commit: str = "", registered_by: str = ""
) -> Snapshot:
    """Return the snapshot of a pipeline's code as it is now; a new one only when something differs from the newest.

    ``registered_by``: who brought the code; by default whose command this is.
    """
    pipeline = _pipeline(spec)
    newest = pipeline.newest_snapshot
    content = spec.model_dump(mode="json")
    if newest and (newest.code_hash, newest.entry_file, newest.spec) == (code_hash, entry_file, content):
        return newest
    return Snapshot.objects.create(
        pipeline=pipeline,
        number=(newest.number if newest else 0) + 1,
        spec=content,
        parameters_schema=spec.parameters_schema,
        code_hash=code_hash,
        entry_file=entry_file,
        git_commit=git_commit,
        environment=installed_packages(),
        registered_by=registered_by or audit.person_here(),
    )


def installed_packages() -> str:
    """Return ``name==version`` of everything installed, one a line, Python first."""
    names = {_label(distribution) for distribution in metadata.distributions()} - {""}
    return "\n".join([f"python=={platform.python_version()}", *sorted(names, key=str.lower)])


def _label(distribution: metadata.Distribution) -> str:
    # Only the head: parsing the whole, with its description, is a third of a second of every script.
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    fields = dict(line.partition(": ")[::2] for line in reversed(text.partition("\n\n")[0].splitlines()))
    name, version = fields.get("Name", "").strip(), fields.get("Version", "").strip()
    return f"{name}=={version}" if name else ""


def _pipeline(spec: PipelineSpec) -> Pipeline:
    pipeline, made = Pipeline.objects.get_or_create(
        name=spec.name, defaults={"slug": _free_slug(spec.name), "docstring": spec.docstring or ""}
    )
    if not made and pipeline.docstring != (spec.docstring or ""):
        pipeline.docstring = spec.docstring or ""
        pipeline.save(update_fields=["docstring"])
    return pipeline


def _free_slug(name: str) -> str:
    base = slugify(name)[:240] or "pipeline"
    slug, number = base, 1
    while Pipeline.objects.filter(slug=slug).exists():
        number += 1
        slug = f"{base}-{number}"
    return slug

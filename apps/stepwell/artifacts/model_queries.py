"""Finding models and their versions: by name, number, stage or id."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Self
from uuid import UUID

from django.db.models import QuerySet

from stepwell.artifacts.models import ArtifactVersion, Model, ModelVersion
from stepwell.core.plan import StepOptions
from stepwell.core.stages import ModelStages
from stepwell.errors import NotFound

_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The model a step names. ``asked``: empty (a new version), a number, a stage, or a version's name."""

    name: str
    asked: str
    about: dict[str, Any] = field(default_factory=dict)
    substitutions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, options: StepOptions) -> Self | None:
        """Return what a step's options ask for; None when they name no model."""
        given = options.model
        if not given or not given.get("name"):
            return None
        asked = given.get("version")
        return cls(
            name=str(given["name"])[:255],
            asked="" if asked is None else plain_ref(str(asked))[:255],
            about={name: value for name, value in given.items() if name not in {"name", "version"}},
            substitutions=dict(options.substitutions),
        )

    @property
    def must_exist(self) -> bool:
        return is_stage(self.asked) or is_number(self.asked) or _as_id(self.asked) is not None


def is_stage(ref: str) -> bool:
    return ref.lower() in list(ModelStages)


def is_number(ref: str) -> bool:
    return ref.isascii() and ref.isdigit()


def get_model(ref: str) -> Model:
    """Return the model with this name or id.

    Raises:
        NotFound: There is none; names the ones that look alike.
    """
    if "\0" not in ref and (found := Model.objects.filter(name=ref).first()):
        return found
    if (number := _as_id(ref)) and (found := Model.objects.filter(id=number).first()):
        return found
    near = get_close_matches(ref[:255], list(Model.objects.values_list("name", flat=True)[:1000]), n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else "A run makes it: write model=Model(name=...) in its code."
    raise NotFound(f"There is no model “{shown(ref)}”.", hint=hint)


def get_version(model: Model | str, ref: str | int | None = None) -> ModelVersion:
    """Return a model's version by number, name, stage or id; the newest one for None or ``latest``.

    Raises:
        NotFound: There is no such model or version.
    """
    found_model = get_model(model) if isinstance(model, str) else model
    text = "" if ref is None else plain_ref(str(ref))
    version = _find(found_model.versions.select_related("model"), text)
    if version is None:
        raise NotFound(_missing(found_model, text), hint=_there_are(found_model))
    return version


def get_artifact(version: ModelVersion, name: str, artifact_version: str | int | None = None) -> ArtifactVersion:
    """Return what is linked to a model version, by its output's or artifact's name; the newest where there are several.

    Raises:
        NotFound: Nothing of that name is linked.
    """
    links = version.artifact_links.select_related("artifact_version__artifact").order_by("-id")
    matching = [link for link in links if name in _names(link)]
    if artifact_version is not None:
        matching = [link for link in matching if link.artifact_version.version == str(artifact_version)]
    if not matching:
        known = ", ".join(sorted({link.name for link in links})[:20])
        raise NotFound(
            f"Version {version.name} of {version.model.name} has no artifact “{shown(name)}”.",
            hint=f"It has: {known}." if known else "Nothing is linked to it.",
        )
    found: ArtifactVersion = matching[0].artifact_version
    return found


def as_told(version: ModelVersion | None) -> dict[str, Any] | None:
    """Return which model version a step process works on."""
    if version is None:
        return None
    return {
        "id": str(version.id),
        "model_id": str(version.model_id),
        "model": version.model.name,
        "version": version.name,
        "number": version.number,
    }


def shown(ref: str) -> str:
    """Return what a person typed, cut and without control characters, for a message."""
    return "".join(char for char in ref[:80] if char.isprintable())


def _names(link: Any) -> tuple[str, ...]:
    artifact = link.artifact_version.artifact.name
    return (link.name, artifact, artifact.rpartition("::")[2])


def plain_ref(ref: str) -> str:
    """Return a version as code names it in its one form: stages are lower case."""
    text = ref.strip()
    return text.lower() if is_stage(text) else text


def _find(versions: QuerySet[ModelVersion], ref: str) -> ModelVersion | None:
    newest = versions.order_by("-number")
    if ref in {"", ModelStages.LATEST}:
        return newest.first()
    if is_stage(ref):
        return newest.filter(stage=ref).first()
    if "\0" in ref:
        return None
    if is_number(ref):
        return versions.filter(number=int(ref)).first() if len(ref) <= _MOST_DIGITS else None
    if found := versions.filter(name=ref).first():
        return found
    number = _as_id(ref)
    return versions.filter(id=number).first() if number else None


def _missing(model: Model, ref: str) -> str:
    if ref in {"", ModelStages.LATEST}:
        return f"The model {model.name} has no versions yet."
    if is_stage(ref):
        return f"No version of the model {model.name} is in {ref}."
    return f"The model {model.name} has no version {shown(ref)}."


def _there_are(model: Model) -> str:
    names = list(model.versions.order_by("-number").values_list("name", "stage")[:10])
    if not names:
        return "Run a pipeline that names the model without a version."
    return f"Its versions are: {', '.join(f'{name} ({stage})' if stage != 'none' else name for name, stage in names)}."


def _as_id(ref: str) -> UUID | None:
    try:
        return UUID(ref)
    except ValueError:
        return None

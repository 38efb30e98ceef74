"""Which model a run works on, and what code may ask and do about it."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from stepwell.core.stages import ModelStages
from stepwell.errors import ConfigError, UsageError
from stepwell.sdk import context

if TYPE_CHECKING:
    from stepwell.sdk.artifactversion import ArtifactVersion
    from stepwell.sdk.modelversions import ModelVersion

_LONGEST = 200
_TEXTS = ("description", "license", "audience", "use_cases", "limitations", "trade_offs", "ethics")
#: fields that say nothing about the model itself
_SWITCHES = ("save_models_to_registry", "model_version_id", "suppress_class_validation_warnings")


@dataclass(frozen=True)
class Model:
    """A model that a pipeline or step makes or uses.

    Without ``version`` each run makes a new one, and all steps of the run share it. A number or a stage takes the
    version that is there; a name takes the version of that name, which the first run makes. ``{date}``, ``{time}`` and
    substitutions in a name are filled in.

    ``save_models_to_registry`` and ``suppress_class_validation_warnings`` are accepted and have no effect.

    Raises:
        ConfigError: A value does not fit.

    Example:
        @pipeline(model=Model(name="churn", license="Apache-2.0", tags=["tabular"]))
        def training():
            train(load())
    """

    name: str
    version: ModelStages | str | int | None = None
    license: str | None = None
    description: str | None = None
    audience: str | None = None
    use_cases: str | None = None
    limitations: str | None = None
    trade_offs: str | None = None
    ethics: str | None = None
    tags: list[str] = field(default_factory=list)
    save_models_to_registry: bool = True
    model_version_id: UUID | str | None = None
    suppress_class_validation_warnings: bool = False

    def __post_init__(self) -> None:
        _check_word("name", self.name, 'Write Model(name="churn").')
        if isinstance(self.version, bool) or not isinstance(self.version, str | int | None):
            raise ConfigError(f"Model {self.name}: version is {self.version!r}.", hint="Give a number, name or stage.")
        if isinstance(self.version, int) and self.version < 1:
            raise ConfigError(f"Model {self.name}: version is {self.version}.", hint="Versions count from 1.")
        if isinstance(self.version, str):
            _check_word("version", str(self.version), "Give a number, a name or a stage.", owner=f"Model {self.name}")
        for name in _TEXTS:
            if not isinstance(getattr(self, name), str | None):
                raise ConfigError(f"Model {self.name}: {name} is {getattr(self, name)!r}.", hint="Give text.")
        if self.tags is None:
            object.__setattr__(self, "tags", [])
        if isinstance(self.tags, str) or not all(isinstance(tag, str) and tag for tag in self.tags):
            raise ConfigError(f"Model {self.name}: tags is {self.tags!r}.", hint='Give a list such as ["tabular"].')

    def given(self) -> dict[str, Any]:
        """Return the name, and what was given of the rest, as plain values."""
        every = {name: value for name, value in dataclasses.asdict(self).items() if name not in _SWITCHES}
        if self.version is not None:
            every["version"] = self.version if isinstance(self.version, int) else str(self.version)
        if self.model_version_id is not None:
            every["version"] = str(self.model_version_id)
        return {name: value for name, value in every.items() if value is not None and value != []}

    @property
    def id(self) -> UUID:
        """The version's id."""
        return self._found().id

    @property
    def model_id(self) -> UUID:
        """The id of the model, over all its versions.

        Raises:
            KeyError: There is no such model or version.
        """
        return self._found().model.id

    @property
    def number(self) -> int:
        """The version's number; the first is 1."""
        return self._found().number

    @property
    def stage(self) -> ModelStages:
        """The stage the version is in now."""
        return ModelStages(self._found().stage)

    @property
    def run_metadata(self) -> dict[str, Any]:
        """What was logged on the version until now."""
        return self._found().run_metadata

    def get_artifact(self, name: str, version: str | int | None = None) -> ArtifactVersion:
        """Return what is linked to the version under an output's or artifact's name; the newest of several.

        Raises:
            KeyError: There is no such version, or nothing of that name is linked to it.
        """
        return self._found().get_artifact(name, version)

    get_model_artifact = get_data_artifact = get_deployment_artifact = get_artifact

    def load_artifact(self, name: str, version: str | int | None = None) -> Any:
        """Return the value of what ``get_artifact`` finds."""
        return self.get_artifact(name, version).load()

    def set_stage(self, stage: ModelStages | str, force: bool = False) -> None:
        """Move the version to a stage. With ``force`` a version that is in staging or production makes room.

        Raises:
            UsageError: There is no such stage.
            Conflict: Another version is in it and ``force`` is False.
            KeyError: There is no such version.
        """
        self._found().set_stage(str(stage), force)

    def log_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Add facts to the version; a name that is there already gets the new value.

        Raises:
            TypeError: A value has no JSON form.
            KeyError: There is no such version.
        """
        self._found().log_metadata(metadata)

    def _found(self) -> ModelVersion:
        # Asked each time: another step may have promoted it or logged on it since.
        ref: Any = self.model_version_id or self.version
        mine = current_model()
        if ref is None and mine is not None and mine.name == self.name:
            ref = mine.version
        # By name: the client stands above what pipelines are made of.
        client = importlib.import_module("stepwell.sdk.client").Client()
        found: ModelVersion = client.get_model_version(self.name, ref)
        return found


def current_model() -> Model | None:
    """Return the model the running step works on, its version filled in; None outside of steps and without a model."""
    step = context.current()
    found: Model | None = step.model if step is not None else None
    return found


def resolved_model(given: Mapping[str, Any] | None, told: Mapping[str, Any] | None) -> Model | None:
    """Return a step's model with the version its run works on.

    Args:
        given: the option as planned.
        told: ``model`` and ``version`` as the run resolved them.
    """
    if not given or not told:
        return None
    known = {one.name for one in dataclasses.fields(Model)} - {"version"}
    return Model(**{name: value for name, value in given.items() if name in known}, version=str(told["version"]))


def log_model_metadata(
    metadata: Mapping[str, Any],
    *,
    model_name: str | None = None,
    model_version: ModelStages | str | int | None = None,
    model_version_id: UUID | str | None = None,
) -> None:
    """Add facts to a model version: one that is named, or the one the running step works on.

    Raises:
        ValueError: No model is named, and no step with a model is running.
        KeyError: There is no such version.
    """
    if model_name is not None:
        Model(name=model_name, version=model_version, model_version_id=model_version_id).log_metadata(metadata)
        return
    mine = current_model()
    if mine is None:
        raise UsageError(
            "Which model? No step with a model is running.", hint="Give model_name=, or the step a model=Model(...)."
        )
    mine.log_metadata(metadata)


def _check_word(what: str, text: object, hint: str, *, owner: str = "Model") -> None:
    if not isinstance(text, str) or not text.strip() or len(text) > _LONGEST:
        raise ConfigError(f"{owner}: {what} is {text!r}."[:300], hint=hint)
    if text in {".", ".."} or any(character in "/\\?#" or not character.isprintable() for character in text):
        raise ConfigError(f"{owner}: {what} is {text!r}.", hint="Leave out slashes, ?, # and control characters.")

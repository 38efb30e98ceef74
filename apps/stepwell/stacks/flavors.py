"""The flavors of components: what each is for, and what its configuration may hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from stepwell.errors import ConfigError, NotFound
from stepwell.stacks import references
from stepwell.stacks.models import Component

_LONGEST = 2000
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
#: variables of the step's process that are ours
_TAKEN_PREFIXES = ("STEPWELL_",)
_SCHEMES = ("http", "https", "file", "sqlite", "postgresql", "mysql", "mssql")

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=_LONGEST, pattern=r"\A[^\x00-\x1f\x7f]*\z")]


def _check_uri(text: str) -> str:
    if references.is_reference(text):
        return text
    scheme = text.partition(":")[0].partition("+")[0].lower() if ":" in text else ""
    if not text.startswith("/") and scheme not in _SCHEMES:
        raise ValueError(
            "Write the address of an MLflow server (https://…), a database (sqlite:////data/mlflow.db) "
            "or an absolute folder (/data/mlruns)."
        )
    if scheme == "sqlite" and not text.startswith(f"{text.partition(':')[0]}:////"):
        raise ValueError("The path of the database is absolute: sqlite:////data/mlflow.db, with four slashes.")
    password = _password(text)
    if password and not references.is_reference(password):
        raise ValueError(f"Passwords are not kept here. Put it into a secret and write {references.EXAMPLE} instead.")
    return text


def _password(uri: str) -> str:
    # Not urlsplit: the braces of a reference are no part of an address to it.
    authority = uri.partition("://")[2].partition("/")[0]
    return authority.rpartition("@")[0].partition(":")[2]


def _check_reference(text: str) -> str:
    if text and not references.is_reference(text):
        raise ValueError(f"Secrets are not kept here. Put it into a secret and write {references.EXAMPLE}.")
    return text


def _check_web(text: str) -> str:
    if text and urlsplit(text).scheme not in {"http", "https"}:
        raise ValueError("Write an address that begins with http:// or https://.")
    return text.rstrip("/")


def _check_absolute(text: str) -> str:
    if text and not text.startswith("/"):
        raise ValueError("Write the absolute path of a Python interpreter, such as /opt/gpu-env/bin/python.")
    return text


def _check_variables(found: dict[str, str]) -> dict[str, str]:
    for name in found:
        if not _VARIABLE.match(name):
            raise ValueError(f"“{name[:60]}” is not the name of a variable: letters, digits and underscores.")
        if name.upper().startswith(_TAKEN_PREFIXES):
            raise ValueError(f"{name} is set by Stepwell itself. Choose another name.")
    return found


class Settings(BaseModel):
    """Base of the configurations; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class MlflowSettings(Settings):
    """An MLflow server, database or folder."""

    tracking_uri: Annotated[Text, AfterValidator(_check_uri)] = Field(
        title="Tracking URI",
        description="https://mlflow.example.org, sqlite:////data/mlflow.db or an absolute folder",
    )
    experiment_name: Text = Field(
        default="", title="Experiment", description="empty: an experiment per pipeline, with the pipeline's name"
    )
    artifact_location: Text = Field(
        default="", title="Artifact location", description="where new experiments keep files; empty: MLflow's own"
    )
    dashboard_url: Annotated[Text, AfterValidator(_check_web)] = Field(
        default="", title="Dashboard URL", description="for links, when browsers use another address than steps"
    )
    tracking_username: Text = Field(default="", title="User name")
    tracking_password: Annotated[Text, AfterValidator(_check_reference)] = Field(
        default="", title="Password", description=f"a reference: {references.EXAMPLE}"
    )
    tracking_token: Annotated[Text, AfterValidator(_check_reference)] = Field(
        default="", title="Token", description=f"a reference: {references.EXAMPLE}"
    )


class SubprocessSettings(Settings):
    """A fresh interpreter on the machine of the runner."""

    python: Annotated[Text, AfterValidator(_check_absolute)] = Field(
        default="", title="Python", description="absolute path of the interpreter; empty: the runner's own"
    )
    environment: Annotated[dict[str, Text], AfterValidator(_check_variables)] = Field(
        default={},
        title="Environment",
        description=f"one NAME=value a line; PYTHONPATH adds folders to import from; {references.EXAMPLE} for secrets",
        max_length=200,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """One way to fill a kind of component."""

    kind: str
    name: str
    label: str
    summary: str
    settings: type[Settings]

    @property
    def kind_word(self) -> str:
        return str(Component.Kind(self.kind).label).lower()


FLAVORS = (
    Flavor(
        kind=Component.Kind.EXPERIMENT_TRACKER,
        name="mlflow",
        label="MLflow",
        summary="Opens an MLflow run for each step that asks for it.",
        settings=MlflowSettings,
    ),
    Flavor(
        kind=Component.Kind.STEP_OPERATOR,
        name="subprocess",
        label="Subprocess",
        summary="Runs a step in an interpreter and environment of its own, on the machine of the runner.",
        settings=SubprocessSettings,
    ),
)


def find_flavor(kind: str, name: str) -> Flavor:
    """Return a flavor.

    Raises:
        NotFound: There is none; the message lists what there is.
    """
    found = next((flavor for flavor in FLAVORS if (flavor.kind, flavor.name) == (kind, name)), None)
    if found is None:
        known = ", ".join(f"{flavor.kind} {flavor.name}" for flavor in FLAVORS)
        raise NotFound(f"There is no {kind[:40]} of flavor {name[:40]}.", hint=f"There are: {known}.")
    return found


def check_config(flavor: Flavor, config: dict[str, Any]) -> dict[str, Any]:
    """Return ``config`` checked, without what is empty.

    Raises:
        ConfigError: Some fields do not fit; ``fields`` in its details says which and why.
    """
    try:
        checked = flavor.settings.model_validate(config)
    except ValidationError as exc:
        fields = {str(error["loc"][0]) if error["loc"] else "config": _why(error, flavor) for error in exc.errors()}
        raise _refused(flavor, fields) from None
    kept = {name: value for name, value in checked.model_dump().items() if value not in ("", {}, None)}
    fields = {name: why for name, value in kept.items() if (why := references.problem(value))}
    if fields:
        raise _refused(flavor, fields)
    return kept


def _why(error: Any, flavor: Flavor) -> str:
    match error["type"]:
        case "missing":
            return "This is needed."
        case "extra_forbidden":
            return f"There is no such setting. There are: {', '.join(flavor.settings.model_fields)}."
        case "value_error":
            return str(error["ctx"]["error"])
        case "string_too_long":
            return f"At most {_LONGEST} characters."
        case "string_pattern_mismatch":
            return "Write one line, without control characters."
        case _:
            return f"{error['msg']}."


def _refused(flavor: Flavor, fields: dict[str, str]) -> ConfigError:
    first = next(iter(fields))
    return ConfigError(f"The setting {first[:60]} of {flavor.label} does not fit.", hint=fields[first], fields=fields)

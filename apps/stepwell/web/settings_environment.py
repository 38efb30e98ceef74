"""What the instance takes from its environment: each variable's value, where that comes from, and what it does."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from stepwell.web import present

_LONGEST = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One environment variable. The words are those of docs/settings.md, shorter."""

    name: str
    about: str
    #: returns the value as it counts, in words; never a secret's
    value: Callable[[], str]
    #: what ``NAME_FILE`` may hold
    has_file: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableRow:
    name: str
    about: str
    value: str
    #: the variable it was read from; empty: nobody set it
    source: str


def environment_rows() -> list[tuple[str, list[VariableRow]]]:
    """Return the variables by what they are about, as they count for this process."""
    return [(title, [_row(variable) for variable in group]) for title, group in GROUPS.items()]


def plain_url(address: str) -> str:
    """Return an address without the password and the query, which may hold one too."""
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "set"
    user = f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme}://{user}{parts.hostname or ''}{port}{parts.path}"


def _row(variable: Variable) -> VariableRow:
    names = [f"{variable.name}_FILE", variable.name] if variable.has_file else [variable.name]
    source = next((name for name in names if _given(name)), "")
    return VariableRow(
        name=variable.name, about=variable.about, value=variable.value()[:_LONGEST] or "none", source=source
    )


def _given(name: str) -> str:
    return os.environ.get(name, "").strip()


def _setting(name: str, unit: str = "") -> Callable[[], str]:
    return lambda: _words(getattr(settings, name)) + unit


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:,g}" if isinstance(value, float) else f"{value:,}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _url(name: str) -> Callable[[], str]:
    return lambda: plain_url(address) if (address := getattr(settings, name)) else ""


def _size(name: str) -> Callable[[], str]:
    return lambda: present.size(getattr(settings, name))


def _variable(name: str) -> Callable[[], str]:
    return lambda: _given(name)


def _secret(name: str, unset: str = "not set") -> Callable[[], str]:
    return lambda: "set" if _given(name) or _given(f"{name}_FILE") else unset


def _database() -> str:
    made = settings.DATABASES["default"]
    if "sqlite" in made["ENGINE"]:
        return f"sqlite:///{str(made['NAME']).removeprefix('/')}"
    user = f"{made['USER']}@" if made["USER"] else ""
    port = f":{made['PORT']}" if made["PORT"] else ""
    return f"postgres://{user}{made['HOST']}{port}/{made['NAME']}"


def _make(name: str, value: Callable[[], str], about: str, *, has_file: bool = False) -> Variable:
    return Variable(name=name, about=about, value=value, has_file=has_file)


GROUPS: dict[str, tuple[Variable, ...]] = {
    "Where things are": (
        _make("STEPWELL_HOME", _setting("HOME"), "The data folder: queue, artifacts, logs, code, keys."),
        _make("DATABASE_URL", _database, "The database; shown without its password.", has_file=True),
        _make("REDIS_URL", _url("REDIS_URL"), "Queue and hints between several machines.", has_file=True),
    ),
    "How people reach it": (
        _make("STEPWELL_HOSTS", _setting("HOSTS"), "Names people may use in the address."),
        _make("STEPWELL_TRUSTED_ORIGINS", _setting("CSRF_TRUSTED_ORIGINS"), "Origins that may send forms."),
        _make("STEPWELL_PROXIES", _variable("STEPWELL_PROXIES"), "Proxies whose X-Forwarded headers are believed."),
        _make("STEPWELL_TLS", _setting("TLS"), "People come over https: cookies never travel in clear."),
        _make("STEPWELL_PUBLIC_URL", _url("PUBLIC_URL"), "The address in alerts and links to sign in."),
        _make("STEPWELL_ALERT_NETWORKS", _setting("ALERT_NETWORKS"), "Private networks that alerts may be sent to."),
        _make(
            "STEPWELL_SECRET_KEY",
            _secret("STEPWELL_SECRET_KEY", "made once, in the data folder"),
            "Signs sessions.",
            has_file=True,
        ),
    ),
    "Signing in by a provider": (
        _make("STEPWELL_OIDC_URL", _url("OIDC_URL"), "The OpenID Connect provider; switches it on."),
        _make("STEPWELL_OIDC_CLIENT", _variable("STEPWELL_OIDC_CLIENT"), "The id under which it knows this instance."),
        _make("STEPWELL_OIDC_SECRET", _secret("STEPWELL_OIDC_SECRET"), "The secret that goes with it.", has_file=True),
        _make("STEPWELL_OIDC_NAME", _setting("OIDC_NAME"), "What the button on the sign-in page calls it."),
        _make("STEPWELL_OIDC_ROLE", _setting("OIDC_ROLE"), "What people who come by it first may do."),
    ),
    "How steps are run": (
        _make("STEPWELL_STEP_SLOTS", _setting("STEP_SLOTS_DEFAULT"), "Step slots before they are set above."),
        _make("STEPWELL_HEARTBEAT_SECONDS", _setting("HEARTBEAT_SECONDS", " s"), "How often a step shows it lives."),
        _make("STEPWELL_LEASE_SECONDS", _setting("LEASE_SECONDS", " s"), "Silence after which a runner is lost."),
        _make("STEPWELL_SWEEP_SECONDS", _setting("SWEEP_SECONDS", " s"), "How often a runner looks for lost steps."),
        _make(
            "STEPWELL_GRACE_SECONDS", _setting("GRACE_SECONDS", " s"), "What a step has to stop before it is killed."
        ),
        _make("STEPWELL_HOOK_SECONDS", _setting("HOOK_SECONDS", " s"), "How long a hook may take."),
        _make("STEPWELL_STEP_PROCESSES", _setting("STEP_PROCESSES"), "The most processes of a step; 0: any number."),
        _make("STEPWELL_RUN_STEPS", _setting("RUN_STEPS"), "The most steps of one dynamic run."),
        _make("STEPWELL_RUN_DEPTH", _setting("RUN_DEPTH"), "How deep pipelines may call each other."),
        _make("STEPWELL_DISK_RESERVE_MB", _size("DISK_RESERVE_BYTES"), "Below this much free disk no step is started."),
        _make("STEPWELL_UPLOAD_MB", _size("UPLOAD_BYTES"), "The most that one person's open uploads may have."),
    ),
    "Looking inside": (
        _make("STEPWELL_LOG_LEVEL", _setting("LOG_LEVEL"), "How much web and runner write to standard error."),
        _make("STEPWELL_DEBUG", _setting("DEBUG"), "Error pages show the source. For development only."),
    ),
}

"""Values from environment variables; a bad one stops the start with its name, value and what is allowed."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "[::1]", "testserver"})


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def flag(name: str, *, default: bool = False) -> bool:
    value = text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is “{value}”. Use true or false.")


def number(name: str, default: float, *, low: float, high: float) -> float:
    value = text(name)
    if not value:
        return default
    try:
        parsed = float(value)
    except ValueError:
        parsed = float("nan")
    if not low <= parsed <= high:
        raise ImproperlyConfigured(f"{name} is “{value}”. Use a number from {low:g} to {high:g}.")
    return parsed


def names(name: str, default: list[str]) -> list[str]:
    """Return a comma-separated list."""
    return [part.strip() for part in text(name).split(",") if part.strip()] or default


def networks(name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Return a comma-separated list of networks such as ``10.1.0.0/16``."""
    try:
        return [ipaddress.ip_network(part) for part in names(name, [])]
    except ValueError as exc:
        raise ImproperlyConfigured(f"{name} is “{text(name)}”: {exc}. Use networks such as 10.1.0.0/16.") from None


def one_of(name: str, choices: tuple[str, ...]) -> str:
    """Return a word of a fixed list, the first one by default."""
    value = text(name, choices[0])
    if value not in choices:
        raise ImproperlyConfigured(f"{name} is “{value}”. Use {' or '.join(choices)}.")
    return value


def require_module(module: str, *, extra: str, named_by: str) -> None:
    """Stop the start when what a variable asks for is not installed."""
    if importlib.util.find_spec(module) is None:
        raise ImproperlyConfigured(f'{named_by} needs an extra: pip install "stepwell[{extra}]".')


def refuse_debug_beyond_this_machine(*, debug: bool, hosts: list[str]) -> None:
    """Stop the start when STEPWELL_DEBUG is on and others can reach the instance."""
    others = [host for host in hosts if host not in _THIS_MACHINE]
    if debug and others:
        raise ImproperlyConfigured(f"STEPWELL_DEBUG is for this machine alone, and STEPWELL_HOSTS names {others[0]}.")


def secret(name: str) -> str:
    """Return ``NAME``, or the content of the file ``NAME_FILE`` names."""
    if path := text(f"{name}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as exc:
            raise ImproperlyConfigured(f"{name}_FILE names {path}, which cannot be read: {exc.strerror}.") from exc
    return text(name)

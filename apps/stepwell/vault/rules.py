"""What a secret may hold: which keys become environment variables, how long a value may be."""

from __future__ import annotations

import re

from stepwell.errors import UsageError

SHORTEST_VALUE = 4
LONGEST_VALUE_BYTES = 64 * 1024
LONGEST_SET_BYTES = 1024 * 1024
MOST_KEYS = 50
LONGEST_KEY = 200

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
#: a step's process, or what it starts, reads these itself
_TAKEN = frozenset(
    "PATH HOME USER LOGNAME SHELL PWD TMPDIR TMP TEMP IFS ENV BASH_ENV GCONV_PATH NLSPATH TZDIR".split()  # noqa: SIM905
)
_TAKEN_PREFIXES = ("STEPWELL_", "PYTHON", "LD_", "DYLD_", "MALLOC_", "GLIBC_", "BASH_FUNC_")


class SecretRefused(UsageError):
    """A secret cannot hold this."""

    code = "secret_refused"


class NameRefused(SecretRefused):
    """A secret cannot have this name."""


def key_problem(key: str) -> str:
    """Return why ``key`` cannot be a key, or nothing."""
    if len(key) > LONGEST_KEY or not _KEY.match(key):
        return (
            "A key is the name of an environment variable: letters, digits and underscores, not beginning with a digit."
        )
    if key.upper() in _TAKEN or key.upper().startswith(_TAKEN_PREFIXES):
        return f"{key} belongs to the step's process itself. Choose another key."
    return ""


def value_problem(value: str) -> str:
    """Return why ``value`` cannot be a value, or nothing. Never quotes it."""
    if len(value) < SHORTEST_VALUE:
        return f"A value has at least {SHORTEST_VALUE} characters: a shorter one cannot be masked in logs."
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        return "A value is text without NUL characters."
    if len(value.encode()) > LONGEST_VALUE_BYTES:
        return f"A value has at most {LONGEST_VALUE_BYTES // 1024} KiB."
    return ""


def check_values(values: dict[str, str]) -> None:
    """Accept a set of values.

    Raises:
        SecretRefused: A key or value does not do; ``fields`` in its details says which and why, without the value.
    """
    if not values:
        raise SecretRefused("A secret needs at least one key with a value.")
    if len(values) > MOST_KEYS:
        raise SecretRefused(f"A secret has at most {MOST_KEYS} keys.", hint="Make two secrets of it.")
    fields = {key: problem for key, value in values.items() if (problem := key_problem(key) or value_problem(value))}
    if fields:
        first = next(iter(fields))
        raise SecretRefused(f"The key “{first[:60]}” does not do.", hint=fields[first], fields=fields)
    if sum(len(value.encode()) for value in values.values()) > LONGEST_SET_BYTES:
        raise SecretRefused(f"The values have more than {LONGEST_SET_BYTES // 1024} KiB together.")

"""Which regular expressions are quick on any text: those with few ways to fit at one place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stepwell.errors import ConfigError

#: ways to begin at one place; each costs a look
_MOST_WAYS = 20_000
#: what a repeat without an end counts as
_OPEN = 256
_LONGEST = 1000
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(\d*)(,?)(\d*)\})[?+]?")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")


@dataclass(slots=True)
class _Group:
    """An open bracket: the ways of the branches before, of this one so far, and of its latest piece."""

    before: int = 0
    so_far: int = 1
    latest: int = 1

    def add(self, ways: int) -> None:
        self.so_far *= self.latest
        self.latest = ways

    def close_branch(self) -> None:
        self.before += self.so_far * self.latest
        self.so_far = self.latest = 1

    def ways(self) -> int:
        return self.before + self.so_far * self.latest


def check_repeats(expression: str) -> None:
    """Refuse a regular expression that may take long on some text, or uses more than pieces, groups and repeats.

    Raises:
        ConfigError: Says what in it does not do.
    """
    groups = [_Group()]
    position = 0
    while position < len(expression):
        position = _read(expression, position, groups)
        if max(group.ways() for group in groups) > _MOST_WAYS:
            raise ConfigError("its repeats fit in too many ways; give them a smaller end, such as {1,20}.")


def _read(expression: str, position: int, groups: list[_Group]) -> int:
    """Read one piece of an expression; return where the next one begins."""
    rest = expression[position:]
    if rest.startswith("\\"):
        if rest[1:2].isdigit() or rest[1:2] in {"A", "Z"}:
            raise ConfigError(f"{rest[:2]} is not allowed here.")
        groups[-1].add(1)
        return position + 2
    if part := _CLASS.match(rest):
        groups[-1].add(1)
        return position + part.end()
    if rest.startswith("("):
        if rest.startswith("(?") and not rest.startswith("(?:"):
            raise ConfigError("of (?…) only (?:…) is allowed.")
        groups.append(_Group())
        return position + (3 if rest.startswith("(?:") else 1)
    if rest.startswith(")") and len(groups) > 1:
        inner = groups.pop().ways()
        groups[-1].add(inner)
    elif rest.startswith("|"):
        groups[-1].close_branch()
    elif part := _QUANTIFIER.match(rest):
        groups[-1].latest = _repeated(groups[-1].latest, part)
        return position + part.end()
    else:
        groups[-1].add(1)
    return position + 1


def _repeated(ways: int, repeat: re.Match[str]) -> int:
    low, high = _range(repeat)
    if high is None:
        if ways > 1:
            raise ConfigError("what fits in several ways is repeated without an end; give it one, such as {1,20}.")
        return _OPEN
    if high > _LONGEST:
        raise ConfigError(f"it repeats something more than {_LONGEST:,} times.")
    if ways == 1:
        return max(1, high - low + 1)
    total = 0
    for count in range(low, high + 1):
        total += ways**count
        if total > _MOST_WAYS:
            break
    return total


def _range(repeat: re.Match[str]) -> tuple[int, int | None]:
    sign = repeat[0][0]
    if sign != "{":
        return (1 if sign == "+" else 0), (1 if sign == "?" else None)
    low = int(repeat[1] or 0)
    if not repeat[2]:
        return low, low
    return low, int(repeat[3]) if repeat[3] else None

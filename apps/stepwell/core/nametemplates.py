"""Names with placeholders: ``{date}``, ``{time}`` and the substitutions of a pipeline or step."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from stepwell.core.near import close_matches
from stepwell.errors import ConfigError

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
#: placeholders every name may have
BUILT_IN = ("date", "time")


def check(template: str, substitutions: Mapping[str, str], *, what: str) -> None:
    """Refuse a template with a placeholder that nothing stands for.

    Raises:
        ConfigError: Names ``what`` and the placeholder.
    """
    known = {*BUILT_IN, *substitutions}
    for name in _PLACEHOLDER.findall(template):
        if name not in known:
            near = close_matches(name, sorted(known))
            hint = f"Did you mean {{{near[0]}}}?" if near else f"There are: {', '.join(sorted(known))}."
            raise ConfigError(
                f"{what} is {template!r}, and nothing stands for {{{name}}}.", hint=f"{hint} Add it to substitutions."
            )


def has_placeholder(text: str) -> bool:
    """Return whether a name is a template."""
    return bool(_PLACEHOLDER.search(text))


def expand(template: str, substitutions: Mapping[str, str], *, at: datetime, what: str = "The name") -> str:
    """Return the name a template gives for a run that was made ``at`` that time (in UTC).

    Raises:
        ConfigError: Nothing stands for a placeholder.
    """
    check(template, substitutions, what=what)
    moment = at.astimezone(UTC)
    values = {
        "date": moment.strftime("%Y_%m_%d"),
        "time": moment.strftime("%H_%M_%S_%f"),
        **substitutions,
    }
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)

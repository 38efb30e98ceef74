"""What a check of an instance found."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found: ``ok``, ``warn`` or ``fail``. ``todo`` says what to do when it is not ``ok``."""

    name: str
    level: str = OK
    text: str
    todo: str = ""

    @property
    def ok(self) -> bool:
        return self.level != FAIL

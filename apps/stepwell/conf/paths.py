"""Where things are: the checkout or the installed package, and the instance's data folder."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_CHECKOUT = _PACKAGE.parent.parent

#: the folder that holds templates/ and static/: the checkout, or the copy inside the wheel
PROJECT = (
    _CHECKOUT if (_CHECKOUT / "manage.py").is_file() and (_CHECKOUT / "templates").is_dir() else _PACKAGE / "_project"
)


def home() -> Path:
    """Return the data folder (``STEPWELL_HOME``, default ``~/.stepwell``), made private on first use."""
    folder = Path(os.environ.get("STEPWELL_HOME") or Path.home() / ".stepwell").expanduser().absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder

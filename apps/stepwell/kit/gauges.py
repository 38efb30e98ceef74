"""Numbers a part of this process publishes about itself, for the metrics page to read."""

from __future__ import annotations

#: name -> newest value; each name has one writer
values: dict[str, float] = {}

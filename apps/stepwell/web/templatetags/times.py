"""The filter that makes a stored time printable with ``{% when %}`` and ``{% exact %}``."""

from __future__ import annotations

from django import template

from stepwell.web import present

register = template.Library()
register.filter("moment", present.moment)

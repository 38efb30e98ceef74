"""The tags templates use: icons, style sheets, states and times, each printed the same way everywhere."""

from __future__ import annotations

from functools import lru_cache

from django import template
from django.conf import settings
from django.contrib.messages.storage.base import Message
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from stepwell.runs.health import late_seconds
from stepwell.web import assets, undo
from stepwell.web.present import Moment, Span, State

register = template.Library()
_NOTHING = format_html("{}", "–")
_HIDDEN = format_html("{}", " hidden")


@register.simple_tag
@lru_cache(maxsize=256)
def icon(name: str, size: int = 14) -> SafeString:
    """Print one symbol of the sprite; decoration only, so hidden from assistive technology."""
    return format_html(
        '<svg class="icon" width="{0}" height="{0}" aria-hidden="true"><use href="{1}#{2}"/></svg>',
        size,
        static("icons/sprite.svg"),
        name,
    )


@register.filter
def thousands(number: int) -> str:
    """Print a whole number with its thousands apart: ``100,000``."""
    return f"{number:,}"


@register.filter
def undo_of(message: Message) -> undo.Undo | None:
    """Return the form that takes back what a message tells, or None."""
    return undo.of(message)


@register.simple_tag
def stylesheets() -> SafeString:
    """Print a link for every style sheet."""
    links = ((static(path),) for path in assets.stylesheet_paths())
    return format_html_join("\n", '<link rel="stylesheet" href="{}">', links)


@register.simple_tag
def favicon(status: str = "") -> SafeString:
    """Print the tab icon, which shows a run's state on its page."""
    return format_html(
        '<link id="favicon" rel="icon" type="image/svg+xml" href="{}">', static(assets.favicon_path(status))
    )


@register.simple_tag
def state(value: State, pill: bool = False) -> SafeString:
    """Print a state as shape, word and colour."""
    return format_html(
        '<span class="state{}" data-status="{}">{}{}</span>',
        " state--pill" if pill else "",
        value.status,
        icon(value.icon),
        value.word,
    )


@register.simple_tag
def when(moment: Moment | None) -> SafeString:
    """Print a time relative to now, its exact form on hover; it ticks where scripts run."""
    if moment is None:
        return _NOTHING
    return format_html(
        '<time-ago datetime="{0}"><time datetime="{0}" title="{1}">{2}</time></time-ago>',
        moment.iso,
        moment.title,
        moment.relative,
    )


@register.simple_tag
def exact(moment: Moment | None) -> SafeString:
    """Print a time in full, in the person's zone."""
    if moment is None:
        return _NOTHING
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.iso, moment.title, moment.exact)


@register.simple_tag
def took(span: Span | None) -> SafeString:
    """Print a duration, ticking while it still grows."""
    if span is None:
        return _NOTHING
    if span.since:
        return format_html('<duration-tick start="{}">{}</duration-tick>', span.since, span.text)
    return format_html("{}", span.text)


@register.simple_tag
def beat(moment: Moment | None, trouble: str = "") -> SafeString:
    """Print how old the newest heartbeat is, and ``late``, ``lost`` or ``unhealthy``; it ticks where scripts run."""
    if moment is None:
        return format_html("{}", "no beat yet")
    return format_html(
        'beat <beat-age at="{}" late="{}" lost="{}" title="{}"><span>{}</span>'
        '<b class="tag tag--state" data-status="{}"{}>{}</b></beat-age>',
        moment.iso,
        f"{late_seconds():g}",
        f"{settings.LEASE_SECONDS:g}",
        moment.exact,
        moment.relative,
        "warning" if trouble == "late" else "lost",
        "" if trouble else _HIDDEN,
        trouble.capitalize(),
    )


@register.simple_tag
def countdown(moment: Moment | None) -> SafeString:
    """Print the time left until a moment as ``00:07``, ticking where scripts run."""
    if moment is None:
        return _NOTHING
    return format_html(
        '<count-down to="{}" title="{}">{}</count-down>', moment.iso, moment.exact, moment.left or moment.relative
    )

"""Messages that offer to take back what they tell.

Such a message carries the address and the fields of the act that does the reverse: an ordinary act, with its own check
of who may, its own token and its own line in the audit log. templates/ui/message.html prints it as a form.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.messages.storage.base import Message
from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Undo:
    """The form that takes something back: where it is sent, and what it holds."""

    url: str
    fields: list[tuple[str, str]]


def offer(request: HttpRequest, text: str, url: str, **fields: str | Iterable[str]) -> None:
    """Say what happened on the next page, with a button that sends ``fields`` to ``url``.

    A field may have several values; an empty one is left out.
    """
    lists = {name: [value] if isinstance(value, str) else value for name, value in fields.items()}
    pairs = [(name, value) for name, values in lists.items() for value in values if value]
    messages.success(request, text, extra_tags=json.dumps([url, pairs]))


def of(message: Message) -> Undo | None:
    """Return how to take back what a message tells; None when it does not offer that."""
    if not message.extra_tags:
        return None
    url, pairs = json.loads(message.extra_tags)
    return Undo(url, [(name, value) for name, value in pairs])

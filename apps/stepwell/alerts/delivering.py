"""Open deliveries are taken, sent, tried again with growing waits, and given up after five tries."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time

from django.views.decorators.debug import sensitive_variables

from stepwell.alerts import actions, chat, outbound, wording
from stepwell.alerts.models import AlertRule, Delivery
from stepwell.errors import StepwellError, Unavailable, UsageError

log = logging.getLogger(__name__)
MOST_TRIES = 5
#: seconds before the second try, the third, ...
_WAITS = (10, 60, 300, 1800)
#: how long whoever takes a delivery has for it
_LEASE_SECONDS = 60
_MOST_A_ROUND = 20


def deliver_due() -> int:
    """Send what is due; return how many were tried. Any number of runners may call it."""
    tried = 0
    for delivery in list(Delivery.due().select_related("rule__destination")[:_MOST_A_ROUND]):
        if delivery.tries >= MOST_TRIES:
            # Whoever had it was killed at each try.
            delivery.end(Delivery.Status.DEAD, error=delivery.error or "Its runner ended meanwhile, each time.")
        elif delivery.take(owner_id=None, seconds=_LEASE_SECONDS):
            _deliver(delivery)
            tried += 1
    return tried


def _deliver(delivery: Delivery) -> None:
    try:
        _send(delivery)
    except UsageError as exc:
        # Nothing about it will be different next time.
        delivery.end(Delivery.Status.DEAD, error=f"{exc.message} {exc.hint}".strip())
    except StepwellError as exc:
        _try_later(delivery, f"{exc.message} {exc.hint}".strip())
    except Exception as exc:
        # Boundary to a library that talks to the outside: one address must not hold up the others.
        log.exception("The alert %s could not be sent.", delivery.id)
        _try_later(delivery, type(exc).__name__)
    else:
        delivery.end(Delivery.Status.DONE)


@sensitive_variables("where")
def _send(delivery: Delivery) -> None:
    where = actions.opened(delivery.rule)
    if delivery.rule.kind == AlertRule.Kind.APPRISE:
        told = delivery.payload
        chat.send(where["url"], title=wording.title(told), body=wording.body(told))
        return
    body = json.dumps({"event_id": str(delivery.id), **delivery.payload}, ensure_ascii=False).encode()
    answer = outbound.post(where["url"], body=body, headers=_headers(delivery, body, where["secret"]))
    Delivery.objects.filter(id=delivery.id).update(answered=answer.status)
    if 300 <= answer.status < 400:
        raise Unavailable(f"It answered {answer.status}: redirects are not followed.")
    if not 200 <= answer.status < 300:
        raise Unavailable(f"It answered {answer.status}: {' '.join(answer.text.split())[:200]}")


@sensitive_variables("secret")
def _headers(delivery: Delivery, body: bytes, secret: str) -> dict[str, str]:
    sent_at = str(int(time.time()))
    return {
        "Content-Type": "application/json",
        "User-Agent": "stepwell",
        "Stepwell-Event-Id": str(delivery.id),
        "Stepwell-Timestamp": sent_at,
        "Stepwell-Signature": f"v1={sign(body, secret=secret, sent_at=sent_at)}",
    }


@sensitive_variables("secret")
def sign(body: bytes, *, secret: str, sent_at: str) -> str:
    """Return the HMAC-SHA256 of ``<sent_at>.<body>`` in hex."""
    return hmac.new(secret.encode(), f"{sent_at}.".encode() + body, hashlib.sha256).hexdigest()


def _try_later(delivery: Delivery, error: str) -> None:
    if delivery.tries >= MOST_TRIES:
        delivery.end(Delivery.Status.DEAD, error=error)
    else:
        delivery.retry(seconds=_WAITS[delivery.tries - 1], error=error)

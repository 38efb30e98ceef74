"""Which pages may open a socket: those this very server sent."""

from __future__ import annotations

from typing import Any

from channels.security.websocket import OriginValidator, WebsocketDenier
from django.conf import settings


class SameOriginValidator(OriginValidator):  # type: ignore[misc]
    """Like channels' validator of allowed hosts, and the scheme, host and port must be those of the request itself.

    The rule is the one Django's CSRF check has for forms: the socket carries the session's cookie just as they do.
    """

    def __init__(self, application: Any) -> None:
        super().__init__(application, settings.ALLOWED_HOSTS)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        if is_same_origin(scope):
            return await super().__call__(scope, receive, send)
        return await WebsocketDenier()(scope, receive, send)


def is_same_origin(scope: dict[str, Any]) -> bool:
    """Return whether the request's one Origin names the host it was sent to, or is a trusted origin of the settings."""
    headers = scope.get("headers", [])
    origins = [value.decode("latin1").lower() for name, value in headers if name == b"origin"]
    hosts = [value.decode("latin1").lower() for name, value in headers if name == b"host"]
    if len(origins) != 1 or len(hosts) != 1 or ("[" in hosts[0] and "]" not in hosts[0]):
        return False
    secure = settings.SESSION_COOKIE_SECURE or scope.get("scheme") in {"https", "wss"}
    return origins[0] == f"{'https' if secure else 'http'}://{hosts[0]}" or origins[0] in settings.CSRF_TRUSTED_ORIGINS

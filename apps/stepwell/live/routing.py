"""The one address of sockets; any other is refused like a page that is not there."""

from __future__ import annotations

from channels.security.websocket import WebsocketDenier
from django.urls import path, re_path

from stepwell.live.consumers import LiveSocket

urlpatterns = [path("ws/", LiveSocket.as_asgi()), re_path(r"", WebsocketDenier.as_asgi())]

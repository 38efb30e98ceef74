"""The web process: pages and the API over HTTP, live updates over one WebSocket address."""

from __future__ import annotations

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stepwell.conf.settings")
# Sets Django up; what comes below it needs the models.
http = get_asgi_application()

from django.db import connection  # noqa: E402

from stepwell.conf.bodies import BodyLimit  # noqa: E402
from stepwell.kit import patience  # noqa: E402
from stepwell.live.origin import SameOriginValidator  # noqa: E402
from stepwell.live.routing import urlpatterns  # noqa: E402

patience.limit_queries(connection)
application = ProtocolTypeRouter(
    {"http": BodyLimit(http), "websocket": SameOriginValidator(AuthMiddlewareStack(URLRouter(urlpatterns)))}
)

"""The web process of the tests: uvicorn on a free port, which it prints. Sockets are checked every second."""

from __future__ import annotations

import os
import socket
import sys

import uvicorn

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from stepwell.conf.asgi import application
from stepwell.live import consumers


def main() -> None:
    consumers.PING_SECONDS = 1.0
    consumers.SEND_SECONDS = 2.0
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        lifespan="off",
        ws="websockets-sansio",
        ws_max_size=64 * 1024,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main())

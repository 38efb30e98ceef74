"""The web process of the tests: uvicorn on a free port, which it prints. Sockets are checked every second."""

from __future__ import annotations

import os
import socket
import sys

import uvicorn

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from stepwell.conf import bodies
from stepwell.conf.asgi import application
from stepwell.live import consumers, door
from stepwell.live.server import SocketProtocol


def main() -> None:
    consumers.PING_SECONDS = 1.0
    consumers.SEND_SECONDS = 2.0
    bodies.SECONDS = 2.0
    door.MOST_SOCKETS = 30
    listener = socket.create_server(("127.0.0.1", 0))
    # What the system keeps for a connection nobody reads may grow to megabytes, and hide that nobody reads.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    config = uvicorn.Config(
        application,
        lifespan="off",
        ws=SocketProtocol,
        ws_max_size=64 * 1024,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main())

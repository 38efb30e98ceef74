"""The WebSocket side of uvicorn, with an end for browsers that stopped reading."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class SocketProtocol(WebSocketsSansIOProtocol):
    """Resets a connection that is closed while it takes no data.

    uvicorn waits until the rest of what was sent is taken, which a browser that does not read never does: the
    connection and its buffers would stay as long as the browser likes.
    """

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "websocket.close" and not self.writable.is_set():
            connection: Any = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.transport.abort()
            return
        await super().send(message)

"""Frames between processes: length-prefixed JSON on a Unix stream socket, with file descriptors where asked."""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from stepwell.errors import StepwellError

#: largest JSON body of one frame, in bytes
MAX_FRAME_BYTES = 64 * 1024 * 1024
_HEADER = struct.Struct(">I")
_READ_BYTES = 256 * 1024
_MAX_DESCRIPTORS = 64


class FrameError(StepwellError):
    """A frame does not follow the protocol."""

    code = "frame"


class FrameSocket:
    """One end of a connected Unix stream socket that carries frames. Threads may share the sending side.

    A peer that is gone, in the middle of a frame too, only sets ``closed``: nothing is raised.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.closed = False
        self._socket = sock
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self._frames: deque[dict[str, Any]] = deque()
        self._descriptors: deque[int] = deque()
        self._lock = threading.RLock()

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def unsent_bytes(self) -> int:
        return len(self._outgoing)

    def send(self, frame: dict[str, Any], *, descriptors: Sequence[int] = ()) -> None:
        """Send a frame, waiting while the peer's buffer is full. Does nothing once the peer is gone.

        Raises:
            FrameError: The frame is larger than ``MAX_FRAME_BYTES`` or is not JSON.
        """
        packed = pack(frame)
        with self._lock:
            self._push(wait=True)
            if descriptors and not self.closed:
                packed = packed[self._send_descriptors(packed, descriptors) :]
            # An exception from a signal handler leaves the rest here, for the next send: frames never interleave.
            self._outgoing += packed
            self._push(wait=True)

    def post(self, frame: dict[str, Any]) -> None:
        """Queue a frame and send what fits now; ``push`` sends the rest.

        Raises:
            FrameError: The frame is larger than ``MAX_FRAME_BYTES`` or is not JSON.
        """
        packed = pack(frame)
        with self._lock:
            self._outgoing += packed
            self._push(wait=False)

    def push(self) -> None:
        """Send what ``post`` queued, as far as it fits now."""
        if self._outgoing:
            with self._lock:
                self._push(wait=False)

    def receive(self, timeout: float | None = None) -> dict[str, Any] | None:
        """Return the next frame; None when the peer is gone or ``timeout`` seconds passed (then ``closed`` is False).

        Raises:
            FrameError: What arrived is not a frame.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._frames and not self.closed:
            if not self._wait(select.POLLIN, deadline):
                return None
            self._read()
        return self._frames.popleft() if self._frames else None

    def drain(self) -> list[dict[str, Any]]:
        """Return every frame that arrived, without waiting.

        Raises:
            FrameError: What arrived is not a frame; frames before it are kept for the next call.
        """
        while not self.closed and self._read():
            pass
        frames = list(self._frames)
        self._frames.clear()
        return frames

    def take_descriptors(self, count: int) -> list[int]:
        """Return the next ``count`` received descriptors, now the caller's, or none when fewer arrived."""
        if len(self._descriptors) < count:
            return []
        return [self._descriptors.popleft() for _ in range(count)]

    def held_descriptors(self) -> list[int]:
        """Return the open descriptors this socket holds: its own and those nobody took yet."""
        own = self._socket.fileno()
        return [*self._descriptors, *([own] if own >= 0 else [])]

    def close(self) -> None:
        self.closed = True
        while self._descriptors:
            os.close(self._descriptors.popleft())
        self._socket.close()

    def _send_descriptors(self, packed: bytes, descriptors: Sequence[int]) -> int:
        while True:
            try:
                return socket.send_fds(self._socket, [packed], list(descriptors), socket.MSG_NOSIGNAL)
            except BlockingIOError:
                self._wait(select.POLLOUT, None)
            except OSError:
                self.closed = True
                return len(packed)

    def _push(self, *, wait: bool) -> None:
        while self._outgoing and not self.closed:
            try:
                sent = self._socket.send(self._outgoing, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
                del self._outgoing[:sent]
            except BlockingIOError:
                if not wait:
                    return
                self._wait(select.POLLOUT, None)
            except OSError:
                # What the peer sent before it went is still readable, so only reading may find the end.
                self._outgoing.clear()
                return

    def _wait(self, event: int, deadline: float | None) -> bool:
        poll = select.poll()
        poll.register(self._socket, event)
        if deadline is None:
            return bool(poll.poll())
        return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))

    def _read(self) -> bool:
        """Read once; return whether there may be more."""
        try:
            data, ancillary, _, _ = self._socket.recvmsg(
                _READ_BYTES, socket.CMSG_SPACE(_MAX_DESCRIPTORS * 4), socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return False
        except OSError:
            data, ancillary = b"", []
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                whole = len(payload) - len(payload) % 4
                self._descriptors.extend(struct.unpack(f"={whole // 4}i", payload[:whole]))
        if not data:
            self.closed = True
            return False
        self._incoming += data
        self._unpack()
        # A short read is not the end: the kernel stops after each message that carries descriptors.
        return True

    def _unpack(self) -> None:
        start = 0
        while len(self._incoming) - start >= _HEADER.size:
            (size,) = _HEADER.unpack_from(self._incoming, start)
            if size > MAX_FRAME_BYTES:
                self.closed = True
                raise FrameError(_too_large(size))
            end = start + _HEADER.size + size
            if len(self._incoming) < end:
                break
            self._frames.append(self._parse(bytes(self._incoming[start + _HEADER.size : end])))
            start = end
        if start:
            del self._incoming[:start]

    def _parse(self, body: bytes) -> dict[str, Any]:
        try:
            frame = json.loads(body)
        except (ValueError, RecursionError) as error:
            self.closed = True
            raise FrameError(f"A frame of {len(body):,} bytes is not JSON: {error}.") from error
        if not isinstance(frame, dict):
            self.closed = True
            raise FrameError(f"A frame is a JSON {type(frame).__name__}, not an object.")
        return frame


def pack(frame: dict[str, Any]) -> bytes:
    """Return the bytes of a frame.

    Raises:
        FrameError: The frame is larger than ``MAX_FRAME_BYTES`` or is not JSON.
    """
    try:
        body = json.dumps(frame, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise FrameError(f"A “{frame.get('t') or frame.get('op')}” frame is not JSON: {error}.") from error
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(_too_large(len(body)), hint="Store large values as artifacts instead of metadata.")
    return _HEADER.pack(len(body)) + body


def frame_pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets, closed on exec."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)


def _too_large(size: int) -> str:
    return f"A frame of {size:,} bytes is larger than the limit of {MAX_FRAME_BYTES:,} bytes."

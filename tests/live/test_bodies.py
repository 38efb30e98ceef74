"""Bodies that are too long or too slow end before anybody has asked who sends them."""

from __future__ import annotations

import socket
import time
from contextlib import closing

import psutil
import pytest

_LINE = "POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def connect(server) -> socket.socket:
    port = int(server.url.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def status(connection: socket.socket) -> int:
    return int(connection.recv(4096).split(b" ")[1])


@pytest.mark.parametrize("path", ["/login/", "/api/v1/uploads", "/nothing"])
def test_a_body_said_to_be_large_is_refused_before_its_first_byte(server, path):
    with closing(connect(server)) as connection:
        head = _LINE.replace("/login/", path) + "Content-Length: 5000000000\r\n\r\n"
        connection.sendall(head.encode())
        assert status(connection) == 413


def test_a_body_without_an_end_is_cut_while_it_comes_and_costs_no_memory(server):
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    sent = 0
    with closing(connect(server)) as connection:
        connection.sendall((_LINE + "Transfer-Encoding: chunked\r\n\r\n").encode())
        try:
            while sent < 200 * 2**20:
                connection.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass

    assert sent < 50 * 2**20
    assert process.memory_info().rss - before < 20 * 2**20


def test_a_body_that_drips_is_given_up(server):
    with closing(connect(server)) as connection:
        connection.sendall((_LINE + "Content-Length: 1000\r\n\r\n").encode())
        begun = time.monotonic()
        try:
            for _ in range(200):
                connection.sendall(b"x")
                connection.settimeout(0.1)
                try:
                    assert status(connection) == 408
                    break
                except TimeoutError:
                    continue
        except OSError:
            pytest.fail("no answer came before the connection ended")

    assert time.monotonic() - begun < 10


def test_a_body_of_the_size_we_take_arrives_whole(server):
    body = b"x" * (2**21 + 1)
    with closing(connect(server)) as connection:
        connection.sendall(_LINE.replace("/login/", "/api/v1/uploads").encode())
        connection.sendall(b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert status(connection) == 401

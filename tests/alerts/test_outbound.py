"""Where alerts may be sent: nowhere private, whatever the address is called and however it is written."""

from __future__ import annotations

import ipaddress
import socket
import time

import pytest

from stepwell.alerts import outbound
from stepwell.errors import Unavailable, UsageError


def post(url, **options):
    return outbound.post(url, body=b"{}", headers={"Content-Type": "application/json"}, **options)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "0177.0.0.1",
        "2130706433",
        "0x7f000001",
        "127.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "[fe80::1]",
        "[fc00::1]",
        "[ff02::1]",
    ],
)
def test_no_private_address_is_called(heard, host):
    with pytest.raises(outbound.Blocked):
        post(f"http://{host}:{heard.server.server_port}/")
    assert heard.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "gopher://example.org/",
        "file:///etc/passwd",
        "ftp://example.org/",
        "javascript:alert(1)",
        "//example.org/",
        "http://",
        "http://user:password@example.org/",
        "http://user@example.org/",
        "http://example.org:22/",
        "http://example.org:6379x/",
        "http://exa mple.org/",
        "http://example.org/\r\nHost: other",
        "http://example.org\\@127.0.0.1/",
        "https://[::1/",
    ],
)
def test_an_address_that_does_not_do_is_refused_before_anything_is_asked(monkeypatch, url):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("a name was asked for"))
    with pytest.raises(UsageError):
        post(url)


@pytest.mark.parametrize("public", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8"])
def test_public_addresses_are_allowed(public):
    assert outbound.is_allowed(ipaddress.ip_address(public))


def test_a_name_is_asked_for_once_and_the_checked_address_is_called(monkeypatch):
    asked, called = [], []
    answers = iter([[(0, 0, 0, "", ("93.184.216.34", 80))], [(0, 0, 0, "", ("127.0.0.1", 80))]])

    def getaddrinfo(*arguments, **_):
        asked.append(arguments[0])
        return next(answers)

    def connect(address, *_):
        called.append(address)
        raise OSError("no network here")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(Unavailable):
        post("http://rebinding.example/")
    assert asked == ["rebinding.example"]
    assert called == [("93.184.216.34", 80)]


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch):
    both = [(0, 0, 0, "", ("93.184.216.34", 80)), (0, 0, 0, "", ("10.0.0.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(outbound.Blocked):
        post("http://two.example/")


def test_an_allowed_network_is_called_and_a_redirect_is_not_followed(heard, loopback):
    heard.answers = [(302, {"Location": heard.url}, b"")]
    assert post(heard.url).status == 302
    assert len(heard.requests) == 1
    assert heard.requests[0][0] == "/hook?key=1"
    assert heard.requests[0][1]["Host"] == f"127.0.0.1:{heard.server.server_port}"
    assert "Cookie" not in heard.requests[0][1]


def test_an_answer_that_drips_is_cut(heard, loopback):
    def drip(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        try:
            for _ in range(100):
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.1)
        except OSError:
            pass

    heard.answers = [(200, {}, drip)]
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"no answer within 0\.5 seconds"):
        post(heard.url, seconds=0.5)
    assert time.monotonic() - began < 5


def test_an_endless_answer_is_cut(heard, loopback):
    def flood(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            pass

    heard.answers = [(200, {}, flood)]
    with pytest.raises(Unavailable, match="larger than 1 MiB"):
        post(heard.url)

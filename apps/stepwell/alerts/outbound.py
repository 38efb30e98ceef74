"""Calls to addresses people entered: only where they may lead, to the address that was checked, within limits."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from stepwell.errors import Unavailable, UsageError

SECONDS = 10.0
MOST_ANSWER_BYTES = 1024 * 1024
#: ports below this are other services' (mail, databases, shells), except the web's own
_FIRST_FREE_PORT = 1024
_WEB_PORTS = {"http": 80, "https": 443}
#: IPv6 networks that lead to IPv4 addresses
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.ip_network("2002::/16")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Blocked(UsageError):
    """The address may not be called."""

    code = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the other side said; ``text`` is its beginning."""

    status: int
    text: str


def check_url(url: str) -> SplitResult:
    """Return the parts of a URL that alerts may be posted to; where its name leads is checked when it is called.

    Raises:
        UsageError: It is not such a URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError("This is not a URL.", hint="Give one such as https://example.org/hook.") from None
    if any(not char.isprintable() or char.isspace() for char in url) or "\\" in url:
        raise UsageError("A URL has no spaces or control characters.")
    if parts.scheme not in _WEB_PORTS or not parts.hostname:
        raise UsageError("Only http and https addresses can be called.", hint="Give one such as https://example.org/.")
    if parts.username or parts.password:
        raise UsageError("A user or password in the URL is not sent.", hint="Check the signature on the other side.")
    if port is not None and port not in _WEB_PORTS.values() and port < _FIRST_FREE_PORT:
        raise Blocked(f"Port {port} is not called.", hint=f"Use 80, 443 or one from {_FIRST_FREE_PORT} up.")
    return parts


def resolve(host: str, port: int) -> list[Address]:
    """Return the addresses of a host, all of which may be called.

    Raises:
        Unavailable: The name is not known.
        Blocked: One of its addresses is private.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unavailable(f"The name {host} is not known.") from None
    addresses = [ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in found]
    for address in addresses:
        if not is_allowed(address):
            raise Blocked(
                f"{host} leads to {address}, which is not a public address.",
                hint="An operator can allow its network with STEPWELL_ALERT_NETWORKS.",
            )
    return list(dict.fromkeys(addresses))


def is_allowed(address: Address) -> bool:
    """Return whether an address is public, or in a network that an operator allowed."""
    real = _innermost(address)
    if any(one.version == network.version and one in network for one in (address, real) for network in _networks()):
        return True
    return all(one.is_global and not one.is_multicast for one in (address, real))


def _networks() -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return list(settings.ALERT_NETWORKS)


def _innermost(address: Address) -> Address:
    if address.version == 4:
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return ipaddress.IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
    return address


def post(url: str, *, body: bytes, headers: dict[str, str], seconds: float = SECONDS) -> Answer:
    """Post ``body`` and return the answer; a redirect is an answer like any other and is not followed.

    Raises:
        UsageError: The URL does not do.
        Blocked: It leads to a private address.
        Unavailable: No answer came within ``seconds``, or one of more than 1 MiB.
    """
    parts = check_url(url)
    host, port = str(parts.hostname), parts.port or _WEB_PORTS[parts.scheme]
    addresses = resolve(host, port)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = _Connection(host, port, address=str(addresses[0]), is_tls=parts.scheme == "https", seconds=seconds)
    # Each read has a time-out of its own, so that a slow drip could go on for ever.
    alarm = threading.Timer(seconds, connection.cut)
    alarm.daemon = True
    alarm.start()
    try:
        connection.request("POST", path, body=body, headers=headers)
        response = connection.getresponse()
        content = response.read(MOST_ANSWER_BYTES + 1)
    except (OSError, http.client.HTTPException, ValueError) as exc:
        why = f"no answer within {seconds:g} seconds" if connection.is_cut else _words(exc)
        raise Unavailable(f"{host} could not be reached: {why}.") from None
    finally:
        alarm.cancel()
        connection.close()
    if connection.is_cut:
        raise Unavailable(f"{host} could not be reached: no answer within {seconds:g} seconds.")
    if len(content) > MOST_ANSWER_BYTES:
        raise Unavailable(f"The answer of {host} is larger than 1 MiB.")
    return Answer(status=response.status, text=content[:500].decode("utf-8", "replace"))


def _words(exc: Exception) -> str:
    return str(getattr(exc, "strerror", "") or exc or type(exc).__name__).lower()


class _Connection(http.client.HTTPConnection):
    """A connection to one checked address, under the host's name."""

    def __init__(self, host: str, port: int, *, address: str, is_tls: bool, seconds: float) -> None:
        super().__init__(host, port, timeout=seconds)
        self.is_cut = False
        self.default_port = _WEB_PORTS["https" if is_tls else "http"]  # type: ignore[misc]
        self._address = address
        self._is_tls = is_tls

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._is_tls:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)

    def cut(self) -> None:
        """End the connection from another thread."""
        self.is_cut = True
        with suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)

"""An OpenID Connect provider of the tests: on loopback, with one client, and people who need no password."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt

CLIENT, SECRET = "stepwell", "the-clients-secret"


class Provider(ThreadingHTTPServer):
    """``person``: who signs in next, as claims. ``lie``: what goes wrong meanwhile."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.person: dict[str, Any] = {}
        self.lie = ""
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, dict[str, Any]] = {}


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/.well-known/openid-configuration":
            url = self.server.url
            places = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
            told = {f"{name}_endpoint": f"{url}/{place}" for name, place in places.items()}
            self.answer({"issuer": url, "jwks_uri": f"{url}/keys", **told})
        elif parts.path == "/authorize":
            code = secrets.token_hex(8)
            self.server.codes[code] = query
            self.send_response(302)
            self.send_header(
                "Location", f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"
            )
            self.end_headers()
        elif parts.path == "/userinfo":
            known = self.server.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
            self.answer(known or {"error": "unknown"}, status=200 if known else 401)

    def do_POST(self) -> None:
        sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        form = {name: values[0] for name, values in sent.items()}
        asked = self.server.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or form.get("client_secret") != SECRET or asked.get("code_challenge") != challenge:
            self.answer({"error": "invalid_grant"}, status=400)
            return
        token = secrets.token_hex(8)
        self.server.tokens[token] = self.server.person
        claims = {
            "iss": self.server.url,
            "aud": CLIENT,
            "exp": time.time() + 60,
            "iat": time.time(),
            **self.server.person,
        }
        claims |= {"audience": {"aud": "another"}, "issuer": {"iss": "http://evil.example"}}.get(self.server.lie, {})
        if self.server.lie == "expired":
            claims["exp"] = time.time() - 3600
        made = jwt.encode(claims, "a key that is long enough for sha256", algorithm="HS256", headers={"kid": "1"})
        self.answer({"access_token": token, "id_token": made, "token_type": "Bearer", "expires_in": 60})

    def answer(self, told: dict[str, Any], *, status: int = 200) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def running() -> Iterator[Provider]:
    provider = Provider()
    thread = threading.Thread(target=provider.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.shutdown()
        provider.server_close()

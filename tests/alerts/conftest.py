from __future__ import annotations

import ipaddress
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Heard:
    """A real HTTP server on loopback that notes what it is sent; ``answers`` are (status, headers, body) in turn."""

    def __init__(self):
        self.requests = []
        self.answers = []
        heard = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                heard.requests.append((self.path, dict(self.headers), body))
                status, headers, content = heard.answers.pop(0) if heard.answers else (200, {}, b"ok")
                if callable(content):
                    content(self)
                    return
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?key=1"
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def heard():
    server = Heard()
    yield server
    server.close()


@pytest.fixture
def loopback(settings):
    """Let alerts reach this machine, as an operator can."""
    settings.ALERT_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]

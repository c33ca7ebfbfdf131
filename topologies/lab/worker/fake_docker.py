"""Answer `/info` and `/version` as a Docker daemon does.

In kubelets before 1.24 cAdvisor tries dockerd five times, a second apart, before the kubelet starts (`--docker`).
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn, UnixStreamServer

ANSWER = json.dumps({"DockerRootDir": "/var/lib/docker", "ApiVersion": "1.40", "MinAPIVersion": "1.12"}).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Api-Version", "1.40")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(ANSWER)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


def serve(socket: str) -> None:
    """Serve at a UNIX socket for ever."""
    _Server(socket, _Handler).serve_forever()

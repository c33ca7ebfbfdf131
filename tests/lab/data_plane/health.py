"""Serve healthCheckNodePorts: 200 on a node with a ready endpoint of the Service, 503 on others.

Source: pkg/proxy/healthcheck/service_health.go; the bodies are not part of the contract.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.lab.data_plane.services import ServicePort


def ready_endpoints(ports: Iterable[ServicePort], node: str) -> dict[int, int]:
    """Return healthCheckNodePort -> number of this node's endpoints that are ready (rows 38 to 40)."""
    found: dict[int, set[str]] = {}
    for port in ports:
        if port.health_port:
            ready = found.setdefault(port.health_port, set())
            ready |= {one.address for one in port.endpoints if one.node == node and not one.terminating}
    return {number: len(ready) for number, ready in found.items()}


@dataclass(slots=True)
class HealthServers:
    """The HTTP servers of this node."""

    ready: dict[int, int] = field(default_factory=dict)
    servers: dict[int, ThreadingHTTPServer] = field(default_factory=dict)

    def update(self, ready: dict[int, int]) -> None:
        """Open the ports of new Services, and close those that no Service has (row 41)."""
        self.ready = ready
        for number in ready.keys() - self.servers.keys():
            server = ThreadingHTTPServer(("0.0.0.0", number), self._handler(number))  # noqa: S104 - at every address of the node
            Thread(target=server.serve_forever, daemon=True).start()
            self.servers[number] = server
        for number in self.servers.keys() - ready.keys():
            server = self.servers.pop(number)
            server.shutdown()
            server.server_close()

    def _handler(self, number: int) -> type[BaseHTTPRequestHandler]:
        servers = self

        class Health(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_ready = servers.ready.get(number, 0) > 0
                self.send_response(HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        return Health

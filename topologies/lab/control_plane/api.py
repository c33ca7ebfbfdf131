"""A small client of the lab's API server: JSON over one HTTPS connection. Standard library only, to start fast.

Used by the supervisor (components.py) and the load balancer; everything else uses the `kubernetes` client.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any

from topologies.common.errors import HairpinError
from topologies.common.timeouts import TIMEOUTS

if TYPE_CHECKING:
    from pathlib import Path

PORT = 6443
HTTP_ERROR = 400


class ApiError(HairpinError):
    """The API server did not answer, or with an HTTP error. `status` is 0 if it did not answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Api:
    """One connection, opened with the first call and again after an error."""

    address: str
    authority: Path
    token: str
    _connection: HTTPSConnection | None = field(default=None, init=False)

    def call(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Any:  # noqa: ANN401 - JSON
        """Call the API server and return its decoded answer.

        Args:
            method: The HTTP method.
            path: The path of the resource.
            body: What is sent, as JSON; None: nothing.
            kind: The body's content type.

        Raises:
            ApiError: It did not answer, or with an HTTP error.

        """
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        try:
            connection = self._connect()
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, HTTPException) as error:
            self.close()
            message = f"{method} {path}: {error!r}"
            raise ApiError(message) from error
        if answer.status >= HTTP_ERROR:
            message = f"{method} {path}: {answer.status} {text[:300]}"
            raise ApiError(message, answer.status)
        return json.loads(text) if "json" in (answer.getheader("Content-Type") or "") else text

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Return a resource."""
        return self.call("GET", path)

    def merge(self, path: str, body: object) -> Any:  # noqa: ANN401 - JSON
        """Send a JSON merge patch and return the resource."""
        return self.call("PATCH", path, body, "application/merge-patch+json")

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def _connect(self) -> HTTPSConnection:
        if self._connection is None:
            context = ssl.create_default_context(cafile=str(self.authority))
            self._connection = HTTPSConnection(self.address, PORT, timeout=TIMEOUTS.lab_api_answer_s, context=context)
        return self._connection

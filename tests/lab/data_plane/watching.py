"""List and watch one kind of object of the API server. Standard library and PyYAML only, to start fast.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlparse

import yaml

from topologies.common.waiting import pause

if TYPE_CHECKING:
    from http.client import HTTPResponse

RETRY_S = 0.5
ANSWER_S = 30.0
OK = 200


@dataclass(frozen=True, slots=True)
class ApiServer:
    """An API server and the token for it."""

    host: str
    port: int
    authority: str
    token: str

    @classmethod
    def read(cls, kubeconfig: str) -> Self:
        """Read the first cluster and user of a kubeconfig."""
        content = yaml.safe_load(Path(kubeconfig).read_text(encoding="utf-8"))
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        url = urlparse(cluster["server"])
        return cls(url.hostname or "", url.port or 443, cluster["certificate-authority"], user["token"])

    def get(self, path: str, timeout_s: float | None = ANSWER_S) -> HTTPResponse:
        """Return the answer to a GET. OSError if it is not 200."""
        context = ssl.create_default_context(cafile=self.authority)
        connection = HTTPSConnection(self.host, self.port, timeout=timeout_s, context=context)
        connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
        answer = connection.getresponse()
        if answer.status != OK:
            message = f"GET {path}: got {answer.status}, want {OK}"
            raise OSError(message)
        return answer

    def read_object(self, path: str) -> dict[str, Any]:
        """Return one object or list."""
        return dict(json.load(self.get(path)))


@dataclass(slots=True)
class Watched:
    """The objects of one kind, kept current by a thread. `changed` is set after each change."""

    api: ApiServer
    path: str
    changed: Event
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    listed: Event = field(default_factory=Event)

    def start(self) -> None:
        """Start the thread."""
        Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                self._watch(self._list())
            except (OSError, HTTPException, ValueError) as error:
                print(f"{self.path}: {error!r}", flush=True)
            pause(RETRY_S)

    def _list(self) -> str:
        """Replace all objects; return the version from which to watch."""
        found = self.api.read_object(self.path)
        self.objects = {_key(one): one for one in found["items"]}
        self.listed.set()
        self.changed.set()
        return str(found["metadata"]["resourceVersion"])

    def _watch(self, version: str) -> None:
        """Apply changes until the API server ends the watch."""
        for line in self.api.get(f"{self.path}?watch=true&resourceVersion={version}", timeout_s=None):
            event = json.loads(line)
            if event["type"] == "ERROR":
                return
            objects = {**self.objects, _key(event["object"]): event["object"]}
            if event["type"] == "DELETED":
                del objects[_key(event["object"])]
            self.objects = objects  # replaced whole: the main thread may iterate over the old ones
            self.changed.set()


def _key(one: dict[str, Any]) -> str:
    return f"{one['metadata']['namespace']}/{one['metadata']['name']}"

"""An API server on loopback for the real `kubernetes` client: a small cluster, or garbage where a test says so.

It keeps namespaces, pods, Services and Leases; every pod is Ready at once, every Service has addresses and endpoints.
A pod with a grace period is only marked when it is deleted, and stays until it is deleted with a period of 0.
An exec gets `exec_answer` after `exec_delay_s`. `script` replaces single answers.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CONFIG = """
apiVersion: v1
kind: Config
current-context: fake
contexts: [{{name: fake, context: {{cluster: fake, user: fake}}}}]
clusters: [{{name: fake, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: fake, user: {{token: t}}}}]
"""
FIELDS = ("major", "minor", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform")
VERSION = {"gitVersion": "v1.20.2"} | dict.fromkeys(FIELDS, "x")


OUTSIDE = "The range of valid IPs is "  # pkg/registry/core/service/ipallocator ErrNotInRange


@dataclass(frozen=True)
class Raw:
    """An answer as it goes over the wire."""

    body: bytes
    status: int = 200
    kind: str = "application/json"


def status(code: int, message: str) -> Raw:
    """A Status object, as an API server refuses with."""
    told = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
    return Raw(json.dumps(told).encode(), code)


@dataclass
class Api:
    """The state of the fake cluster. `script`: `METHOD path` as a regular expression -> the answer in its place."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)  # by path
    script: dict[str, Raw | Callable[[], Raw | None]] = field(default_factory=dict)
    deleted: list[tuple[str, str | None]] = field(default_factory=list)  # namespace, UID precondition
    calls: list[str] = field(default_factory=list)
    delay_s: float = 0.0
    exec_delay_s: float = 0.0
    pod_status: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda _: None
    version: str = "v1.20.2"
    collections: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # lists that are only read, by path
    service_range: str = ""  # named in the error for a clusterIP outside it; empty: any clusterIP is refused without
    node_addresses: dict[str, int] = field(default_factory=dict)  # by name, if it is not nN: N
    node_proxy: bool = True
    port: int = 0
    body: Any = None  # of the newest call
    lock: threading.RLock = field(default_factory=threading.RLock)

    def answer(self, method: str, path: str, query: str, body: Any) -> Raw:
        self.calls.append(f"{method} {path}")
        self.body = body
        time.sleep(self.delay_s)
        for pattern, scripted in self.script.items():
            matches = re.fullmatch(pattern, f"{method} {path}")
            if matches and (answer := scripted() if callable(scripted) else scripted):
                return answer
        if path.endswith("/exec"):
            time.sleep(self.exec_delay_s)
            return status(403, "no exec here")
        if answered := self._virtual(path, body):
            return answered
        if "/proxy/" in path or path == "/version/":
            return Raw(json.dumps(VERSION | {"gitVersion": self.version}).encode())
        if method == "GET" and (read := self._read_only(path, query)):
            return read
        with self.lock:
            return self._store(method, path, query, body)

    def _read_only(self, path: str, query: str) -> Raw | None:
        """A page of a seeded list, a ConfigMap, or 404 for a resource that this API server does not have."""
        if path in self.collections:
            return self._page(self.collections[path], query)
        if "/configmaps/" in path:
            return Raw(json.dumps(self.objects[path]).encode()) if path in self.objects else status(404, "not found")
        groups = ("/api/v1/", "/apis/apps/", "/apis/coordination.k8s.io/", "/apis/networking.k8s.io/")
        known = path.startswith(groups)
        return None if known else status(404, "the server could not find the requested resource")

    def _page(self, items: list[dict[str, Any]], query: str) -> Raw:
        """`limit` objects from `continue` on, as an API server cuts a long list."""
        limit, start = (re.search(f"{key}=([0-9]+)", query) for key in ("limit", "continue"))
        first = int(start[1]) if start else 0
        end = first + (int(limit[1]) if limit else len(items))
        more = {"continue": str(end)} if end < len(items) else {}
        page = {"kind": "List", "apiVersion": "v1", "metadata": more, "items": items[first:end]}
        return Raw(json.dumps(page).encode())

    def _virtual(self, path: str, body: Any) -> Raw | None:
        """Answer what creates no object: a review of rights, a token."""
        if path.endswith("/selfsubjectaccessreviews"):
            return Raw(json.dumps(body | {"status": {"allowed": self.node_proxy}}).encode(), 201)
        if path.endswith("/token"):
            return Raw(json.dumps(body | {"status": {"token": "secret", "expirationTimestamp": now()}}).encode(), 201)
        return None

    def _store(self, method: str, path: str, query: str, body: Any) -> Raw:
        if method == "POST":
            return self._create(path, body)
        if method == "DELETE":
            given = body or {}
            return self._delete(path, given.get("preconditions", {}).get("uid"), given.get("gracePeriodSeconds"))
        if method == "PATCH":
            if path not in self.objects:
                return status(404, f"{path} not found")
            return self._patch(self.objects[path], body)
        wanted = re.search("labelSelector=([^&]*)", query)
        name, _, value = (wanted[1].replace("%3D", "=").replace("%2F", "/") if wanted else "").partition("=")
        found = [
            item
            for place, item in self.objects.items()
            if place.rpartition("/")[0] == path and (not name or item["metadata"]["labels"].get(name) == value)
        ]
        return Raw(json.dumps({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": found}).encode())

    def _patch(self, item: dict[str, Any], body: Any) -> Raw:
        """Merge spec and labels, as far as runs patch them."""
        self._touch(item | {"spec": item["spec"] | body.get("spec", {})})
        item["spec"] |= body.get("spec", {})
        item["metadata"]["labels"] |= body.get("metadata", {}).get("labels", {})
        return Raw(json.dumps(item).encode())

    def _create(self, path: str, body: Any) -> Raw:
        place = f"{path}/{body['metadata']['name']}"
        if path.endswith("/services") and "clusterIP" in body["spec"]:
            return status(422, f"provided IP is not in the valid range. {OUTSIDE}{self.service_range}")
        if place in self.objects:
            return status(409, f'{path.rpartition("/")[2]} "{body["metadata"]["name"]}" already exists')
        kind = path.rpartition("/")[2]
        made = body | {"metadata": body["metadata"] | {"uid": str(uuid.uuid4()), "creationTimestamp": now()}}
        self.objects[place] = made
        number = len(self.objects)
        if kind == "pods":
            made["status"] = self.pod_status(made) or running(number, made, self.node_addresses)
        if kind == "services":
            self._serve(path, made, number)
        self._touch(made)
        return Raw(json.dumps(made).encode(), 201)

    def _serve(self, path: str, made: dict[str, Any], number: int) -> None:
        spec = made["spec"]
        spec["clusterIP"] = f"10.96.1.{number}"
        spec["ports"][0]["nodePort"] = 30000 + number
        made["status"] = {"loadBalancer": {"ingress": [{"ip": f"198.18.100.{number}"}]}}
        pods = [one for place, one in self.objects.items() if place.startswith(path.replace("services", "pods/"))]
        listed = [
            {
                "ip": pod["status"].get("podIP"),
                "nodeName": pod["spec"]["nodeName"],
                "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"]},
            }
            for pod in pods
            if spec["selector"].items() <= pod["metadata"]["labels"].items()
            and any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))
        ]
        name = made["metadata"]["name"]
        subsets = [{"addresses": listed, "ports": [{"port": spec["ports"][0].get("targetPort", 8080)}]}]
        self.objects[f"{path.replace('services', 'endpoints')}/{name}"] = {
            "metadata": {"name": name},
            "subsets": subsets if listed else [],
        }

    def _touch(self, item: dict[str, Any]) -> None:
        item["metadata"]["managedFields"] = [{"manager": "x", "operation": "Update", "time": now()}]

    def _delete(self, path: str, uid: str | None, grace_s: int | None) -> Raw:
        found = self.objects.get(path)
        if found is None:
            return status(404, "not found")
        if uid not in {None, found["metadata"]["uid"]}:
            return status(409, f"Precondition failed: UID in precondition: {uid}")
        self.deleted.append((path.rpartition("/")[2], uid))
        usual_s = found.get("spec", {}).get("terminationGracePeriodSeconds", 0) if "/pods/" in path else 0
        if remaining_s := usual_s if grace_s is None else grace_s:
            found["metadata"] |= {"deletionTimestamp": now(), "deletionGracePeriodSeconds": remaining_s}
            return Raw(json.dumps(found).encode())
        for place in [place for place in self.objects if place == path or place.startswith(f"{path}/")]:
            del self.objects[place]
        for place in [place for place in self.objects if f"/namespaces/{path.rpartition('/')[2]}/" in place]:
            del self.objects[place]
        if "/services/" in path or "/leases/" in path:  # as real API servers do
            return Raw(json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Success"}).encode())
        return Raw(json.dumps(found).encode())

    def namespaces(self) -> set[str]:
        return {place.rpartition("/")[2] for place in self.objects if re.fullmatch("/api/v1/namespaces/[^/]+", place)}

    def seed(self, name: str, run: str, *, age_s: float = 0, asking: bool | None = None) -> str:
        """Add a namespace as if another run had made it; its UID."""
        labels = {"app.kubernetes.io/managed-by": "hairpin", "hairpin/run": run}
        at = now(age_s)
        uid = str(uuid.uuid4())
        metadata = {"name": name, "uid": uid, "creationTimestamp": at, "labels": labels}
        self.objects[f"/api/v1/namespaces/{name}"] = {
            "metadata": metadata | {"annotations": {"hairpin.local/owner": "me"}}
        }
        if asking is not None:
            renewed = now(0 if asking else 60)
            lease = {"name": "run", "managedFields": [{"manager": "x", "time": renewed}]}
            place = f"/apis/coordination.k8s.io/v1/namespaces/{name}/leases/run"
            self.objects[place] = {"metadata": lease, "spec": {"renewTime": renewed[:-1] + ".000000Z"}}
        return uid


def now(ago_s: float = 0) -> str:
    return (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=ago_s)).strftime("%Y-%m-%dT%H:%M:%SZ")


def running(number: int, pod: dict[str, Any], nodes: dict[str, int]) -> dict[str, Any]:
    """The status of a pod that is Ready, on a node of the lab's address plan."""
    name, hosted = pod["spec"]["nodeName"], pod["spec"].get("hostNetwork")
    node = nodes.get(name) or name.removeprefix("n")
    return {
        "phase": "Running",
        "podIP": f"198.18.1.1{node}" if hosted else f"10.244.{node}.{number}",
        "startTime": now(),
        "conditions": [{"type": "Ready", "status": "True"}],
    }


@contextmanager
def serve(api: Api, folder: Path) -> Iterator[Path]:
    """The API on a free port of loopback; the kubeconfig's file."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def _reply(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length)
            path, _, query = self.path.partition("?")
            raw = api.answer(self.command, path, query, json.loads(text) if text else None)
            self.send_response(raw.status)
            self.send_header("Content-Type", raw.kind)
            self.send_header("Content-Length", str(len(raw.body)))
            self.end_headers()
            self.wfile.write(raw.body)

        do_GET = do_POST = do_DELETE = do_PATCH = _reply  # noqa: N815 - the names http.server wants

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.port = server.server_port
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    path = folder / "kubeconfig"
    path.write_text(CONFIG.format(port=api.port), encoding="utf-8")
    try:
        yield path
    finally:
        server.shutdown()
        server.server_close()

"""An admission webhook: it refuses hostNetwork pods, and adds a container to the pods of app web.

Runs on a lab's control plane: `python -m tests.lab.support.webhook CERT KEY`. It prints one line once it listens, and
ends with its standard input.
"""

from __future__ import annotations

import base64
import json
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORT = 9443
SIDECAR = "istio-proxy"
REASON = "no pod on the host network"


def review(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the response to the creation of this pod."""
    if pod["spec"].get("hostNetwork"):
        return {"allowed": False, "status": {"message": REASON}}
    if pod["metadata"]["labels"].get("hairpin/app") != "web":
        return {"allowed": True}
    sidecar = {**pod["spec"]["containers"][0], "name": SIDECAR, "command": ["/agnhost", "pause"], "args": []}
    sidecar.pop("readinessProbe", None)
    patch = [{"op": "add", "path": "/spec/containers/-", "value": sidecar}]
    return {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}


class Handler(BaseHTTPRequestHandler):
    """Answers an AdmissionReview."""

    def do_POST(self) -> None:
        """Review the pod of the request."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        response = {"uid": asked["request"]["uid"], **review(asked["request"]["object"])}
        body = json.dumps({"apiVersion": asked["apiVersion"], "kind": asked["kind"], "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(certificate: str, key: str) -> None:
    """Serve until the standard input ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("0.0.0.0", PORT), Handler)  # noqa: S104 - all addresses of a network namespace of ours
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("listens", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])

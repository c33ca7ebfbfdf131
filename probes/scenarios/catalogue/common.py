"""What several scenarios share: the web backends, which no scenario changes, and short names of rows."""

from __future__ import annotations

from typing import Any

from probes.scenarios.model import Backing

WEB = (Backing("web-1", "web"), Backing("web-2", "web", second=True))

POD_SERVED = "clusterip-pod-reaches-ready"
NODE_SERVED = "clusterip-node-reaches-ready"
POD_REFUSED = "clusterip-without-endpoints-refuses-pods"


def service(name: str, app: str, **fields: object) -> dict[str, Any]:
    """Return the declaration of a Service."""
    return {"name": name, "app": app, **fields}

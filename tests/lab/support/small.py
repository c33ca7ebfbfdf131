"""lab-small under another name: its topology, a command on one of its hosts, a call of its API server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from topologies.common.subprocesses import run
from topologies.lab.control_plane.kubeconfigs import token
from topologies.lab.sandbox import Sandbox, locate
from topologies.loading.load import load

if TYPE_CHECKING:
    from topologies.schema.topology import Topology


def named(name: str, **more: object) -> Topology:
    return load("lab-small").model_copy(update={"name": name, **more})


def inside(name: str, host: str, *argv: str) -> str:
    """Return what a command printed on a host of the lab; ProcessError if it failed."""
    return run(Sandbox.find(name).enter_command(host, argv), timeout=30)


def api(name: str, method: str, path: str, body: object = None) -> dict[str, object]:
    """Call the lab's API server, with curl on `cp`."""
    state = locate(name)
    argv = ["curl", "-sS", "--fail", "--cacert", f"{state.pki}/ca.crt", "-X", method, f"https://198.18.1.10:6443{path}"]
    argv += ["-H", f"Authorization: Bearer {token('admin')}", "-H", "Content-Type: application/json"]
    return dict(json.loads(inside(name, "cp", *argv, *(["-d", json.dumps(body)] if body else []))))

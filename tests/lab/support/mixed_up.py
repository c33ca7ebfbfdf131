"""Connect from one client port to a NodePort, then to each endpoint.

Runs inside a lab: `python -m tests.lab.support.mixed_up TOPOLOGY PORT`.

Prints JSON: `node_port`, whether n2's question at a NodePort of n1 was answered; `same` and `other`, for each endpoint
of the Service whether it answered at its own address, asked from that client port and from the next one.
"""

from __future__ import annotations

import json
import secrets
import sys
from typing import TYPE_CHECKING

from probes import session
from tests.lab.support.mutated import There, tell
from topologies.loading.load import load

if TYPE_CHECKING:
    from probes.session import Answers

SERVICE = "web-np-local"
CLIENT = """
import socket, sys
port, host, to = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with socket.socket() as asking:
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    asking.bind(("0.0.0.0", port))
    asking.settimeout(4)
    try:
        asking.connect((host, to))
        asking.sendall(b"GET /hostname HTTP/1.0\\r\\n\\r\\n")
        print(asking.recv(12).decode())
    except TimeoutError:
        print("timeout")
"""


def main(name: str, port: int) -> None:
    """One line on stdout."""
    topology = load(name)
    there = There(topology, secrets.token_hex(8))
    told: dict[str, object] = {}

    def answered(client: int, host: object, to: object) -> bool:
        return there.on("n2", sys.executable, "-c", CLIENT, str(client), str(host), str(to)).startswith("HTTP/1")

    def ask(known: Answers) -> None:
        state = known.snapshot.services[SERVICE]
        told["node_port"] = answered(port, topology.cni.bridge_address_of(topology.node("n1")), state.node_port)
        told["same"] = [answered(port, endpoint.address, endpoint.port) for endpoint in state.endpoints]
        told["other"] = [answered(port + 1, endpoint.address, endpoint.port) for endpoint in state.endpoints]

    options = session.Options(connect_timeout=4, settle_timeout=180)
    session.conduct(topology, [], there.run, options, progress=tell, before_asking=ask)
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

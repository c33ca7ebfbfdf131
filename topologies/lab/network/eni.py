"""A CNI plugin like those of clouds: a pod has an address of the VPC, and the host's end of its veth pair has none.

    hairpin-eni        started by containerd: CNI_COMMAND etc. in the environment, configuration on stdin

The pod's only neighbour is 169.254.1.1, with a static neighbour entry; the host has one route for each pod. All packets
of a pod pass the host's routing, hence kube-proxy's rules. Nothing is masqueraded. Addresses come from the `host-local`
plugin. Standard library only: it starts once for each pod.

Source: CNI specification 0.4; terway's and calico's veth drivers.
"""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from topologies.common.subprocesses import ProcessError, run

GATEWAY = "169.254.1.1"
VERSIONS = {"cniVersion": "0.4.0", "supportedVersions": ["0.3.1", "0.4.0"]}
FAILED = 100


def main() -> None:
    """Run CNI_COMMAND; print a failure in the form of the specification."""
    command, given = os.environ["CNI_COMMAND"], sys.stdin.read()
    try:
        answer = {"ADD": add, "DEL": delete, "CHECK": check, "VERSION": version}[command](given)
    except (ProcessError, KeyError, ValueError) as error:
        answer = {"cniVersion": "0.4.0", "code": FAILED, "msg": str(error)}
        print(json.dumps(answer))  # noqa: T201 - the answer
        sys.exit(1)
    if answer:
        print(json.dumps(answer))  # noqa: T201 - the answer


def add(given: str) -> dict[str, Any]:
    """Create a veth pair, configure the pod's end, and return the CNI result."""
    leased = json.loads(address_plugin(given))
    address = leased["ips"][0]["address"].partition("/")[0]
    name, mtu = host_side(os.environ["CNI_CONTAINERID"]), str(json.loads(given)["mtu"])
    inside = ("nsenter", f"--net={os.environ['CNI_NETNS']}", "ip")
    card = os.environ["CNI_IFNAME"]
    run([*inside, "link", "add", card, "mtu", mtu, "type", "veth", "peer", "name", name, "netns", str(os.getpid())])
    run(["ip", "link", "set", name, "mtu", mtu, "up"])
    run(["ip", "route", "replace", f"{address}/32", "dev", name, "scope", "link"])
    run([*inside, "-batch", "-"], stdin=pod_side(address, card, mac(name)))
    return result(json.loads(given)["cniVersion"], address, card, name)


def delete(given: str) -> None:
    """Release the address and delete the veth pair, unless it went with the pod's namespace."""
    address_plugin(given)
    with suppress(ProcessError):
        run(["ip", "link", "delete", host_side(os.environ["CNI_CONTAINERID"])])


def check(given: str) -> None:
    """Raise ProcessError if the host's end is gone."""
    address_plugin(given)
    run(["ip", "link", "show", host_side(os.environ["CNI_CONTAINERID"])])


def version(_: str) -> dict[str, Any]:
    """Return the supported versions of the specification."""
    return VERSIONS


def host_side(container: str) -> str:
    """Return the name of the host's end: `veth` and eight hexadecimal digits, as other plugins name it."""
    return f"veth{sha256(container.encode()).hexdigest()[:8]}"


def pod_side(address: str, card: str, gateway_mac: str) -> str:
    """Return the `ip -batch` commands in the pod: one /32 address, everything routed to the gateway."""
    return "\n".join(
        [
            f"address add {address}/32 dev {card}",
            f"link set {card} up",
            f"neighbour replace {GATEWAY} lladdr {gateway_mac} dev {card} nud permanent",
            f"route add {GATEWAY}/32 dev {card} scope link",
            f"route add default via {GATEWAY} dev {card} src {address}",
            "",
        ]
    )


def result(cni_version: str, address: str, card: str, host_card: str) -> dict[str, Any]:
    """Return the result of ADD."""
    cards = [{"name": host_card}, {"name": card, "sandbox": os.environ["CNI_NETNS"]}]
    own = {"version": "4", "address": f"{address}/32", "gateway": GATEWAY, "interface": 1}
    return {"cniVersion": cni_version, "interfaces": cards, "ips": [own], "routes": [{"dst": "0.0.0.0/0"}], "dns": {}}


def mac(card: str) -> str:
    """Return the MAC address of the host's end."""
    return str(re.findall(r"link/ether (\S+)", run(["ip", "-o", "link", "show", card]))[0])


def address_plugin(given: str) -> str:
    """Return the answer of the `host-local` plugin to the same command and configuration."""
    return run([str(Path(os.environ["CNI_PATH"].partition(":")[0]) / "host-local")], stdin=given)


if __name__ == "__main__":
    main()

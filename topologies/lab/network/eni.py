"""A CNI plugin as clouds' are: a pod has an address of the network's own, and the host's side of its card has none.

    hairpin-eni        started by containerd: CNI_COMMAND and its like in the environment, configuration on stdin

The pod's only neighbour is 169.254.1.1, whose MAC it is told; the host has one route per pod. All that a pod sends
passes the host's routing, so kube-proxy's rules see it, and nobody masquerades. Addresses come from the `host-local`
plugin. Standard library only: it starts once per pod.

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
    """Do what CNI_COMMAND says; a failure is told as the specification wants it."""
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
    """A pair of cards, the pod's side configured; the CNI result."""
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
    """Give the address back; the cards went with the pod's namespace, or go now. Nothing left is fine."""
    address_plugin(given)
    with suppress(ProcessError):
        run(["ip", "link", "delete", host_side(os.environ["CNI_CONTAINERID"])])


def check(given: str) -> None:
    """ProcessError if the host's side is gone."""
    address_plugin(given)
    run(["ip", "link", "show", host_side(os.environ["CNI_CONTAINERID"])])


def version(_: str) -> dict[str, Any]:
    """The versions of the specification it speaks."""
    return VERSIONS


def host_side(container: str) -> str:
    """The name of the host's side: as other plugins', `veth` and eight hexadecimal digits, of the container's id."""
    return f"veth{sha256(container.encode()).hexdigest()[:8]}"


def pod_side(address: str, card: str, gateway_mac: str) -> str:
    """What `ip -batch` does in the pod: its address alone, and everything by the gateway."""
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


def result(spoken: str, address: str, card: str, host_card: str) -> dict[str, Any]:
    """The answer to ADD."""
    cards = [{"name": host_card}, {"name": card, "sandbox": os.environ["CNI_NETNS"]}]
    own = {"version": "4", "address": f"{address}/32", "gateway": GATEWAY, "interface": 1}
    return {"cniVersion": spoken, "interfaces": cards, "ips": [own], "routes": [{"dst": "0.0.0.0/0"}], "dns": {}}


def mac(card: str) -> str:
    """The host's side's hardware address."""
    return str(re.findall(r"link/ether (\S+)", run(["ip", "-o", "link", "show", card]))[0])


def address_plugin(given: str) -> str:
    """What `host-local` answers to the same command and configuration."""
    return run([str(Path(os.environ["CNI_PATH"].partition(":")[0]) / "host-local")], stdin=given)


if __name__ == "__main__":
    main()

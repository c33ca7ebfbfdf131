"""A CNI plugin like those of clouds and Calico: the host's end of a pod's veth pair has no address.

    hairpin-eni        started by containerd: CNI_COMMAND etc. in the environment, configuration on stdin

The pod's only neighbour is its gateway, with a static neighbour entry; the host has one route for each pod. All packets
of a pod pass the host's routing, hence kube-proxy's rules. Nothing is masqueraded. Addresses come from the `host-local`
plugin. Standard library only: it starts once for each pod. The configuration has these keys:

`mtu`
    Of both ends.
`gateway`
    The gateway's address. Default: 169.254.1.1, which no device has. The host's end has a given one, as with `ptp`.
`bridge`, `hairpin`
    The bridge to which the host's end belongs, and its port's hairpin mode. The bridge has no address. Pods of one node
    reach each other through the bridge.

Source: CNI specification 0.4; terway's and calico's veth drivers; containernetworking plugins/main/ptp.
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
    """Create a veth pair, configure both ends, and return the CNI result."""
    configuration = json.loads(given)
    leased = json.loads(address_plugin(given))["ips"][0]["address"]
    name, mtu = host_side(os.environ["CNI_CONTAINERID"]), str(configuration["mtu"])
    inside = ("nsenter", f"--net={os.environ['CNI_NETNS']}", "ip")
    card = os.environ["CNI_IFNAME"]
    run([*inside, "link", "add", card, "mtu", mtu, "type", "veth", "peer", "name", name, "netns", str(os.getpid())])
    run(["ip", "link", "set", name, "mtu", mtu, "up"])
    for command in host_commands(leased, name, configuration):
        run(["ip", *command])
    bridge, gateway = configuration.get("bridge"), configuration.get("gateway", GATEWAY)
    run([*inside, "-batch", "-"], stdin=pod_side(leased, card, gateway, mac(bridge or name), on_link=bool(bridge)))
    return result(configuration["cniVersion"], leased.partition("/")[0], card, name)


def host_commands(leased: str, name: str, configuration: dict[str, Any]) -> list[list[str]]:
    """Return the arguments of `ip` that connect the host's end: a port of the bridge, or a route to the pod."""
    if bridge := configuration.get("bridge"):
        mode = "on" if configuration.get("hairpin") else "off"
        port = ["link", "set", name, "type", "bridge_slave", "hairpin", mode]
        return [["link", "set", name, "master", bridge], port]
    gateway = configuration.get("gateway")
    own = [["address", "add", f"{gateway}/32", "dev", name]] if gateway else []
    return [*own, ["route", "replace", f"{leased.partition('/')[0]}/32", "dev", name, "scope", "link"]]


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


def pod_side(leased: str, card: str, gateway: str, gateway_mac: str, *, on_link: bool = False) -> str:
    """Return the `ip -batch` commands in the pod: its address, everything routed to the gateway.

    Args:
        leased: The pod's address with the prefix of its range.
        card: The pod's interface.
        gateway: The gateway's address.
        gateway_mac: The MAC address that stands for it.
        on_link: Whether the pod reaches its range directly; else its address is a /32.

    """
    address = leased.partition("/")[0]
    return "\n".join(
        [
            f"address add {leased if on_link else f'{address}/32'} dev {card}",
            f"link set {card} up",
            f"neighbour replace {gateway} lladdr {gateway_mac} dev {card} nud permanent",
            f"route add {gateway}/32 dev {card} scope link",
            f"route add default via {gateway} dev {card} src {address}",
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

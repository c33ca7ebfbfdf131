"""The rows of the truth table: a kube-proxy under a control plane, its mode, a lab, and what else is declared.

A kube-proxy of another version than the control plane runs as in a cluster whose upgrade is half done.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NEWEST = "1.37.2"
FLANNEL = "lab-flannel"
NETWORKS = (FLANNEL, "lab-routed", "lab-eni", "lab-tunnel")
STATES = "lab-endpoint-states"
IN_GUEST = ("lab-ipvs-flannel", "lab-ipvs-eni", "lab-ipvs-tunnel")
"""The labs whose kernel has IPVS."""
CONTRACT = "lab-contract"
SLOW_KERNEL = ("patience={connect: 5, settle: 180, together: 2}", "lab={icmp_ratelimit: 0}")
"""What the labs of IN_GUEST declare for the guest's kernel, for a lab that is made for the machine's."""
IPTABLES, NFTABLES, IPVS = "iptables", "nftables", "ipvs"
NFTABLES_SINCE = 29  # minor version
OLDER = (
    *("1.36.3", "1.34.4", "1.33.13", "1.32.13", "1.31.0", "1.30.14", "1.29.15", "1.28.15", "1.27.16"),
    *("1.24.17", "1.23.17"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One live run. `flags`: further overrides of the topology, such as `proxy.masquerade_all=true`."""

    version: str
    mode: str
    topology: str = FLANNEL
    kubernetes: str = NEWEST
    flags: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """`1.34.4-nftables-lab-flannel`, followed by the flags of kube-proxy."""
        named = [flag.removeprefix("proxy.") for flag in self.named_flags]
        flags = [re.sub(r"[^a-z0-9.]+", "-", flag).strip("-") for flag in named]
        return "-".join([self.version, self.mode, self.topology, *flags])

    @property
    def named_flags(self) -> tuple[str, ...]:
        """The flags that change a data plane."""
        return tuple(flag for flag in self.flags if flag not in SLOW_KERNEL)

    @property
    def place(self) -> str:
        """The run's name among those that confirm a rule: `nftables 1.34.4 lab-flannel`, followed by the flags."""
        return " ".join([self.mode, self.version, self.topology, *self.named_flags])

    @property
    def overrides(self) -> tuple[str, ...]:
        """What `--with` gets."""
        own = () if self.version == self.kubernetes else (f"proxy.version={self.version}",)
        return (f"kubernetes={self.kubernetes}", f"proxy.mode={self.mode}", *own, *self.flags)


def modes(version: str) -> tuple[str, ...]:
    """Return the modes of a version that run on the machine's kernel."""
    return (IPTABLES, NFTABLES) if int(version.split(".")[1]) >= NFTABLES_SINCE else (IPTABLES,)


PROXIED = "proxy.localhost_nodeport_proxy=true"  # KEP-6032
FLAGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (IPTABLES, ("proxy.masquerade_all=true",)),
    (NFTABLES, ("proxy.masquerade_all=true",)),
    (IPTABLES, ("proxy.localhost_nodeports=false",)),
    (IPTABLES, ('proxy.node_port_addresses=["primary"]',)),
    (NFTABLES, (PROXIED,)),
    (NFTABLES, (PROXIED, 'proxy.node_port_addresses=["localhost","primary"]')),
    (NFTABLES, ('proxy.node_port_addresses=["all"]',)),
    (NFTABLES, ("proxy.allow_external_ips=false",)),
)
ROWS: tuple[Row, ...] = (
    *(Row(NEWEST, mode, network) for mode in modes(NEWEST) for network in NETWORKS),
    *(Row(NEWEST, IPVS, network) for network in IN_GUEST),
    *(Row(NEWEST, mode, flags=flags) for mode, flags in FLAGS),
    *(Row(version, mode) for version in OLDER for mode in modes(version)),
    *(Row(version, IPVS, IN_GUEST[0]) for version in OLDER),
    *(Row(NEWEST, mode, STATES) for mode in modes(NEWEST)),
    Row("1.24.17", IPTABLES, STATES),
    Row("1.20.2", IPTABLES, STATES, kubernetes="1.20.2"),
    *(Row("1.20.2", IPTABLES, network, kubernetes="1.20.2") for network in NETWORKS),
    *(Row("1.20.2", IPVS, network, kubernetes="1.20.2") for network in IN_GUEST),
    *(Row(NEWEST, mode, CONTRACT) for mode in modes(NEWEST)),
    Row("1.20.2", IPTABLES, CONTRACT, kubernetes="1.20.2"),
    *(Row(version, IPVS, CONTRACT, kubernetes=version, flags=SLOW_KERNEL) for version in (NEWEST, "1.20.2")),
)

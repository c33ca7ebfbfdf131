"""Rules about kube-proxy: what each version can be configured to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.schema.complaints import Complaint, duplicates
from topologies.schema.enums import DetectLocal, ProxyMode
from topologies.schema.network import KEYS_OF_EVERY_KIND
from topologies.schema.scalars import PRIMARY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from topologies.schema.topology import Proxy, Topology, Version

PRIMARY_SINCE = (1, 31)  # kubernetes#123105: the word; 1.30 has the default of nftables mode only
BY_INTERFACE = (1, 24)  # kubernetes#95400
PRIMARY_BY_DEFAULT_SINCE = (1, 30)  # in nftables mode (kubernetes#122724)
WORDS_SINCE = (1, 37)  # kubernetes#138427: expandNodePortAddressKeywords in cmd/kube-proxy/app/server.go
LOCALHOST_PROXY_SINCE = (1, 37)  # KEP-6032
EXTERNAL_IPS_GATE_SINCE = (1, 36)  # KEP-5707
OLDEST, NEWEST, NFTABLES = (1, 20), (1, 37, 999_999), (1, 29)


def proxy(topology: Topology) -> Iterator[Complaint]:
    """Check the cluster's kube-proxy."""
    if not topology.proxy.is_kube_proxy:
        yield from _other_kind(topology)
        return
    if topology.lab is not None and topology.lab.data_plane:
        want = "no command: the lab starts kube-proxy. Declare another proxy.kind"
        yield Complaint("lab.data_plane", " ".join(topology.lab.data_plane), want)
    path = "proxy.version" if topology.proxy.version else "kubernetes"
    yield from _kube_proxy(topology.proxy, topology.proxy_version, "proxy", path)


def _other_kind(topology: Topology) -> Iterator[Complaint]:
    """Refuse everything that describes kube-proxy if another implementation serves Services."""
    kind = topology.proxy.kind
    want = f"no key but kind and node_port_addresses: {kind} is judged by the API's contract, not by kube-proxy's rules"
    if keys := sorted(topology.proxy.model_fields_set - KEYS_OF_EVERY_KIND):
        yield Complaint("proxy", ", ".join(keys), want)
    if unknown := sorted(path for path in topology.unknown if "proxy." in path):
        yield Complaint("unknown", ", ".join(unknown), want)
    for index, node in enumerate(topology.nodes):
        if node.proxy is not None:
            yield Complaint(f"nodes[{index}].proxy", ", ".join(sorted(node.proxy.model_fields_set)), want)
    if topology.lab is not None and not topology.lab.data_plane:
        yield Complaint("proxy.kind", str(kind), "kube-proxy, or the command of another data plane in lab.data_plane")


def node_proxies(topology: Topology) -> Iterator[Complaint]:
    """Check each node's own kube-proxy with the keys that it takes from the cluster."""
    for index, node in enumerate(topology.nodes):
        if node.proxy is not None and "kind" in node.proxy.model_fields_set:
            want = "no key: what serves Services is declared once, in proxy.kind"
            yield Complaint(f"nodes[{index}].proxy.kind", str(node.proxy.kind), want)
        elif node.proxy is not None and topology.proxy.is_kube_proxy:
            place = f"nodes[{index}].proxy"
            version = topology.proxy_version_of(node.name)
            yield from _kube_proxy(topology.proxy_of(node.name), version, place, f"{place}.version")


def _kube_proxy(proxy: Proxy, version: Version, place: str, version_path: str) -> Iterator[Complaint]:
    if not OLDEST <= version <= NEWEST:
        yield Complaint(version_path, str(version), "1.20 … 1.37: no rule outside that range has been read")
    elif proxy.mode is ProxyMode.NFTABLES and version < NFTABLES:
        yield Complaint(f"{place}.mode", f"nftables with {version}", "1.29 or newer (KEP-3866)")
    by = proxy.detect_local
    if by in {DetectLocal.BRIDGE_INTERFACE, DetectLocal.INTERFACE_NAME_PREFIX} and OLDEST <= version < BY_INTERFACE:
        yield Complaint(f"{place}.detect_local", f"{by} with {version}", "1.24 or newer (kubernetes#95400)")
    yield from _node_port_addresses(proxy, version, f"{place}.node_port_addresses")
    yield from _feature_gates(proxy, version, place)


def _feature_gates(proxy: Proxy, version: Version, place: str) -> Iterator[Complaint]:
    if proxy.localhost_nodeport_proxy and version < LOCALHOST_PROXY_SINCE:
        yield Complaint(f"{place}.localhost_nodeport_proxy", f"true with {version}", "1.37 or newer (KEP-6032)")
    if not proxy.allow_external_ips and version < EXTERNAL_IPS_GATE_SINCE:
        yield Complaint(f"{place}.allow_external_ips", f"false with {version}", "1.36 or newer (KEP-5707)")


def _node_port_addresses(proxy: Proxy, version: Version, path: str) -> Iterator[Complaint]:
    """Check ranges and words. Until 1.36 kube-proxy takes `primary` alone (validateKubeProxyNodePortAddress)."""
    given = proxy.node_port_addresses
    words = [one for one in given if isinstance(one, str)]
    newer = [one for one in words if one != PRIMARY]
    if version >= WORDS_SINCE:
        yield from duplicates(path, given)
        return
    if newer:
        yield Complaint(path, f"{newer[0]} with {version}", "1.37 or newer (kubernetes#138427)")
    elif proxy.names_primary and len(given) > 1:
        got = ", ".join(map(str, given[:4]))
        yield Complaint(path, f"[{got}]", "[primary] alone, or ranges: kube-proxy refuses a mixed list")
    elif proxy.names_primary and version < PRIMARY_SINCE:
        yield Complaint(path, f"{PRIMARY} with {version}", "1.31 or newer (kubernetes#123105)")
    yield from duplicates(path, [one for one in given if one not in words])

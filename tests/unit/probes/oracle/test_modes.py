"""Rules in versions, networks and flags that no recording covers, in the world of the recordings."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from probes.observation import Outcome
from probes.oracle.address_names import AddressNames
from probes.oracle.predict import predict
from probes.plan.cell import Cell
from tests.unit.support.observed_world import CLIENTS, TARGETS, snapshot_like, world_of
from topologies.frontends import At, Frontend, FrontendKind
from topologies.schema.topology import Vantage

FLANNEL, BARE = {"kind": "flannel-vxlan"}, {"kind": "tunnel"}
EGRESS, GUARDED = {"kind": "tunnel", "masquerade": "egress"}, {"kind": "tunnel", "anti_spoof": True}
ROUTED, ENI = {"kind": "routed"}, {"kind": "eni"}
NETWORKS: dict[str, dict[str, Any]] = {"F": FLANNEL, "O": BARE, "E": EGRESS, "G": GUARDED, "R": ROUTED, "N": ENI}
STRICT, NO_KUBELET, SWITCHED = {"rp_filter": 1}, {"kubelet_rules": False}, {"bridge_nf_call_iptables": False}
FLAGS: dict[str, dict[str, dict[str, Any]]] = {
    "": {},
    "strict": {"kernel": STRICT},
    "no kubelet": {"kernel": NO_KUBELET},
    "switched": {"kernel": SWITCHED},
    "masq all": {"proxy": {"masquerade_all": True}},
    "no cidr": {"proxy": {"detect_local": "none"}},
    "cidr only": {"proxy": {"node_port_addresses": ["10.244.0.0/16"]}},
    "all": {"proxy": {"node_port_addresses": ["all"]}},
    "localhost": {"proxy": {"node_port_addresses": ["localhost"]}},
    "both": {"proxy": {"node_port_addresses": ["primary", "localhost"]}},
    "gate": {"proxy": {"localhost_nodeport_proxy": True}},
    "gate all": {"proxy": {"localhost_nodeport_proxy": True, "node_port_addresses": ["all"]}},
    "gate both": {"proxy": {"localhost_nodeport_proxy": True, "node_port_addresses": ["primary", "localhost"]}},
    "gate cidr": {"proxy": {"localhost_nodeport_proxy": True, "node_port_addresses": ["127.0.0.0/8"]}},
    "no xip": {"proxy": {"allow_external_ips": False}},
}
TABLE = """
# rules      mode     from to   net flags      client service target               must be
R0.14        ipvs     1.20 1.25 F   -          n1     pod-c   ClusterIP:undeclared listener-n1 from ClusterIP of pod-c
R2.1         iptables 1.20 1.37 F   -          c1     pod-l   ClusterIP            pod-b from c1
R2.2         iptables 1.20 1.37 F   masq_all   c1     pod-c   ClusterIP            pod-b from vtep of n1
R2.2         ipvs     1.20 1.37 R   masq_all   c1     pod-c   ClusterIP            pod-b from primary of n1
R2.2         nftables 1.29 1.37 N   masq_all   c2     pod-c   ClusterIP            pod-b from primary of n2
R2.2         ipvs     1.20 1.37 F   masq_all   c1     host-c  ClusterIP            host-b from primary of n1
R2.4         ipvs     1.20 1.37 R   no_cidr    n1     pod-c   ClusterIP            pod-b from primary of n1
R2.4         ipvs     1.20 1.37 R   no_cidr    c1     pod-c   ClusterIP            pod-b from c1
R2.5         iptables 1.20 1.37 O   no_cidr    n1     pod-c   ClusterIP            pod-b from primary of n1
R2.5         nftables 1.29 1.37 R   no_cidr    n2     pod-c   ClusterIP            pod-b from primary of n2
R3.1         iptables 1.20 1.20 F   -          n1     xip-c   ExternalIP           REAL-LB from primary of n1
R3.2         iptables 1.20 1.20 R   -          c1     xip-l   ExternalIP           REAL-LB from c1
R3.2,R4.1    iptables 1.20 1.20 N   -          c1     xip-l   ExternalIP           pod-b from c1
R3.2         iptables 1.20 1.20 N   -          c1     xip-c   ExternalIP           pod-b from primary of n1
R3.4         iptables 1.21 1.23 F   -          c1     xip-c   ExternalIP           pod-b from c1
R3.4         iptables 1.21 1.23 F   no_cidr    c1     xip-c   ExternalIP           pod-b from vtep of n1
R3.5         iptables 1.24 1.37 F   -          c1     xip-c   ExternalIP           pod-b from vtep of n1
R3.5         nftables 1.29 1.37 R   -          c1     xip-c   ExternalIP           pod-b from primary of n1
R4.1         nftables 1.29 1.37 R   -          c1     pod-l   LB                   pod-b from c1
R4.5         nftables 1.29 1.37 R   no_cidr    c1     pod-l   LB                   timeout
R4.10        iptables 1.20 1.24 R   no_cidr    c1     pod-l   LB                   REAL-LB from c1
R4.5         iptables 1.25 1.37 R   no_cidr    c1     pod-l   LB                   timeout
R4.4         iptables 1.20 1.24 F   -          ext    pod-l   NodePort@n1          timeout
R4.4         iptables 1.24 1.24 F   no_kubelet ext    pod-l   NodePort@n1          refused
R4.5         iptables 1.25 1.37 F   no_kubelet ext    pod-l   NodePort@n1          timeout
R4i.2        ipvs     1.20 1.23 N   -          c1     pod-l   LB                   refused
R4i.2        ipvs     1.20 1.23 O   -          ext    host-l  NodePort@n1          refused
R4i.3        ipvs     1.24 1.37 N   -          n1     pod-l   NodePort@n1          pod-b from primary of n1
R4i.3        ipvs     1.24 1.37 N   -          c1     pod-l   LB                   pod-b from c1
R4i.3,R11.9  ipvs     1.24 1.37 N   -          n1     pod-l   LB                   timeout
R4i.3,R11.8  ipvs     1.24 1.37 N   -          ext    pod-l   NodePort@n1          timeout
R4i.3,R10.4  ipvs     1.24 1.37 F   -          ext    pod-l   NodePort@n1          pod-b from vtep of n1
R4i.3,R11.9  ipvs     1.24 1.37 E   -          n1     pod-l   LB                   timeout
R4i.3        ipvs     1.24 1.37 O   -          n1     pod-l   NodePort@n1          pod-b from primary of n1
R11.4        ipvs     1.24 1.37 O   strict     n1     pod-l   NodePort@n1          timeout
R11.4        ipvs     1.24 1.37 G   -          n1     pod-l   NodePort@n1          timeout
R11.4        ipvs     1.24 1.37 F   strict     n1     pod-l   NodePort@n1          pod-b from vtep of n1
R4i.1        ipvs     1.20 1.37 N   -          n2     pod-l   LB                   pod-b from LB IP of pod-l
R4i.1        ipvs     1.20 1.37 N   -          b      pod-l   LB                   pod-b from primary of n2
R5.1         nftables 1.29 1.33 R   -          n1     pod-l   LB                   timeout
R5.1         nftables 1.34 1.37 R   -          n1     pod-l   LB                   pod-b from primary of n1
R5.2         nftables 1.29 1.29 F   -          n1     pod-l   NodePort@n1          timeout
R5.2         nftables 1.30 1.37 F   -          n1     pod-l   NodePort@n1          pod-b from vtep of n1
R6.1         iptables 1.22 1.23 F   -          c1     itp-cip ClusterIP            refused
R6.1         iptables 1.22 1.23 F   -          ext    itp-lb  NodePort@n1          refused
R6.1         iptables 1.22 1.23 F   -          n1     itp-lb  LB                   REAL-LB from primary of n1
R6.1         iptables 1.22 1.23 F   -          c1     itp-lbl ClusterIP            pod-b from c1
R6.4         iptables 1.24 1.24 F   -          n1     itp-cip ClusterIP            timeout
R6.4         iptables 1.24 1.24 F   -          c1     itp-cip ClusterIP            timeout or unreachable
R6.5         iptables 1.25 1.37 F   -          c1     itp-cip ClusterIP            timeout
R6.5         nftables 1.29 1.37 F   -          n1     itp-lb  ClusterIP            timeout
R6.6         ipvs     1.22 1.23 F   -          n1     itp-cip ClusterIP            refused
R6.6         ipvs     1.22 1.23 F   -          c1     itp-lb  LB                   refused
R6.6         ipvs     1.22 1.23 F   -          c1     itp-lbl ClusterIP            refused
R6.6         ipvs     1.22 1.23 F   -          ext    itp-lb  NodePort@n2          pod-b from cni0 of n2
R6.8         ipvs     1.24 1.37 F   -          n1     itp-cip ClusterIP            refused
R6.9         ipvs     1.24 1.37 F   -          n1     itp-lb  ClusterIP            pod-b from vtep of n1
R2.1         ipvs     1.20 1.21 F   -          n1     itp-cip ClusterIP            pod-b from vtep of n1
R7           iptables 1.20 1.37 F   -          n1     pod-l   localhost:NodePort   pod-b from vtep of n1
R7.10        ipvs     1.20 1.21 F   -          n1     pod-c   localhost:NodePort   timeout
R7.10        ipvs     1.20 1.21 F   -          n2     host-l  localhost:NodePort   host-b from 127.0.0.1
R7.10        ipvs     1.20 1.21 F   -          n2     host-c  localhost:NodePort   host-b from primary of n2
R1.3         ipvs     1.20 1.21 F   -          n1     noep-c  localhost:NodePort   refused
R7.7         ipvs     1.22 1.23 F   -          n1     noep-l  localhost:NodePort   hang
R7.8         ipvs     1.24 1.37 F   -          n2     host-l  localhost:NodePort   refused
R7.6         ipvs     1.22 1.25 F   -          n2     host-c  localhost:NodePort   timeout
R7.7         ipvs     1.22 1.23 F   no_kubelet n2     host-c  localhost:NodePort   hang
R7.8         ipvs     1.24 1.37 F   no_kubelet n2     host-c  localhost:NodePort   refused
R7.8         ipvs     1.26 1.37 F   -          n2     host-c  localhost:NodePort   refused
R7.9         ipvs     1.20 1.37 F   cidr_only  ext    pod-c   NodePort@n1          refused
R7.3         nftables 1.29 1.37 F   -          n1     pod-l   localhost:NodePort   refused
R7.4         nftables 1.29 1.29 F   -          n1     pod-c   NodePort@own-cni0    pod-b from vtep of n1
R7.4         nftables 1.30 1.37 F   -          n1     pod-c   NodePort@own-cni0    refused
R7.5         nftables 1.29 1.37 F   cidr_only  ext    pod-c   NodePort@n1          refused
R7.5         nftables 1.29 1.37 F   cidr_only  n1     pod-c   NodePort@own-cni0    pod-b from vtep of n1
R7.3         nftables 1.37 1.37 F   both       n1     pod-c   localhost:NodePort   refused
R7.3         nftables 1.37 1.37 F   all        n1     pod-c   localhost:NodePort   refused
R7.4         nftables 1.37 1.37 F   all        n1     pod-c   NodePort@own-cni0    pod-b from vtep of n1
R7.5         nftables 1.37 1.37 F   both       n1     pod-c   NodePort@own-cni0    refused
R7.5         nftables 1.37 1.37 F   both       ext    pod-c   NodePort@n1          pod-b from vtep of n1
R7.5         nftables 1.37 1.37 F   localhost  ext    pod-c   NodePort@n1          refused
R7           iptables 1.37 1.37 F   localhost  n1     pod-c   localhost:NodePort   pod-b from vtep of n1
R7.2         iptables 1.37 1.37 F   localhost  ext    pod-c   NodePort@n1          refused
R7.2         iptables 1.37 1.37 F   both       ext    pod-c   NodePort@n1          pod-b from vtep of n1
R7.9         ipvs     1.37 1.37 F   localhost  ext    pod-c   NodePort@n1          refused
R7.8         ipvs     1.37 1.37 F   both       n1     pod-c   localhost:NodePort   refused
R7.13        nftables 1.37 1.37 F   gate_both  n1     pod-c   localhost:NodePort   pod-b from vtep of n1
R7.13        nftables 1.37 1.37 F   gate_both  n2     pod-c   localhost:NodePort   pod-b from cni0 of n2
R7.13        nftables 1.37 1.37 R   gate_cidr  n1     pod-c   localhost:NodePort   pod-b from primary of n1
R7.13        nftables 1.37 1.37 F   gate_both  n1     host-c  localhost:NodePort   host-b from primary of n1
R7.13        nftables 1.37 1.37 F   gate_both  n2     host-l  localhost:NodePort   host-b from primary of n2
R7.13        nftables 1.37 1.37 F   gate_both  n2     pod-l   localhost:NodePort   pod-b from cni0 of n2
R7.13        nftables 1.37 1.37 F   gate_both  n1     pod-l   localhost:NodePort   refused
R7.13        nftables 1.37 1.37 F   gate_both  n1     noep-c  localhost:NodePort   refused
R7.13        nftables 1.37 1.37 F   gate_both  c1     pod-c   localhost:NodePort   refused
R7.13        nftables 1.37 1.37 F   gate_both  ext    pod-c   NodePort@n1          pod-b from vtep of n1
R7.13        nftables 1.37 1.37 F   gate_cidr  ext    pod-c   NodePort@n1          refused
R7.14        nftables 1.37 1.37 F   gate       n1     pod-c   localhost:NodePort   refused
R7.14        nftables 1.37 1.37 F   gate_all   n1     pod-c   localhost:NodePort   refused
R7.14        nftables 1.37 1.37 F   gate_all   n1     pod-c   NodePort@own-cni0    pod-b from vtep of n1
R7           iptables 1.37 1.37 F   gate_both  n1     pod-l   localhost:NodePort   pod-b from vtep of n1
R3.6         iptables 1.36 1.37 F   no_xip     n1     xip-c   ExternalIP           REAL-LB from primary of n1
R3.6         nftables 1.36 1.37 R   no_xip     c1     xip-c   ExternalIP           REAL-LB from c1
R3.6         ipvs     1.36 1.37 F   no_xip     n1     xip-c   ExternalIP           REAL-LB from primary of n1
R3.6         ipvs     1.36 1.37 F   no_xip     n1     xip-c   ExternalIP:undeclared REAL-LB from primary of n1
R8.1         iptables 1.20 1.37 F   -          n1     pod-c   LB:undeclared        REAL-LB from primary of n1
R8.1         nftables 1.29 1.37 R   -          c1     pod-c   LB:undeclared        REAL-LB from c1
R8.1         nftables 1.29 1.29 F   -          c1     pod-c   ClusterIP:undeclared timeout or unreachable
R8.4         nftables 1.30 1.37 F   -          c1     pod-c   ClusterIP:undeclared refused
R8.2         ipvs     1.20 1.25 F   -          c3     pod-c   LB:undeclared        listener-n3 from c3
R8.3         ipvs     1.26 1.37 F   -          c3     pod-c   LB:undeclared        refused
R8.5         ipvs     1.26 1.28 F   -          c2     xip-l   ExternalIP           refused
R8.5         ipvs     1.26 1.28 F   -          n2     xip-l   ExternalIP           pod-b from externalIP of xip-l
R8.5         ipvs     1.30 1.37 F   -          c2     xip-l   ExternalIP           pod-b from c2
R1.1         iptables 1.20 1.37 F   -          n1     noep-c  LB                   REAL-LB from primary of n1
R1.2         nftables 1.29 1.37 F   -          n1     noep-l  LB                   refused
R1.3         ipvs     1.20 1.37 O   -          n1     noep-l  LB                   refused
R10.1        iptables 1.20 1.37 N   -          b      pod-c   ClusterIP            pod-b from primary of n2
R10.1        iptables 1.20 1.37 R   -          b      pod-l   NodePort@n1          pod-b from primary of n1
R10.7        nftables 1.29 1.35 R   -          b      pod-l   NodePort@n1          pod-b from primary of n1
R10.8        nftables 1.36 1.37 R   -          b      pod-l   NodePort@n1          timeout
R10.8        ipvs     1.24 1.37 R   -          b      pod-l   NodePort@n1          timeout
R10.2        iptables 1.20 1.37 R   -          c1     host-c  NodePort@n2          host-b from c1
R10.2        ipvs     1.20 1.37 N   -          ext    host-c  NodePort@n2          host-b from ext
R10.5        nftables 1.29 1.37 E   -          c1     host-c  ClusterIP            host-b from primary of n1
R0.10        iptables 1.20 1.37 O   strict     c1     noep-c  NodePort@n2          timeout
R0.10        ipvs     1.20 1.37 G   -          c1     pod-c   NodePort@n2          timeout
R0.10        nftables 1.29 1.37 F   strict     c1     pod-c   NodePort@n2          pod-b from cni0 of n2
R0.10        ipvs     1.20 1.37 E   strict     c1     pod-c   NodePort@n2          pod-b from cni0 of n2
R11.3        iptables 1.20 1.37 O   strict     c1     host-c  ClusterIP            timeout
R11.3        ipvs     1.20 1.37 O   -          c1     host-c  ClusterIP            host-b from c1
R11.2        ipvs     1.20 1.37 R   switched   c2     pod-c   ClusterIP            timeout
R11.2        iptables 1.20 1.37 N   switched   c2     pod-c   ClusterIP            pod-b from c2
"""
ROWS = [line.split(maxsplit=9) for line in TABLE.strip().splitlines() if not line.startswith("#")]


@cache
def predict_result(mode: str, minor: int, network: str, flags: str, question: tuple[str, str, str]) -> str:
    """Return the prediction in the form of the table's last column."""
    client, service, target = question
    there = world_of(f"1.{minor}.0", NETWORKS[network], mode, **FLAGS[flags])
    kind, more = TARGETS.get(target, (FrontendKind.NODE_PORT, {"node": client, "at": At.BRIDGE}))
    cell = Cell(Vantage.model_validate({"name": client, **CLIENTS[client]}), Frontend(service, kind, **more))
    names, endings = AddressNames.of(there.topology, snapshot_like()), set()
    for path in predict(there, cell).paths:
        seen = {names.describe(address) for address in path.sources}
        words = {text.partition("(")[2].rstrip(")") or text for text in seen}
        endings.add(f"{path.backend} from {' '.join(words)}" if path.outcome is Outcome.OK else path.outcome.value)
    return " or ".join(sorted(endings))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row[:9]))
def test_every_version_does_what_its_rules_say(row: list[str]) -> None:
    _, mode, since, until, network, flags, *question, wanted = row
    text = "" if flags == "-" else flags.replace("_", " ")
    asked = question[0], question[1], question[2]
    for minor in range(int(since[2:]), int(until[2:]) + 1):
        assert predict_result(mode, minor, network, text, asked) == wanted.strip(), f"1.{minor}"


BACKPORTED = """
# rule, backport, mode, flags, client, service, target, last release without it: outcome, first release with it: outcome
R8.5 #121928 ipvs     -          c1  xip-l  ExternalIP         1.28.6  refused         1.28.7  ok
R8.5 #122323 ipvs     -          c1  xip-l  ExternalIP         1.29.1  refused         1.29.2  ok
R8.5 -       ipvs     -          c1  xip-l  ExternalIP         1.26.15 refused         1.30.0  ok
R5.1 #133969 nftables -          n1  pod-l  LB                 1.33.5  timeout         1.33.6  ok
R5.1 -       nftables -          n1  pod-l  LB                 1.32.13 timeout         1.34.0  ok
R7.7 #108888 ipvs     -          n1  noep-l localhost:NodePort 1.22.9  hang            1.22.10 refused
R7.7 #108885 ipvs     -          n1  noep-l localhost:NodePort 1.23.6  hang            1.23.7  refused
R7.7 #108888 ipvs     no_kubelet n1  pod-c  localhost:NodePort 1.22.9  hang            1.22.10 refused
R7.7 #108885 ipvs     no_kubelet n1  pod-c  localhost:NodePort 1.23.6  hang            1.23.17 refused
R4.9 #108896 iptables no_kubelet ext pod-l  NodePort@n1        1.21.12 hang_or_refused 1.21.13 refused
R4.9 #108888 iptables no_kubelet ext pod-l  NodePort@n1        1.22.9  hang_or_refused 1.22.10 refused
R4.9 #108885 iptables no_kubelet ext pod-l  NodePort@n1        1.23.6  hang_or_refused 1.23.7  refused
R4.9 -       iptables no_kubelet ext pod-l  NodePort@n1        1.20.15 hang_or_refused 1.24.0  refused
"""
FIXES = [line.split() for line in BACKPORTED.strip().splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("row", FIXES, ids=lambda row: f"{row[0]}-{row[1]}-{row[5]}-{row[-2]}")
def test_a_fix_in_a_patch_release_counts_from_it(row: list[str]) -> None:
    *_, mode, flags, client, service, target, before, was, after, now = row
    kind, more = TARGETS[target]
    cell = Cell(Vantage.model_validate({"name": client, **CLIENTS[client]}), Frontend(service, kind, **more))
    for version, wanted in ((before, was), (after, now)):
        there = world_of(version, FLANNEL, mode, **FLAGS["" if flags == "-" else flags.replace("_", " ")])
        assert "_or_".join(sorted(predict(there, cell).outcomes)) == wanted, version

"""A cni.kind is a preset of facts; each key of the file overrides it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from topologies.loading.load import TopologyError, load, validated
from topologies.schema.cni import Cni
from topologies.schema.enums import BridgeAddress, CniKind, Masquerade, Overlay, PodRoutes, Policy, TunnelAddress
from topologies.schema.presets.cni import PRESETS

if TYPE_CHECKING:
    from topologies.schema.topology import Topology

NODES = [
    {"name": f"n{x}", "address": f"198.18.1.1{x}", "pod_cidr": f"10.244.{x}.0/24", "tunnel_address": f"10.244.{x}.99"}
    for x in (1, 2)
]


def topology(cni: dict[str, Any], **more: Any) -> Topology:
    images = {"agnhost": "registry.example/agnhost:1"}
    base = {"name": "t", "kubernetes": "1.30.3", "nodes": NODES, "images": images}
    return validated({**base, "cni": cni, **more}, "t.yaml")


@pytest.mark.parametrize("kind", CniKind)
def test_every_kind_has_facts_and_a_source(kind: CniKind) -> None:
    preset = PRESETS[kind]

    assert preset.source
    assert preset.about
    assert set(preset.facts) <= set(Cni.model_fields)
    cni = Cni(kind=kind)
    assert all(str(getattr(cni, key)) == str(fact) for key, fact in preset.facts.items() if key != "masquerade_except")


def test_a_key_of_the_file_overrides_the_preset() -> None:
    cni = Cni.model_validate({"kind": "calico-vxlan", "masquerade": "none", "overlay": "ipip", "bridge": True})

    assert (cni.overlay, cni.masquerade) == (Overlay.IPIP, Masquerade.NONE)
    assert (cni.bridge, cni.bridge_address) == (True, BridgeAddress.POD_CIDR)
    assert cni.tunnel_address is TunnelAddress.PER_NODE


@pytest.mark.parametrize(
    ("given", "bridge_address", "tunnel_address"),
    [
        ({"kind": "routed"}, "pod-cidr", "none"),
        ({"kind": "routed", "overlay": "wireguard"}, "pod-cidr", "pod-cidr"),
        ({"kind": "eni", "overlay": "vxlan"}, "none", "pod-cidr"),
        ({"kind": "eni", "bridge": True}, "pod-cidr", "none"),
        ({"kind": "flannel-vxlan", "bridge": False}, "none", "pod-cidr"),
        ({"kind": "flannel-vxlan", "overlay": "none"}, "pod-cidr", "none"),
        ({"kind": "flannel-vxlan", "overlay": "geneve"}, "pod-cidr", "pod-cidr"),
        ({"kind": "kindnet", "bridge": True}, "pod-cidr", "none"),
        ({"kind": "antrea"}, "pod-cidr", "bridge"),
        ({"kind": "eni", "bridge": True, "bridge_address": "none"}, "none", "none"),
    ],
)
def test_a_device_that_the_file_adds_or_removes_has_the_usual_address(
    given: dict[str, Any], bridge_address: str, tunnel_address: str
) -> None:
    cni = Cni.model_validate(given)

    assert (cni.bridge_address, cni.tunnel_address) == (bridge_address, tunnel_address)


def test_addresses_of_devices_are_derived_or_declared() -> None:
    node = topology({"kind": "flannel-vxlan"}).nodes[0]

    assert str(Cni(kind=CniKind.ROUTED).bridge_address_of(node)) == "10.244.1.1"
    assert str(Cni(kind=CniKind.FLANNEL_VXLAN).tunnel_address_of(node)) == "10.244.1.99"
    plain = node.model_copy(update={"tunnel_address": None})
    assert str(Cni(kind=CniKind.FLANNEL_VXLAN).tunnel_address_of(plain)) == "10.244.1.0"
    assert Cni(kind=CniKind.CALICO_BGP).tunnel_address_of(node) is None
    assert Cni(kind=CniKind.CALICO_BGP).bridge_address_of(node) is None


@pytest.mark.parametrize("kind", ["calico-vxlan", "calico-ipip"])
def test_a_tunnel_address_that_only_the_cluster_knows_is_asked_for(kind: str) -> None:
    bare = [{key: value for key, value in node.items() if key != "tunnel_address"} for node in NODES]

    with pytest.raises(TopologyError, match=r"nodes\[0\]\.tunnel_address: got nothing, want .*annotation") as error:
        topology({"kind": kind}, nodes=bare)
    assert "nodes[1].tunnel_address" in str(error.value)
    assert topology({"kind": kind, "tunnel_address": "none"}, nodes=bare)


def test_an_address_towards_own_pods_that_only_the_cluster_knows_is_asked_for() -> None:
    with pytest.raises(TopologyError, match=r"nodes\[0\]\.bridge_address: got nothing, want .*cilium_host"):
        topology({"kind": "cilium", "pod_cidr": "10.244.0.0/16"})


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([{**NODES[0], "bridge_address": "198.18.1.12"}, NODES[1]], "nodes[].bridge_address, .tunnel_address"),
        ([NODES[0], {**NODES[1], "tunnel_address": "10.244.1.99"}], "nodes[].bridge_address, .tunnel_address"),
        ([NODES[0], {**NODES[1], "tunnel_address": "10.96.0.9"}], "nodes[1].tunnel_address: got 10.96.0.9"),
    ],
)
def test_addresses_of_devices_are_nobody_elses(nodes: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(TopologyError) as error:
        topology({"kind": "calico-vxlan"}, nodes=nodes)

    assert words in str(error.value)


def test_the_lab_builds_another_tunnel_only_if_the_file_permits_it() -> None:
    with pytest.raises(TopologyError, match=r"cni\.overlay: got ipip, want .*lab\.overlay: vxlan"):
        topology({"kind": "calico-ipip"}, lab={})
    assert topology({"kind": "calico-ipip"}, lab={"overlay": "vxlan"}).cni.overlay is Overlay.IPIP


def test_eks_has_no_cluster_cidr_unless_the_file_names_a_mode() -> None:
    cni = {"kind": "vpc-cni", "pod_cidr": "198.18.0.0/16"}
    nodes = [{"name": "n1", "address": "198.18.1.11"}]

    assert topology(cni, nodes=nodes).proxy.detect_local == "none"
    declared = topology(cni, nodes=nodes, proxy={"detect_local": "ClusterCIDR"})
    assert declared.proxy.detect_local == "ClusterCIDR"


def test_policies_and_masquerade_may_differ_by_node() -> None:
    lab = load("lab-policies")

    assert lab.cni_of("n2").input_policy is Policy.DROP
    assert lab.cni_of("n1").forward_policy is Policy.DROP
    assert lab.cni_of("n4").masquerade is Masquerade.NONE
    assert lab.cni_of("n2").masquerade is lab.cni.masquerade


def test_the_old_kinds_have_the_facts_that_they_had() -> None:
    facts = {kind: Cni(kind=kind) for kind in CniKind}

    overlays = {kind for kind, cni in facts.items() if cni.overlaid}
    assert {CniKind.FLANNEL_VXLAN, CniKind.TUNNEL} <= overlays
    assert not {CniKind.ROUTED, CniKind.VPC_ROUTED, CniKind.ENI} & overlays
    assert facts[CniKind.ENI].shares_node_network
    assert not facts[CniKind.ENI].bridge
    assert facts[CniKind.VPC_ROUTED].pod_routes is facts[CniKind.ENI].pod_routes is PodRoutes.NETWORK
    assert facts[CniKind.ROUTED].pod_routes is PodRoutes.NODES

"""Facts: of the cluster and of one node, known and unknown."""

import pytest

from topologies.loading.overrides import declared
from topologies.schema import facts
from topologies.schema.enums import KubeletRules, Masquerade, ProxyMode
from topologies.schema.scalars import Version
from topologies.schema.topology import Topology

MIXED = {
    "nodes.n1.kernel": {"rp_filter": 1},
    "nodes.n2.proxy": {"version": "1.23.4", "mode": "ipvs"},
    "nodes.n3.cni": {"masquerade": False},
}


def test_a_node_has_the_clusters_values_except_its_own() -> None:
    topology = declared("lab-flannel", {"kernel.hairpin": False, **MIXED})

    assert topology.kernel_of("n1") == topology.kernel.model_copy(update={"rp_filter": 1})
    assert topology.kernel_of("n2") == topology.kernel_of("") == topology.kernel
    assert not topology.kernel_of("n1").hairpin
    assert (topology.proxy_of("n2").mode, topology.proxy_version_of("n2")) == (ProxyMode.IPVS, Version(1, 23, 4))
    assert topology.proxy_version_of("n1") == topology.kubernetes
    assert topology.cni_of("n3").masquerade is Masquerade.NONE
    assert topology.cni_of("n3").kind is topology.cni.kind
    assert topology.cni_of("n1").masquerade is Masquerade.FLANNEL


def test_a_nodes_own_keys_survive_json() -> None:
    topology = declared("lab-flannel", {"kernel.rp_filter": 2, "nodes.n1.kernel": {"hairpin": False}, "unknown": []})

    again = Topology.model_validate_json(topology.model_dump_json())

    assert again == topology
    assert again.kernel_of("n1").rp_filter == 2
    assert again.model_dump_json() == topology.model_dump_json()


def test_node_ports_at_primary_addresses_on_one_node() -> None:
    topology = declared("lab-flannel", {"kubernetes": "1.31.1", "nodes.n2.proxy": {"node_port_addresses": ["primary"]}})

    assert topology.node_port_networks_of("n1") == ()
    assert {str(one) for one in topology.node_port_networks_of("n2")} >= {f"{topology.node('n2').address}/32"}


@pytest.mark.parametrize(
    ("path", "node", "own"),
    [
        ("kernel.rp_filter", "", "kernel.rp_filter"),
        ("nodes.n2.kernel.rp_filter", "n2", "kernel.rp_filter"),
        ("nodes.ip-10-0-1-2.ec2.internal.proxy.version", "ip-10-0-1-2.ec2.internal", "proxy.version"),
        ("nodes.n1.pod_cidr", "n1", "pod_cidr"),
        ("cni.pod_cidr", "", "cni.pod_cidr"),
    ],
)
def test_a_path_names_a_node_and_a_fact(path: str, node: str, own: str) -> None:
    assert facts.split(path) == (node, own)
    assert facts.join(node, own) == path


@pytest.mark.parametrize("path", ["cni.pod_cidr", "pod_cidr", "kernel.foo", "nodes.n1.load_balancer.listens", ""])
def test_not_everything_is_a_fact(path: str) -> None:
    assert facts.find(path) is None


def test_unknown_of_the_cluster_holds_for_nodes_without_a_value_of_their_own() -> None:
    topology = declared("lab-flannel", {"kernel.rp_filter": "unknown", "nodes.n1.kernel.rp_filter": 1})
    apart = declared("lab-flannel", {"nodes.n2.kernel.rp_filter": "unknown"})

    assert facts.unknown_at(topology, "n2", "kernel.rp_filter") == "kernel.rp_filter"
    assert facts.unknown_at(topology, "n1", "kernel.rp_filter") is None
    assert facts.unknown_at(apart, "n2", "kernel.rp_filter") == "nodes.n2.kernel.rp_filter"
    assert facts.unknown_at(apart, "n1", "kernel.rp_filter") is None


@pytest.mark.parametrize(
    "fact", [one for one in facts.FACTS if one.path not in facts.ONLY_AT_NODES], ids=lambda one: one.path
)
def test_each_candidate_can_be_assigned(fact: facts.Fact) -> None:
    topology = declared("lab-balancer", {"kubernetes": "1.30.1", "unknown": [fact.path]})
    paths = [fact.path] + (["nodes.n2." + fact.path] if fact.scope is facts.Scope.NODE else [])
    for path in paths:
        for value in facts.candidates(topology, path):
            assigned = facts.assign(topology, path, value)
            assert facts.value(assigned, path) == value
            assert path not in assigned.unknown
            if path != fact.path:
                assert facts.value(assigned, "nodes.n1." + fact.path) == facts.value(topology, fact.path)


def test_the_clusters_own_version_stands_for_its_interval() -> None:
    versions = facts.candidates(declared("lab-flannel", {"kubernetes": "1.23.9"}), "proxy.version")

    assert versions[0] == Version(1, 23, 9)
    assert Version(1, 23, 7) not in versions
    assert Version(1, 23) in versions
    assert len(versions) == len(facts.VERSIONS)


def test_any_node_may_have_a_value_that_it_declares_or_leaves_unknown() -> None:
    def may(**changes: object) -> bool:
        overrides = {key.replace("__", "."): value for key, value in changes.items()}
        return facts.any_node_may_have(declared("lab-flannel", overrides), "proxy.mode", ProxyMode.IPVS)

    assert not may()
    assert may(proxy__mode="ipvs")
    assert may(nodes__n2__proxy={"mode": "ipvs"})
    assert may(nodes__n2__proxy={"mode": "unknown"})
    assert may(proxy__mode="unknown")
    assert not may(nodes__n2__kernel={"rp_filter": 1})


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"kubernetes": "1.26.15"}, "all"),
        ({"kubernetes": "1.27.0"}, "martians"),
        ({"kubernetes": "1.34.9", "proxy.version": "1.24.3"}, "martians"),
        ({"kubernetes": "1.25.0", "proxy.version": "1.27.2"}, "all"),
        ({"kubernetes": "1.34.9", "kernel.kubelet_rules": True}, "all"),
        ({"kubernetes": "1.20.2", "kernel.kubelet_rules": False}, "none"),
        ({"kubernetes": "1.34.9", "nodes.n1.kubelet_version": "1.26.9"}, "all"),
        ({"kubernetes": "1.26.9", "nodes.n1.kubelet_version": "1.27.1"}, "martians"),
        ({"kubernetes": "1.26.9", "kernel.kubelet_rules": "none", "nodes.n1.kubelet_version": "1.27.1"}, "none"),
        ({"kubernetes": "1.34.9", "nodes.n1.kernel": {"kubelet_rules": "all"}}, "all"),
    ],
)
def test_kubelets_version_decides_on_its_iptables_rules_unless_they_are_declared(
    changes: dict[str, object], rules: str
) -> None:
    """Kubelet wrote KUBE-MARK-DROP up to 1.26 (KEP-3178, gate IPTablesOwnershipCleanup on by default in 1.27)."""
    topology = declared("lab-flannel", changes)

    assert topology.kubelet_rules_of("n1") is KubeletRules(rules)
    assert facts.value_at(topology, "n1", "kernel.kubelet_rules") is KubeletRules(rules)


def test_a_node_with_a_kubelet_of_its_own_differs_from_the_others() -> None:
    topology = declared("lab-flannel", {"kubernetes": "1.26.9", "nodes.n2.kubelet_version": "1.27.1"})

    assert not topology.has_alike_nodes
    assert facts.any_node_may_have(topology, "kernel.kubelet_rules", KubeletRules.MARTIANS)
    assert Topology.model_validate_json(topology.model_dump_json()) == topology

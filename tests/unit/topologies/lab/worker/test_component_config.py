"""Flags and config files: every version from 1.20 to 1.37."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise

import pytest

from topologies.lab.component_config import (
    FLAGS,
    Component,
    KubeletFiles,
    VersionError,
    arguments,
    kubelet_config,
    proxy_config,
)
from topologies.schema.enums import CniKind, DetectLocal, KubeletRules, ProxyMode
from topologies.schema.topology import Cni, Node, Proxy, Topology, Version, Workload

EVERY = [Version(1, minor) for minor in range(20, 38)]
FILES = KubeletFiles("/ca", "/crt", "/key")
NODE = Node(name="n1", address=IPv4Address("198.18.1.11"))
every_version = pytest.mark.parametrize("version", EVERY, ids=str)


def topology(**proxy: object) -> Topology:
    return Topology(
        name="t",
        kubernetes=Version(1, 20, 2),
        nodes=(NODE,),
        cni=Cni(kind=CniKind.FLANNEL_VXLAN, masquerade=True),
        proxy=Proxy.model_validate(proxy),
        workload=Workload(backends=(), services=(), vantages=()),
    )


def all_values(component: Component) -> dict[str, str]:
    return {row.flag: "x" for row in FLAGS if row.component is component}


@every_version
@pytest.mark.parametrize("component", list(Component)[:5], ids=str)
def test_a_version_gets_the_flags_it_knows_and_no_other(version: Version, component: Component) -> None:
    got = {
        argument.removeprefix("--").split("=")[0] for argument in arguments(component, version, all_values(component))
    }

    assert got == {row.flag for row in FLAGS if row.component is component and row.known(version)}


@pytest.mark.parametrize(
    ("component", "flag", "last"),
    [
        ("kube-apiserver", "insecure-port", 23),
        ("kube-controller-manager", "port", 23),
        ("kube-scheduler", "port", 23),
        ("kubelet", "docker", 23),
        ("kubelet", "container-runtime", 26),
        ("kubelet", "container-runtime-endpoint", 26),
        ("kubelet", "pod-infra-container-image", 34),
    ],
)
def test_a_removed_flag_is_given_until_its_last_version(component: str, flag: str, last: int) -> None:
    given = [version.minor for version in EVERY if arguments(component, version, {flag: "0"}) == [f"--{flag}=0"]]

    assert given == list(range(20, last + 1))


def test_a_patch_release_counts_as_its_minor() -> None:
    assert arguments("kube-scheduler", Version(1, 23, 17), {"port": "0"}) == ["--port=0"]


def test_an_undeclared_flag_is_refused() -> None:
    with pytest.raises(VersionError, match=r"kubelet: cgroup-rooot not in the table"):
        arguments("kubelet", Version(1, 20), {"cgroup-rooot": "/"})


@pytest.mark.parametrize("version", [Version(1, 19, 9), Version(1, 38)], ids=str)
def test_a_version_out_of_range_is_refused(version: Version) -> None:
    with pytest.raises(VersionError, match=r"want 1\.20 to 1\.37"):
        arguments("kubelet", version, {})


def test_no_row_stands_twice_and_every_bounded_row_has_a_reason() -> None:
    keys = sorted((row.component, row.flag) for row in FLAGS)

    assert all(one != other for one, other in pairwise(keys))
    assert all(row.why for row in FLAGS if row.since or row.until)


@every_version
def test_ephemeral_storage_isolation_is_off_by_gate_or_by_field(version: Version) -> None:
    config = kubelet_config(version, FILES, cgroup_v1=False)

    gate = config.get("featureGates", {}).get("LocalStorageCapacityIsolation")
    assert (gate, config.get("localStorageCapacityIsolation")) == (
        (False, None) if version < (1, 25) else (None, False)
    )


@every_version
def test_the_runtime_endpoint_is_given_once(version: Version) -> None:
    flag = arguments("kubelet", version, {"container-runtime-endpoint": FILES.runtime})

    assert bool(flag) != ("containerRuntimeEndpoint" in kubelet_config(version, FILES, cgroup_v1=False))


@every_version
def test_cgroup_v1_is_allowed_where_the_field_exists(version: Version) -> None:
    assert kubelet_config(version, FILES, cgroup_v1=True).get("failCgroupV1") is (None if version < (1, 31) else False)
    assert "failCgroupV1" not in kubelet_config(version, FILES, cgroup_v1=False)


@every_version
def test_a_kubelet_writes_the_rules_of_its_version_unless_others_are_declared(version: Version) -> None:
    assert kubelet_config(version, FILES, cgroup_v1=False)["makeIPTablesUtilChains"]
    assert "IPTablesOwnershipCleanup" not in kubelet_config(version, FILES, cgroup_v1=False).get("featureGates", {})
    none = kubelet_config(version, FILES, cgroup_v1=False, rules=KubeletRules.NONE)
    assert none["makeIPTablesUtilChains"] is False


@pytest.mark.parametrize(
    ("minor", "rules", "gate"), [(25, "martians", True), (26, "martians", True), (27, "all", False)], ids=str
)
def test_a_gate_gives_a_kubelet_the_other_rules(minor: int, rules: str, gate: bool) -> None:
    config = kubelet_config(Version(1, minor), FILES, cgroup_v1=False, rules=KubeletRules(rules))

    assert (config["makeIPTablesUtilChains"], config["featureGates"]["IPTablesOwnershipCleanup"]) == (True, gate)


@pytest.mark.parametrize(("minor", "rules"), [(24, "martians"), (28, "all")])
def test_rules_that_a_kubelet_cannot_write_are_refused(minor: int, rules: str) -> None:
    with pytest.raises(
        VersionError, match=rf"kubelet 1\.{minor}\.0: kernel.kubelet_rules: got {rules}, want .* or none"
    ):
        kubelet_config(Version(1, minor), FILES, cgroup_v1=False, rules=KubeletRules(rules))


@every_version
def test_without_quality_of_service_cgroups_nothing_is_enforced(version: Version) -> None:
    config = kubelet_config(version, FILES, cgroup_v1=False, quality_of_service=False)

    assert (config["cgroupsPerQOS"], config["enforceNodeAllocatable"]) == (False, [])


@every_version
def test_kube_proxy_gets_what_the_topology_declares(version: Version) -> None:
    declared = topology(node_port_addresses=(IPv4Network("198.18.1.0/24"),), masquerade_all=True)
    config = proxy_config(version, declared, NODE, "/kc")

    assert (config["mode"], config["clusterCIDR"], config["detectLocalMode"]) == (
        "iptables",
        "10.244.0.0/16",
        "ClusterCIDR",
    )
    assert config["nodePortAddresses"] == ["198.18.1.0/24"]
    assert config["iptables"]["masqueradeAll"] is True
    assert ("localhostNodePorts" in config["iptables"]) == (version >= (1, 26))
    assert ("nftables" in config) == (version >= (1, 29))


@every_version
def test_kube_proxys_own_conntrack_timeouts_apply_and_the_machines_table_size(version: Version) -> None:
    config = proxy_config(version, topology(), NODE, "/kubeconfig")

    assert config["conntrack"] == {"maxPerCore": 0, "min": 0}


@every_version
def test_no_detection_names_no_cluster_cidr(version: Version) -> None:
    config = proxy_config(version, topology(detect_local=DetectLocal.NONE), NODE, "/kc")

    assert not {"clusterCIDR", "detectLocalMode", "detectLocal"} & set(config)


@every_version
def test_nftables_needs_its_gate_in_1_29_and_1_30_and_is_refused_before(version: Version) -> None:
    declared = topology(mode=ProxyMode.NFTABLES)
    if version < (1, 29):
        with pytest.raises(VersionError, match="mode: nftables"):
            proxy_config(version, declared, NODE, "/kc")
        return
    gates = proxy_config(version, declared, NODE, "/kc").get("featureGates")
    assert gates == ({"NFTablesProxyMode": True} if version < (1, 31) else None)


@pytest.mark.parametrize(
    ("since", "declared"),
    [
        (24, {"detect_local": DetectLocal.BRIDGE_INTERFACE}),
        (24, {"detect_local": DetectLocal.INTERFACE_NAME_PREFIX}),
        (26, {"localhost_nodeports": False}),
        (36, {"allow_external_ips": False}),
        (37, {"localhost_nodeport_proxy": True}),
    ],
)
def test_a_wish_too_new_for_the_version_is_refused(since: int, declared: dict[str, object]) -> None:
    proxy_config(Version(1, since), topology(**declared), NODE, "/kc")

    with pytest.raises(VersionError, match="want a newer version"):
        proxy_config(Version(1, since - 1, 9), topology(**declared), NODE, "/kc")


def test_feature_gates_are_given_only_if_they_differ_from_their_defaults() -> None:
    gates = proxy_config(Version(1, 37), topology(localhost_nodeport_proxy=True, allow_external_ips=False), NODE, "/kc")

    assert gates["featureGates"] == {"AllowServiceExternalIPs": False, "KubeProxyNFTablesLocalhostNodePorts": True}
    assert "featureGates" not in proxy_config(Version(1, 37), topology(), NODE, "/kc")


def test_a_node_gets_its_own_keys() -> None:
    own = NODE.model_copy(update={"proxy": Proxy(mode=ProxyMode.IPVS, masquerade_all=True)})
    plain = NODE.model_copy(update={"name": "n2"})
    declared = topology(localhost_nodeports=True).model_copy(update={"nodes": (own, plain)})

    modes = {node.name: proxy_config(Version(1, 30), declared, node, "/kc")["mode"] for node in declared.nodes}

    assert modes == {"n1": "ipvs", "n2": "iptables"}
    assert proxy_config(Version(1, 30), declared, own, "/kc")["iptables"]["masqueradeAll"] is True

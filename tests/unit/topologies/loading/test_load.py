import pytest

from topologies.loading.load import TopologyError, load, names, parse
from topologies.schema.topology import Version

GOOD = """
name: mine
kubernetes: "1.24.3"
nodes: 2
cni: {kind: flannel-vxlan}
"""


@pytest.mark.parametrize("name", names())
def test_every_topology_of_the_library_loads(name: str) -> None:
    assert load(name).name == name


def test_a_version_keeps_its_zero() -> None:
    assert load("lab-flannel").proxy_version == Version(1, 20, 2)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("name: [", "want well-formed YAML"),
        ("- a\n- b", "top level: got a list of 2, want a mapping"),
        (GOOD + "colour: red", "colour: got the unknown key 'colour'"),
        (GOOD.replace('"1.24.3"', "1.20"), "kubernetes: got the number 1.2, want a quoted version"),
        (GOOD.replace('"1.24.3"', '"1.19.0"'), "kubernetes: got 1.19.0, want 1.20 … 1.37"),
        (GOOD.replace("flannel-vxlan", "weave"), "cni.kind: got 'weave'"),
        (GOOD.replace("nodes: 2", "nodes: 0"), "nodes: got 0, want a number from 1 to 200, or a list"),
        (GOOD.replace("nodes: 2", "nodes: [{name: a, address: 10.0.0.300}]"), "nodes[0].address: got '10.0.0.300'"),
        (GOOD + "proxy: {mode: nftables}", "proxy.mode: got nftables with 1.24.3, want 1.29 or newer"),
        (
            GOOD + "proxy: {detect_local: BridgeInterface, version: '1.23.17'}",
            "proxy.detect_local: got BridgeInterface with 1.23.17, want 1.24 or newer (kubernetes#95400)",
        ),
        (
            GOOD + "proxy: {detect_local: InterfaceNamePrefix, version: '1.20.2'}",
            "proxy.detect_local: got InterfaceNamePrefix with 1.20.2, want 1.24 or newer",
        ),
        (GOOD + "service_cidr: 10.244.0.0/20", "service_cidr: got 10.244.0.0/20, want no overlap with cni.pod_cidr"),
        (
            GOOD.replace("nodes: 2", "nodes: [{name: a, address: 192.0.2.1}, {name: a, address: 192.0.2.1}]"),
            "nodes[].name: got a 2 times, want each once",
        ),
        (
            GOOD + "workload: {backends: [], services: [], vantages: [{name: x, kind: pod, node: n9}]}",
            "workload.vantages[0].node: got n9, want one of n1, n2",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_place_got_and_want(text: str, wanted: str) -> None:
    with pytest.raises(TopologyError) as caught:
        parse(text, "mine.yaml")

    assert wanted in str(caught.value)
    assert "mine.yaml" in str(caught.value)


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(TopologyError) as caught:
        parse("name: Bad Name\nkubernetes: x\nnodes: []\nfoo: 1", "mine.yaml")

    assert [complaint.path for complaint in caught.value.complaints][:3] == ["name", "kubernetes", "cni"]


def test_an_unknown_name_lists_the_library() -> None:
    with pytest.raises(TopologyError, match="lab-flannel"):
        load("lab-nowhere")


def test_no_external_ips_may_stand_beside_a_workload() -> None:
    text = (
        'name: x\nkubernetes: "1.30.0"\nnodes: 1\ncni: {kind: routed}\nexternal_ips: []\nworkload:\n'
        "  backends: [{name: web-a, app: web, node: n1}]\n  services: [{name: web, app: web}]\n"
        "  vantages: [{name: pod-n1, kind: pod, node: n1}]\n"
    )

    assert [service.name for service in parse(text, "x.yaml").workload.services] == ["web"]

"""Complaints: all in one round, in our words, with what may have been meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fuzz.bounds import in_time
from topologies.loading.field_words import UNSUPPORTED_KEYS, paths
from topologies.loading.load import TopologyError, load, parse
from topologies.loading.overrides import declared
from topologies.loading.overrides import parse as parse_overrides
from topologies.schema.complaints import nearest

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
name: mine
kubernetes: "1.31.3"
nodes: 2
cni: {kind: flannel-vxlan}
"""
SERVICES = "workload: {backends: [], vantages: [{name: x, kind: pod, node: n1}], services: [{name: a, app: a, %s}]}"


def refused(text: str) -> TopologyError:
    with pytest.raises(TopologyError) as caught:
        parse(text, "mine.yaml")
    return caught.value


PASTED = """
apiVersion: %s
kind: %s
metadata: {name: web}
"""


@pytest.mark.parametrize(
    ("api", "kind", "wanted"),
    [
        ("v1", "Service", "mine.yaml: top level: got a Kubernetes object, kind Service, want a topology with name, "),
        ("v1", "Config", "kind Config, want a topology with name, kubernetes, nodes, cni; a kubeconfig goes to --kube"),
        ("kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration", "kind KubeProxyConfiguration, want a topology"),
        ("v1", "[x]", "got a Kubernetes object, kind ?, want a topology"),
    ],
)
def test_a_kubernetes_object_is_one_complaint(api: str, kind: str, wanted: str) -> None:
    error = refused(PASTED % (api, kind))
    assert len(error.complaints) == 1
    assert wanted in str(error)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (SERVICES % "externalTrafficPolicy: Local", "did you mean external_traffic_policy?"),
        (SERVICES % "targetPort: 80", "did you mean workload.backends[].port?"),
        (SERVICES % "nodePort: 30080", "got the unknown key 'nodePort', want no such key: the API server chooses it"),
        ("proxy: {clusterCIDR: 10.244.0.0/16}", "did you mean cni.pod_cidr?"),
        ("serviceSubnet: 10.96.0.0/16", "did you mean service_cidr?"),
        ("proxyMode: ipvs", "did you mean proxy.mode?"),
        ("external: [{name: no, address: 192.0.2.9}]", "in quotes, as YAML reads it as true or false"),
        ("external: [{name: 10, address: 192.0.2.9}]", "in quotes, as YAML reads it as a number"),
        ("external: [{name: e, address: '[2001:db8::5]'}]", "want an IPv4 address: IPv6 and dual-stack are not"),
        ("control_plane: [192.0.2.9, '2001:db8::5']", "want an IPv4 address: IPv6 and dual-stack are not supported"),
        ("service_cidr: [10.96.0.0/16, 'fd00::/108']", "want an IPv4 range: IPv6 and dual-stack are not supported yet"),
        ("externalTrafficPolicy: Local", "did you mean workload.services[].external_traffic_policy?"),
        ("podCIDR: 10.0.0.0/8", "did you mean nodes[].pod_cidr or cni.pod_cidr?"),
        ("loadBalancer: {}", "did you mean load_balancer?"),
        (
            "proxy: {mode: Iptables}",
            "proxy.mode: got 'Iptables', want one of iptables, ipvs, nftables (did you mean iptables?)",
        ),
        (SERVICES % "type: nodeport", "want one of ClusterIP, NodePort, LoadBalancer (did you mean NodePort?)"),
        (SERVICES % "type: ClusterIP, session_affinity: clientIP", "did you mean ClientIP?"),
        (
            "service_cidr: fd00::/108",
            "want an IPv4 range: IPv6 and dual-stack are not supported yet, see Limits in README.md",
        ),
        ("service_cidr: '10.96.0.0/16,fd00::/108'", "want an IPv4 range: IPv6 and dual-stack are not supported yet"),
        ("control_plane: '2001:db8::1'", "control_plane: got '2001:db8::1', want an IPv4 address: IPv6"),
        (SERVICES % "protocol: UDP", "want TCP only: UDP and SCTP are not supported yet, see Limits in README.md"),
        (SERVICES % "ipFamilies: [IPv6]", "want IPv4 only: IPv6 is not supported yet, see Limits in README.md"),
        (
            "cni: {kind: calico}",
            "cni.kind: got 'calico', want one of flannel-vxlan, flannel-host-gw, k3s, calico-vxlan, calico-ipip",
        ),
        ("images: {agnhost: 'Agn Host'}", "images.agnhost: got 'Agn Host', want an image reference such as"),
        (
            "images: {agnhost: 'agnhost:1'}",
            "images.agnhost: got agnhost:1, want a reference that begins with its registry's host",
        ),
        ("images: {pull_policy: always}", "want one of Always, IfNotPresent, Never (did you mean Always?)"),
        (
            "external_ips: [198.18.101.1]\nworkload: {backends: [], services: [], vantages: []}",
            "want no external_ips beside a workload",
        ),
    ],
)
def test_a_complaint_says_what_may_have_been_meant(text: str, wanted: str) -> None:
    good = GOOD.replace("cni: {kind: flannel-vxlan}\n", "") if text.startswith("cni:") else GOOD
    assert wanted in str(refused(good + text))


def test_fields_and_references_are_complained_of_in_one_round() -> None:
    text = (
        GOOD.replace("mine", "Bad Name")
        + "proxy: {mode: nftables, version: '1.24', colour: red}\nservice_cidr: 10.244.0.0/20\npatience: {connect: 0}\n"
        + "workload: {backends: [{name: a, app: a, node: n9}], services: [{name: 1web, app: a}], vantages: []}"
    )

    assert {one.path for one in refused(text).complaints} == {
        "name",
        "proxy.colour",
        "proxy.mode",
        "patience.connect",
        "service_cidr",
        "workload.backends[0].node",
        "workload.services[0].name",
        "workload.vantages",
    }


def test_what_hangs_on_a_bad_section_is_not_complained_of() -> None:
    text = GOOD.replace("nodes: 2", "nodes: [{name: A_1, address: 192.0.2.1}]")
    text += (
        "workload: {backends: [{name: a, app: a, node: n1}], services: [], vantages: [{name: v, kind: pod, node: n1}]}"
    )

    assert [one.path for one in refused(text).complaints] == ["nodes[0].name"]


def test_many_like_complaints_are_one_with_a_count() -> None:
    services = ", ".join(f"{{name: s{number}, app: a, port: x}}" for number in range(200))
    error = refused(GOOD + f"workload: {{backends: [], vantages: [], services: [{services}]}}")

    lines = [line for line in str(error).splitlines() if "port" in line]
    assert len(lines) == 4
    assert "workload.services[].port: 197 more complaints like the last one, 200 in all" in lines[-1]


def test_a_file_that_is_not_named_as_yaml_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(PASTED % ("v1", "Config"))
    with pytest.raises(TopologyError, match=r"got a file named 'config', which does not end in \.yaml or \.yml"):
        load(str(tmp_path / "config"))


def test_the_empty_name_is_named() -> None:
    with pytest.raises(TopologyError, match="the empty name: file: got a name that is not in the library"):
        load("")


def test_a_name_near_one_of_the_library_is_offered() -> None:
    with pytest.raises(TopologyError, match=r"did you mean lab-flannel"):
        load("lab-flanel")


@pytest.mark.parametrize(
    ("pair", "wanted"),
    [
        ("podCIDR=10.0.0.0/8", "did you mean nodes[].pod_cidr or cni.pod_cidr?"),
        ("proxy.detectLocal=none", "did you mean detect_local?"),
        ("workload.services.web.externalTrafficPolicy=Local", "did you mean external_traffic_policy?"),
        ("nodes.N1.address=192.0.2.1", "did you mean n1?"),
        ("mode=Ipvs", "proxy.mode: got 'Ipvs', want one of iptables, ipvs, nftables (did you mean ipvs?)"),
        ("nodes[99999999999999999999].address=x", "no element '99999999999999999999'"),
        ("nodes[²].address=x", "no element '²'"),
        (".=1", "a path without a key"),
        ("about=[", "about, line 2, column 1: got a YAML syntax error"),
        ("about={a: 1, a: 2}", "about, line 1: got the key 'a' twice"),
        ("=1", "--with: got '=1', want PATH=VALUE"),
    ],
)
def test_an_override_says_what_may_have_been_meant(pair: str, wanted: str) -> None:
    with pytest.raises(TopologyError) as caught:
        declared("lab-flannel", parse_overrides([pair]))

    assert wanted in str(caught.value)


def test_a_path_into_a_scalar_is_one_error() -> None:
    with pytest.raises(TopologyError, match="want a mapping there"):
        declared("lab-flannel", {"workload": "x", "workload.services.web.port": 1})


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("flanel", ["flannel-vxlan"]), ("flannel", ["flannel-vxlan"]), ("eni", ["eni"]), ("ip", []), ("xyzzy", [])],
)
def test_a_word_may_be_the_beginning_of_another(wrong: str, near: list[str]) -> None:
    assert nearest(wrong, ["flannel-vxlan", "tunnel", "routed", "vpc-routed", "eni"]) == near


@pytest.mark.parametrize("key", ["InternalIP", "internal_ip", "nodeIP"])
def test_the_api_s_word_for_a_nodes_address_is_known(key: str) -> None:
    text = GOOD.replace("nodes: 2", f"nodes: [{{name: w1, {key}: 192.0.2.1, pod_cidr: 10.244.0.0/24}}]")
    assert f"nodes[0].{key}: got the unknown key '{key}', want a known key (did you mean address?)" in str(
        refused(text)
    )


def test_near_words_ignore_case_hyphens_and_underscores() -> None:
    assert nearest("externalTrafficPolicy", ["external_ips", "external_traffic_policy"]) == ["external_traffic_policy"]
    assert nearest("x" * 5000, ["x"]) == []


def test_a_limit_is_never_told_of_a_key_that_exists() -> None:
    known = {path.rpartition(".")[2] for path in paths()}

    assert not known & {key for keys in UNSUPPORTED_KEYS for key in keys}


def test_thousands_of_unknown_keys_are_told_at_once_and_not_all() -> None:
    keys = "".join(f"key{number}: 1\n" for number in range(20_000))

    with in_time(30):
        error = refused(GOOD + keys)

    assert len(error.complaints) == 20_000
    assert "and 19900 more lines like these" in str(error)

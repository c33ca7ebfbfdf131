"""Values set in the text of a topology file; everything else stays as it is."""

from __future__ import annotations

import pytest

from topologies.loading.edit import NewValue, set_values
from topologies.loading.load import TopologyError, parse

BLOCK = """\
# my cluster
name: mine  # of the lab
kubernetes: "1.20.2"
nodes:
  - name: n1
    address: 198.18.1.11  # eth0
    pod_cidr: 10.244.1.0/24
    kernel: {rp_filter: unknown}
  - name: n2
    address: 198.18.1.12
    pod_cidr: 10.244.2.0/24
cni:
  kind: flannel-vxlan  # from the DaemonSet
  masquerade: unknown  # only packets show it
load_balancer: {kind: inline, address: 198.18.1.1, addresses: 198.18.100.0/24}  # the F5
unknown: [kernel.rp_filter, proxy.masquerade_all]
lab: {}
"""


@pytest.mark.parametrize(
    ("path", "text", "before", "after"),
    [
        (
            "cni.masquerade",
            "egress",
            "  masquerade: unknown  # only packets show it",
            "  masquerade: egress  # inferred; only packets show it",
        ),
        (
            "load_balancer.listens",
            "true",
            "198.18.100.0/24}  # the F5",
            "198.18.100.0/24, listens: true}  # inferred; the F5",
        ),
        (
            "nodes.n1.kernel.rp_filter",
            "1",
            "    kernel: {rp_filter: unknown}",
            "    kernel: {rp_filter: 1}  # inferred",
        ),
        (
            "nodes.n2.cni.masquerade",
            "none",
            "  - name: n2\n",
            "  - name: n2\n    cni: {masquerade: none}  # inferred\n",
        ),
        (
            "external_routes_to_pods",
            "true",
            "name: mine  # of the lab\n",
            "name: mine  # of the lab\nexternal_routes_to_pods: true  # inferred\n",
        ),
        (
            "cni.anti_spoof",
            "true",
            "  kind: flannel-vxlan  # from the DaemonSet\n",
            "  kind: flannel-vxlan  # from the DaemonSet\n  anti_spoof: true  # inferred\n",
        ),
    ],
)
def test_one_value_changes_one_line(path: str, text: str, before: str, after: str) -> None:
    changed = set_values(BLOCK, "mine.yaml", [NewValue(path, text, "inferred")])

    assert changed == BLOCK.replace(before, after)
    parse(changed, "mine.yaml")


def test_an_entry_of_the_list_of_unknown_facts_goes() -> None:
    values = [NewValue("kernel.rp_filter", "0", "inferred"), NewValue("proxy.masquerade_all", "false", "inferred")]

    changed = set_values(BLOCK, "mine.yaml", values)

    assert "unknown: []\n" in changed
    assert "kernel: {rp_filter: 0}  # inferred\n" in changed
    assert parse(changed, "mine.yaml").unknown == {"cni.masquerade", "nodes.n1.kernel.rp_filter"}


def test_an_entry_of_a_list_of_unknown_facts_in_lines_goes() -> None:
    text = BLOCK.replace(
        "unknown: [kernel.rp_filter, proxy.masquerade_all]", "unknown:\n  - kernel.rp_filter\n  - proxy.masquerade_all"
    )

    changed = set_values(text, "mine.yaml", [NewValue("kernel.rp_filter", "0", "inferred")])

    assert "proxy.masquerade_all" in parse(changed, "mine.yaml").unknown
    assert "kernel.rp_filter" not in parse(changed, "mine.yaml").unknown
    assert "\nlab: {}\n" in changed


def test_a_short_form_is_one_clear_error() -> None:
    text = 'name: mine\nkubernetes: "1.20.2"\nnodes: 2\ncni: {kind: flannel-vxlan}\nlab: {}\n'

    with pytest.raises(TopologyError, match=r"nodes: got a short form, want a list of nodes"):
        set_values(text, "mine.yaml", [NewValue("nodes.n1.kernel.rp_filter", "1", "inferred")])


ALIASED = """\
name: mine
kubernetes: "1.30.3"
nodes:
- {name: ip-10-0-1-2.ec2.internal, as: n1, address: 192.0.2.1, kernel: {rp_filter: unknown}}
- name: worker-2
  as: n2
  address: 192.0.2.2
cni: {kind: eni}
proxy:
  node_port_addresses:
  - 192.0.2.0/24
lab: {}
"""


@pytest.mark.parametrize(
    ("path", "text", "before", "after"),
    [
        ("nodes.n1.kernel.rp_filter", "1", "{rp_filter: unknown}}", "{rp_filter: 1}}  # inferred"),
        (
            "nodes.n2.kernel.rp_filter",
            "1",
            "- name: worker-2\n",
            "- name: worker-2\n  kernel: {rp_filter: 1}  # inferred\n",
        ),
        ("proxy.mode", "ipvs", "  node_port_addresses:\n", "  mode: ipvs  # inferred\n  node_port_addresses:\n"),
    ],
)
def test_a_value_has_a_place_beside_aliases_and_lists(path: str, text: str, before: str, after: str) -> None:
    changed = set_values(ALIASED, "mine.yaml", [NewValue(path, text, "inferred")])

    assert changed == ALIASED.replace(before, after)
    parse(changed, "mine.yaml")


def test_comments_in_the_list_of_unknown_facts_stay() -> None:
    text = ALIASED + "unknown:  # not visible: see below\n# kernel\n- kernel.rp_filter\n- proxy.mode  # 1\n# the end\n"

    once = set_values(text, "mine.yaml", [NewValue("kernel.rp_filter", "0", "inferred")])
    twice = set_values(once, "mine.yaml", [NewValue("proxy.mode", "ipvs", "inferred")])

    assert once.endswith("unknown:  # not visible: see below\n# kernel\n- proxy.mode  # 1\n# the end\n")
    assert twice.endswith("unknown: []  # not visible: see below\n# kernel\n# the end\n")
    assert [parse(one, "mine.yaml").unknown & {"kernel.rp_filter", "proxy.mode"} for one in (once, twice)] == [
        {"proxy.mode"},
        set(),
    ]

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


def test_a_list_of_unknown_facts_in_lines_is_written_anew() -> None:
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

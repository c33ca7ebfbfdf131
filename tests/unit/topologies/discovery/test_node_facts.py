"""What a probe pod prints of its node, as values; what is missing or garbled stays unknown."""

from __future__ import annotations

import subprocess

from tests.unit.support.node_output import NodeOutput
from topologies.common.addresses import IPAddress, IPNetwork
from topologies.discovery.node_facts import SCRIPT, NodeRoute, parse

FLANNEL = NodeOutput(
    routes=(
        ("0.0.0.0/0", "eth0", "198.18.1.1"),
        ("10.244.1.0/24", "cni0", ""),
        ("10.244.2.0/24", "flannel.1", "10.244.2.0"),
        ("198.18.1.0/24", "eth0", ""),
    ),
    local=("10.244.1.0", "10.244.1.1", "198.18.1.11"),
    devices={"cni0": "bridge", "flannel.1": "vxlan"},
    ports={"veth1": ("cni0", 1)},
    config={"mode": "", "clusterCIDR": "10.244.0.0/16", "iptables": {"masqueradeAll": False}},
)


def test_everything_that_a_node_shows() -> None:
    facts = parse("n1", FLANNEL.printed(), IPAddress("10.244.1.5"))

    assert (facts.proxy.mode, facts.proxy.version) == ("iptables", "v1.29.4")
    assert facts.bridge_nf is True
    assert facts.rp_filter == {"all": 0, "eth0": 0}
    assert facts.route_to(IPAddress("10.244.2.9")) == NodeRoute(
        IPNetwork("10.244.2.0/24"), "flannel.1", IPAddress("10.244.2.0")
    )
    assert facts.route_to(IPAddress("8.8.8.8")) == NodeRoute(IPNetwork("0.0.0.0/0"), "eth0", IPAddress("198.18.1.1"))
    assert facts.device_of(IPAddress("198.18.1.11")) == "eth0"
    assert (facts.kind_of("cni0"), facts.kind_of("flannel.1"), facts.kind_of("eth0")) == ("bridge", "vxlan", "")
    assert (facts.devices["veth1"].bridge, facts.devices["veth1"].hairpin) == ("cni0", True)
    assert IPAddress("127.0.0.1") not in facts.local


def test_a_kernel_without_br_netfilter_does_not_call_iptables() -> None:
    bare = NodeOutput(routes=FLANNEL.routes, local=FLANNEL.local, bridge_nf=None)

    assert parse("n1", bare.printed()).bridge_nf is False


def test_an_output_that_was_cut_leaves_values_unknown() -> None:
    whole = FLANNEL.printed()
    facts = parse("n1", whole[: whole.index(b"@bridge_nf")])

    assert facts.bridge_nf is None
    assert facts.routes == ()
    assert facts.proxy.mode == "iptables"


def test_garbage_gives_nothing() -> None:
    for garbage in (
        b"",
        b"\xff\xfe@routes\nx\ny\tz",
        b"@routes\nh\neth0\tZZ\t0\t1\t0\t0\t0\t0",
        b"@devices\n/sys/class/net//uevent:",
    ):
        facts = parse("n1", garbage)
        assert (facts.routes, facts.bridge_nf, facts.proxy.mode) == ((), None, None)


def test_the_script_runs_in_a_plain_shell() -> None:
    done = subprocess.run(["/bin/sh", "-c", SCRIPT], capture_output=True, check=False, timeout=30)

    facts = parse("here", done.stdout)
    assert done.stderr == b""
    assert "lo" in facts.devices
    assert "all" in facts.rp_filter
    assert facts.bridge_nf is not None

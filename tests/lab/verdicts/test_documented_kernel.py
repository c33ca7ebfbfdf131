"""The vendors' statements about the kernel alone, shown in fresh namespaces without a cluster or a link outside."""

from __future__ import annotations

import re
import subprocess

import pytest

PAIR = """
ip link set lo up
mount -t tmpfs none /run
ip netns add a; ip netns add b
ip link add left netns a type veth peer name right netns b
ip -n a address add 198.18.1.11/24 dev left; ip -n b address add 198.18.1.12/24 dev right
ip -n a link set left up; ip -n b link set right up
"""
TUNNEL = """
ip -n a link add flannel.1 type vxlan id 1 local 198.18.1.11 remote 198.18.1.12 dstport 8472 dev left
ip -n b link add flannel.1 type vxlan id 1 local 198.18.1.12 remote 198.18.1.11 dstport 8472 dev right
ip -n a address add 10.244.1.0/16 dev flannel.1; ip -n b address add 10.244.2.0/16 dev flannel.1
ip -n a link set flannel.1 up; ip -n b link set flannel.1 up
"""
TWO_CARDS = """
ip link add eth0 type dummy 2>/dev/null || ip link add eth0 type veth peer name peer0
ip link add eth1 type dummy 2>/dev/null || ip link add eth1 type veth peer name peer1
for n in 0 1; do ip address add 198.18.$n.2/24 dev eth$n; ip link set eth$n up; ip link set peer$n up 2>/dev/null; done
"""


def sandbox(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in new network and mount namespaces; nothing of it outlives the call."""
    command = ["unshare", "--net", "--mount", "sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def shown(script: str) -> str:
    ended = sandbox(f"set -e\n{script}")
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def connect(address: str) -> str:
    """A command that prints how a connection from a to a port of that address ends; EAGAIN is a timeout."""
    ask = f"s = socket.socket(); s.settimeout(3); print(errno.errorcode[s.connect_ex(('{address}', 6443))])"
    return f'ip netns exec a python3 -c "import errno, socket; {ask}"'


def test_the_first_of_equal_routes_is_used() -> None:
    routes = """
    ip route append default via 198.18.0.1 dev eth0
    ip route append default via 198.18.1.1 dev eth1
    for n in $(seq 1 64); do ip route get 198.19.0.$n; done
    """

    assert set(re.findall(r"dev (eth\d)", shown(TWO_CARDS + routes))) == {"eth0"}


def test_an_equal_route_is_not_added_but_appended() -> None:
    twice = "ip route add default via 198.18.0.1 dev eth0; ip route add default via 198.18.1.1 dev eth1"

    assert "File exists" in sandbox(f"{TWO_CARDS}\n{twice}").stderr


def test_one_multipath_route_divides_the_destinations() -> None:
    routes = """
    ip route add default nexthop via 198.18.0.1 dev eth0 nexthop via 198.18.1.1 dev eth1
    for n in $(seq 1 64); do ip route get 198.19.0.$n; done
    """

    assert set(re.findall(r"dev (eth\d)", shown(TWO_CARDS + routes))) == {"eth0", "eth1"}


def test_a_vxlan_socket_belongs_to_the_kernel() -> None:
    told = shown(f"{PAIR}{TUNNEL} ip netns exec a ss --listening --udp --numeric --processes --no-header")

    assert re.search(r":8472\s", told)
    assert "users:" not in told


def test_a_vxlan_device_is_fifty_bytes_smaller() -> None:
    told = shown(f"{PAIR}{TUNNEL} ip -n a -o link show left; ip -n a -o link show flannel.1")

    assert [int(mtu) for mtu in re.findall(r"mtu (\d+)", told)] == [1500, 1450]


def test_a_syn_ack_offers_what_fits_into_the_tunnel() -> None:
    serve = "import socket; s = socket.create_server(('10.244.2.0', 9000)); s.accept()[0].recv(1)"
    ask = (
        "import socket; s = socket.create_connection(('10.244.2.0', 9000), 5); "
        "print('mss', s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))"
    )
    script = f"""{PAIR}{TUNNEL}
    ip netns exec b python3 -c "{serve}" &
    for n in $(seq 1 50); do ip netns exec b ss -ltnH | grep -q :9000 && break; sleep 0.1; done
    ip netns exec a sysctl -qw net.ipv4.tcp_timestamps=0
    ip netns exec a python3 -c "{ask}"
    wait
    """

    assert "mss 1410" in shown(script)


def test_without_8472_nothing_crosses_the_tunnel() -> None:
    """An RST from a closed port is as good as a ping: something came back."""
    script = f"""{PAIR}{TUNNEL}
    {connect("10.244.2.0")}
    ip netns exec b iptables -A INPUT -p udp --dport 8472 -j DROP
    {connect("198.18.1.12")}
    {connect("10.244.2.0")}
    """

    assert shown(script).split() == ["ECONNREFUSED", "ECONNREFUSED", "EAGAIN"]


@pytest.mark.parametrize(("kind", "error"), [("icmp-host-prohibited", "EHOSTUNREACH"), ("tcp-reset", "ECONNREFUSED")])
def test_host_prohibited_is_no_route_to_host(kind: str, error: str) -> None:
    script = f"""{PAIR}
    ip netns exec b iptables -A INPUT -p tcp -j REJECT --reject-with {kind}
    {connect("198.18.1.12")}
    """

    assert shown(script).split() == [error]

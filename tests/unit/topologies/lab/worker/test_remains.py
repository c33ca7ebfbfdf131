from __future__ import annotations

from topologies.lab.worker.remains import LISTINGS, Remains, parse

IPTABLES = """\
*filter
:INPUT ACCEPT [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-SERVICES - [0:0]
-A INPUT -j KUBE-FIREWALL
-A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP
-A KUBE-SERVICES -d 10.96.0.53/32 -j REJECT
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:KUBE-SVC-ABC - [0:0]
-A KUBE-SERVICES -d 10.96.0.51/32 -j KUBE-SVC-ABC
COMMIT
"""
IPVSADM = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  10.96.0.1:443 rr
  -> 198.18.1.10:6443             Masq    1      0          0
UDP  10.96.0.10:53 rr
"""
ADDRESS = (
    "9: kube-ipvs0    inet 10.96.0.1/32 scope global kube-ipvs0\\n3: eth0    inet 198.18.1.11/24 scope global eth0\n"
)
TEXTS = {
    "chains": IPTABLES,
    "ipsets": "KUBE-CLUSTER-IP\nother\n",
    "virtual servers": IPVSADM,
    "addresses": ADDRESS.replace("\\n", "\n"),
    "nftables tables": "table ip kube-proxy\ntable ip filter\ntable ip6 kube-proxy\n",
}


def printed(**failed: str) -> str:
    """What the script prints; some listings fail with a text."""
    return "".join(
        f"\n@@remains {name}\n{failed.get(name.split()[0], TEXTS[name])}\n"
        f"@@remains ended {1 if name.split()[0] in failed else 0}\n"
        for name in LISTINGS
    )


def test_everything_of_kube_proxy_is_counted_and_nothing_of_the_kubelet() -> None:
    assert parse(printed()) == Remains(
        chains=("filter KUBE-SERVICES", "nat KUBE-SERVICES", "nat KUBE-SVC-ABC"),
        rules=2,
        ipsets=("KUBE-CLUSTER-IP",),
        virtual_servers=2,
        addresses=1,
        nft_tables=("ip kube-proxy", "ip6 kube-proxy"),
        unread={},
    )


def test_a_listing_that_fails_is_not_known_and_not_zero() -> None:
    seen = parse(printed(ipsets="ipset v7.17: Kernel error received: Operation not permitted"))

    assert seen.unread == {"ipsets": "ipset v7.17: Kernel error received: Operation not permitted"}
    assert seen.rules == 2


def test_output_that_is_cut_leaves_the_rest_unknown() -> None:
    seen = parse(printed().partition("@@remains virtual servers")[0])

    assert set(seen.unread) == {"virtual servers", "addresses", "nftables tables"}

from __future__ import annotations

from topologies.lab.worker.pod_namespaces import parse

PRINTED = """\
/run/netns/cni-1 2: eth0    inet 10.244.1.11/24 brd 10.244.1.255 scope global eth0
/run/netns/cni-2
/run/netns/cni-3 2: eth0 inet 10.244.1.12/32 scope global eth0 3: eth1 inet 10.9.9.9/32 scope global eth1
"""


def test_each_address_is_found_in_its_namespace() -> None:
    assert parse(PRINTED) == {
        "10.244.1.11": "/run/netns/cni-1",
        "10.244.1.12": "/run/netns/cni-3",
        "10.9.9.9": "/run/netns/cni-3",
    }

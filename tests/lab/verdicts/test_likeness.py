"""What programs expect of a real cluster beside the Services' rules: proxies to pods, timeouts of conntrack, wget."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.lab.support.settings import PROGRAMS
from tests.lab.support.small import api, inside, named
from topologies.common.waiting import Deadline, unmet, until
from topologies.lab import lab
from topologies.lab.build.images import AGNHOST

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")
NAME = "test-likeness"
NAMESPACE = "/api/v1/namespaces/default"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "echo", "labels": {"app": "echo"}},
    "spec": {
        "nodeName": "n2",
        "containers": [{"name": "echo", "image": AGNHOST, "args": ["netexec"], "imagePullPolicy": "Never"}],
    },
}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "echo"},
    "spec": {"selector": {"app": "echo"}, "ports": [{"port": 80, "targetPort": 8080}]},
}


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    """Return the name of a lab with a pod on n2 and its Service."""
    try:
        lab.up(named(NAME), kubernetes_bin=PROGRAMS, progress=lambda _: None)
        api(NAME, "POST", f"{NAMESPACE}/pods", POD)
        api(NAME, "POST", f"{NAMESPACE}/services", SERVICE)
        until(unmet(lambda: "'ready': True" in str(api(NAME, "GET", f"{NAMESPACE}/pods/echo"))), Deadline(30), "a pod")
        yield NAME
    finally:
        lab.down(NAME)


@pytest.mark.parametrize("path", ["pods/echo:8080", "services/echo:80"])
def test_the_api_server_proxies_to_pods(echo: str, path: str) -> None:
    assert "output" in api(echo, "GET", f"{NAMESPACE}/{path}/proxy/shell?shellCommand=hostname")


@pytest.mark.parametrize(("name", "seconds"), [("established", 86400), ("close_wait", 3600)])
def test_kube_proxy_sets_its_default_timeouts_of_connections(echo: str, name: str, seconds: int) -> None:
    set_to = inside(echo, "n1", "cat", f"/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_{name}")

    assert int(set_to) == seconds


@pytest.mark.parametrize(
    ("url", "printed"), [("127.0.0.1:8080/hostname", "echo"), ("198.18.100.99", "wget: download timed out")]
)
def test_wget_of_the_image_has_a_timeout(echo: str, url: str, printed: str) -> None:
    command = quote(f"wget -qO - -T 1 http://{url} 2>&1")

    assert printed in str(api(echo, "GET", f"{NAMESPACE}/pods/echo:8080/proxy/shell?shellCommand={command}"))

"""Whatever stands in the API server's place, each call ends in one ClusterError of one line."""

from __future__ import annotations

import json
import re
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.unit.support.fake_api import CONFIG, Api, Raw, serve, status
from topologies.cluster import api as apis
from topologies.cluster import client as clusters
from topologies.cluster import run_namespaces
from topologies.cluster.api import ClusterError
from topologies.cluster.client import Cluster
from topologies.cluster.inventory import read_real_cluster
from topologies.cluster.shared_namespace import runs_in
from topologies.lab.control_plane import pki
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TOPOLOGY = load("lab-small")
HTML = b"<!doctype html><html><body>Please log in</body></html>"
GARBAGE = {
    "html": Raw(HTML, 200, "text/html"),
    "html as json": Raw(HTML),
    "login refused": Raw(HTML, 403, "text/html"),
    "redirect": Raw(b"", 302, "text/html"),
    "list": Raw(b"[]"),
    "null": Raw(b"null"),
    "empty object": Raw(b"{}"),
    "nothing": Raw(b""),
    "half": Raw(b'{"kind": "PodList", "items": [{"metadata": {"na'),
    "number": Raw(b"7"),
    "text": Raw(b'"ok"'),
    "items null": Raw(b'{"items": null}'),
    "items object": Raw(b'{"items": {"a": 1}}'),
    "items of numbers": Raw(b'{"items": [1, null, "x"]}'),
    "bare items": Raw(b'{"items": [{}]}'),
    "not utf-8": Raw(b'{"items": ["\xff\xfe"]}'),
    "octets": Raw(bytes(range(256)), 200, "application/octet-stream"),
    "no type": Raw(b"hello", 200, ""),
    "unknown charset": Raw(b"{}", 200, "application/json; charset=klingon"),
    "deep": Raw(b'{"items":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "no content": Raw(b"", 204),
    "server error": Raw(b'{"code": 500}', 500),
    "status 999": Raw(b"{}", 999),
}
CALLS: dict[str, Callable[[Cluster], object]] = {
    "claim": Cluster.claim,
    "deploy": Cluster.deploy,
    "serve": Cluster.serve,
    "earlier": lambda cluster: cluster.others.earlier(),
    "alone": lambda cluster: cluster.others.alone(),
    "pods": Cluster.pods,
    "running": Cluster.running,
    "ready": Cluster.ready,
    "snapshot": Cluster.snapshot,
    "pools": Cluster.pools,
    "real": read_real_cluster,
    "runs in a namespace": lambda cluster: runs_in(cluster.api, cluster.namespace),
    "expose": lambda cluster: cluster.expose({"metadata": {"name": "x"}, "spec": {}}),
}


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def cluster(api: Api, tmp_path: Path) -> Iterator[Cluster]:
    with serve(api, tmp_path) as kubeconfig:
        made = Cluster(clusters.connect(str(kubeconfig)), TOPOLOGY, "hairpin-mine", "mine")
        made.deploy()
        made.serve()
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_one_error_of_one_line(garbage: str, api: Api, cluster: Cluster) -> None:
    api.script[".*"] = GARBAGE[garbage]
    for name, call in CALLS.items():
        cluster.uid = ""
        with pytest.raises(ClusterError) as caught:
            call(cluster)

        assert "\n" not in str(caught.value), name
        assert len(str(caught.value)) < 700, name


@pytest.mark.parametrize("garbage", GARBAGE)
def test_one_garbled_list_is_enough(garbage: str, api: Api, cluster: Cluster) -> None:
    for part in ("pods", "services", "endpoints"):
        api.script = {f"GET /api/v1/namespaces/hairpin-mine/{part}": GARBAGE[garbage]}
        with pytest.raises(ClusterError):
            cluster.snapshot()


@pytest.mark.parametrize("garbage", GARBAGE)
def test_namespaces_that_cannot_be_read_are_one_error(garbage: str, api: Api, cluster: Cluster) -> None:
    api.script["GET /api/v1/namespaces"] = GARBAGE[garbage]

    with pytest.raises(ClusterError):
        run_namespaces.run_namespaces(cluster.api)


def test_a_login_page_is_called_one(api: Api, cluster: Cluster) -> None:
    api.script[".*"] = GARBAGE["login refused"]

    with pytest.raises(ClusterError, match=r"the API answered 403 .*an HTML page, want JSON \(a login portal"):
        cluster.pods()


def test_a_refusal_is_the_apis_sentence_not_its_json(api: Api, cluster: Cluster) -> None:
    why = 'pods "web-a" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0'
    api.script["POST .*/pods"] = status(403, why)

    with pytest.raises(
        ClusterError, match=re.escape(f"403 Forbidden: {why}. Refused by the ResourceQuota none.")
    ) as caught:
        cluster.deploy()
    assert str(caught.value).startswith("create Pod web-a in hairpin-mine: ")


def mutated(api: Api, kind: str, change: Callable[[dict[str, Any]], None]) -> None:
    for place, item in api.objects.items():
        if f"/{kind}/" in place:
            change(item)


def test_an_ipv6_balancer_is_no_ipv4_address_and_the_first_ipv4_one_counts(api: Api, cluster: Cluster) -> None:
    ingress = [{"ip": "2001:db8::1"}]
    mutated(api, "services", lambda one: one.update(status={"loadBalancer": {"ingress": ingress}}))
    state = cluster.snapshot().services["web-lb"]
    assert (state.load_balancer_ip, state.ipv6) == (None, ("2001:db8::1",))
    assert (
        "Service web-lb has no IPv4 address in status.loadBalancer (IPv6 is not asked: 2001:db8::1)" in cluster.ready()
    )

    ingress.append({"ip": "192.0.2.7"})
    assert str(cluster.snapshot().services["web-lb"].load_balancer_ip) == "192.0.2.7"


def test_ipv6_pods_and_endpoints_are_left_out(api: Api, cluster: Cluster) -> None:
    mutated(
        api, "pods", lambda one: one["status"].update(podIP="fd00::1", podIPs=[{"ip": "fd00::1"}, {"ip": "10.9.9.9"}])
    )
    mutated(
        api,
        "endpoints",
        lambda one: one.update(subsets=[{"addresses": [{"ip": "fd00::1", "targetRef": {"name": "web-a"}}]}]),
    )
    snapshot = cluster.snapshot()

    assert set(map(str, snapshot.pods.values())) == {"10.9.9.9"}
    assert not any(state.endpoints for state in snapshot.services.values())


def test_an_ipv6_cluster_is_refused_by_name(api: Api, cluster: Cluster) -> None:
    mutated(api, "services", lambda one: one["spec"].update(clusterIP="fd00::10", clusterIPs=["fd00::10"]))

    with pytest.raises(ClusterError, match="has the ClusterIP fd00::10, want an IPv4 address"):
        cluster.snapshot()


def test_a_dead_proxy_is_named(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serve(api, tmp_path) as kubeconfig:
        cluster = Cluster(clusters.connect(str(kubeconfig)), TOPOLOGY, "hairpin-mine", "mine")
        with pytest.raises(ClusterError, match=r"through the proxy http://127\.0\.0\.1:9 \(.*NO_PROXY"):
            cluster.pods()
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        Cluster(clusters.connect(str(kubeconfig)), TOPOLOGY, "hairpin-mine", "mine").others.earlier()


BAD = {
    "absent": None,
    "empty": b"",
    "binary": bytes(range(256)),
    "no yaml": b"a: [b\n c: }",
    "a list": b"- a\n- b\n",
    "a word": b"hello",
    "no clusters": b"apiVersion: v1\nkind: Config\n",
    "latin-1": "name: Müller".encode("latin-1"),
    "deep": b"[" * 20000,
}


@pytest.mark.parametrize("content", BAD)
def test_a_bad_kubeconfig_is_one_line_that_names_the_file(content: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    if (octets := BAD[content]) is not None:
        path.write_bytes(octets)

    with pytest.raises(ClusterError) as caught:
        apis.connect(str(path))

    assert str(caught.value).startswith(f"kubeconfig {path}: ")
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="got a directory, want a file"):
        apis.connect(str(tmp_path))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"current-context": "other"}, "other"),
        (
            {
                "clusters": [
                    {"name": "fake", "cluster": {"server": "http://127.0.0.1:9", "certificate-authority-data": "%%%"}}
                ]
            },
            "",
        ),
        (
            {
                "clusters": [
                    {
                        "name": "fake",
                        "cluster": {"server": "https://127.0.0.1:9", "certificate-authority": "/nonexistent/ca.crt"},
                    }
                ]
            },
            "/nonexistent/ca.crt",
        ),
        ({"clusters": [{"name": "fake", "cluster": {"server": "http://127.0.0.1:not-a-port"}}]}, ""),
        ({"clusters": [{"name": "fake", "cluster": {}}]}, ""),
        ({"clusters": "fake"}, ""),
        (
            {
                "users": [
                    {
                        "name": "fake",
                        "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/false"}},
                    }
                ]
            },
            "exec",
        ),
        (
            {"users": [{"name": "fake", "user": {"exec": {"apiVersion": "v1", "command": "/nonexistent/aws"}}}]},
            "/nonexistent/aws",
        ),
        ({"users": [{"name": "fake", "user": {"client-certificate-data": "AAAA", "client-key-data": "AAAA"}}]}, ""),
    ],
)
def test_a_kubeconfig_that_leads_nowhere_is_one_line(change: dict[str, object], says: str, tmp_path: Path) -> None:
    """At the latest at the first call."""
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(yaml.safe_load(CONFIG.format(port=9)) | change))

    with pytest.raises(ClusterError) as caught:
        run_namespaces.run_namespaces(apis.connect(str(path)))

    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@contextmanager
def tls(folder: Path, made: datetime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The kubeconfig of a server whose certificates were made at that time."""
    with monkeypatch.context() as patch:
        patch.setattr(pki, "datetime", SimpleNamespace(now=lambda _: made))
        pki.write(folder, api=[IPv4Address("127.0.0.1")], kubelets=[])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "api.crt", folder / "api.key")
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # the client refuses, and that is the point
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    config = yaml.safe_load(CONFIG.format(port=server.server_port).replace("http:", "https:"))
    config["clusters"][0]["cluster"]["certificate-authority"] = str(folder / "ca.crt")
    (folder / "config").write_text(yaml.safe_dump(config))
    yield folder / "config"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("days", "says"), [(2, "certificate is not yet valid"), (-40, "certificate has expired")], ids=["early", "late"]
)
def test_a_wrong_clock_is_asked_about(days: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = datetime.now(UTC) + timedelta(days=days)
    with tls(tmp_path, made, monkeypatch) as config, pytest.raises(ClusterError) as caught:
        run_namespaces.run_namespaces(apis.connect(str(config)))

    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert re.search(rf"{says}.*This host's clock is at {today} \d\d:\d\d UTC: is it right\?$", str(caught.value))


def test_a_clock_that_was_set_back_by_an_hour_opens_a_labs_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = datetime.now(UTC) + timedelta(hours=1, minutes=1)
    with tls(tmp_path, made, monkeypatch) as config, pytest.raises(ClusterError, match="the API answered 501"):
        run_namespaces.run_namespaces(apis.connect(str(config)))


def test_an_exec_plugin_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apis, "LOGIN_TIMEOUT_S", 0.5)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sleep", "args": ["3"]}
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {"exec": plugin}}],
    }
    path = tmp_path / "config"
    path.write_text(json.dumps(config))

    with pytest.raises(
        ClusterError, match=r"got no credentials within 0\.5 s: does its exec plugin wait for a login\?"
    ):
        apis.connect(str(path))

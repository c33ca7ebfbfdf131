"""Read what a node's kube-proxy reports of itself: mode, version and configuration, and whether it writes rules. Pure.

At 127.0.0.1:10249, `/proxyMode` is the mode in use, `/configz` its configuration (pkg/proxy/apis/config/types.go: field
names of Go or of v1alpha1, and since 1.32 some in `Linux` and `DetectLocal`), `kubernetes_build_info` of `/metrics` its
own version. What does not answer is unread: many clusters bind the port elsewhere, or have no kube-proxy.

LAST_SYNC of `/metrics` is the time at which rules were last written. Until the first time it is 0, and from 1.33 on,
where it has a label for the IP family, it is not listed (pkg/proxy/metrics/metrics.go of 1.20 to 1.37). `/healthz` at
10256 returns 200 as long as rules were never written (pkg/proxy/healthcheck), so it shows only later failures.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from topologies.cluster_state.node_versions import NodeVersions
from topologies.schema.enums import ProxyMode
from topologies.schema.scalars import Version

if TYPE_CHECKING:
    from collections.abc import Collection

LARGEST = 64 * 1024  # bytes of /configz, which has about 2 KiB
MODE, CONFIG, HEALTH, BUILD = "@proxyMode", "@configz", "@healthz", "@build"
LAST_SYNC = "kubeproxy_sync_proxy_rules_last_timestamp_seconds"
LABELLED_SINCE = Version(1, 33)  # LAST_SYNC has the label ip_family
UNAVAILABLE = "503"
SCRIPT = f"""
get() {{ curl -q -s -f --noproxy '*' --max-time 2 "http://127.0.0.1:10249/$1"; }}
echo {MODE}; get proxyMode | head -c 100; echo
echo {CONFIG}; get configz | head -c {LARGEST}; echo
echo {HEALTH}
curl -q -s --noproxy '*' --max-time 2 -w ' %{{http_code}}' http://127.0.0.1:10256/healthz | head -c 1000; echo
echo {BUILD}; get metrics | grep -a -e '^kubernetes_build_info' -e '^{LAST_SYNC}' | head -c 1000; echo
"""
_VERSION = re.compile(r'git_version="([^"]*)"')
_SYNCED = re.compile(rf'^{LAST_SYNC}(?:{{ip_family="IPv4"}})? (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ProxyFacts:
    """One node's kube-proxy. None: not read.

    `cluster_cidrs`: empty where none is given. `node_port_addresses`: networks as text, or words; IPv4's only.
    `localhost_nodeport_proxy` and `allow_external_ips` are feature gates, and None too if the configuration does not
    set them. `has_synced`: whether it has written its IPv4 rules once. `unhealthy`: the text with which `/healthz`
    returns 503; empty if it does not.
    """

    node: str
    mode: str | None = None
    version: str | None = None
    detect_local: str | None = None
    cluster_cidrs: tuple[str, ...] | None = None
    masquerade_all: bool | None = None
    localhost_nodeports: bool | None = None
    node_port_addresses: tuple[str, ...] | None = None
    localhost_nodeport_proxy: bool | None = None
    allow_external_ips: bool | None = None
    has_synced: bool | None = None
    unhealthy: str = ""

    @property
    def versions(self) -> NodeVersions:
        """Its version and mode."""
        return NodeVersions(kube_proxy=self.version or "", mode=self.mode or "")

    @property
    def settings(self) -> dict[str, str]:
        """Return what was read of its configuration, by the key of the topology's `proxy`, as YAML has it."""
        read = {
            "detect_local": self.detect_local,
            "cluster_cidrs": _list(self.cluster_cidrs),
            "masquerade_all": _flag(self.masquerade_all),
            "localhost_nodeports": _flag(self.localhost_nodeports),
            "node_port_addresses": _list(self.node_port_addresses),
            "localhost_nodeport_proxy": _flag(self.localhost_nodeport_proxy),
            "allow_external_ips": _flag(self.allow_external_ips),
        }
        return {key: text for key, text in read.items() if text}

    def __str__(self) -> str:
        """`v1.20.2 iptables`, as far as it is known."""
        return " ".join(filter(None, (self.version, self.mode)))


def _flag(value: bool | None) -> str:
    return "" if value is None else str(value).lower()


def _list(values: tuple[str, ...] | None) -> str:
    return ", ".join(values or ())


def parse(node: str, output: bytes) -> ProxyFacts:
    """Return what the script has printed; whatever cannot be read stays None."""
    lines = split_at_headings(output, {MODE, CONFIG, HEALTH, BUILD})
    parts = {heading: "\n".join(below).strip() for heading, below in lines.items()}
    metrics = parts.get(BUILD, "")
    build = _VERSION.search(metrics)
    version = build[1] if build else None
    config = _config(parts.get(CONFIG, ""))
    mode = _word(parts.get(MODE, "")) or config.pop("mode", None)
    own = {"mode": mode, "version": version, "has_synced": _has_synced(mode, version, metrics)}
    return ProxyFacts(node, **{**config, **own, "unhealthy": _unhealthy(parts.get(HEALTH, ""))})


def _has_synced(mode: str | None, version: str | None, metrics: str) -> bool | None:
    """Return whether LAST_SYNC has a value; None for a kube-proxy of a mode or version that may not have it."""
    if version is None or mode not in set(ProxyMode):
        return None
    try:
        if found := _SYNCED.search(metrics):
            return float(found[1]) != 0
        return None if Version.parse(version) < LABELLED_SINCE else False
    except ValueError:
        return None


def _unhealthy(text: str) -> str:
    """Return the text of `/healthz` if its status was 503, in one line."""
    body, _, code = text.rpartition(" ")
    return " ".join(body.split()) or UNAVAILABLE if code == UNAVAILABLE else ""


def split_at_headings(output: bytes, headings: Collection[str]) -> dict[str, list[str]]:
    """Return the lines below each heading that a script has printed."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in output.decode(errors="replace").splitlines():
        if line in headings:
            lines = found.setdefault(line, [])
        else:
            lines.append(line)
    return found


def _word(text: str) -> str | None:
    return text if re.fullmatch(r"[a-z]{1,20}", text) else None


def _config(text: str) -> dict[str, Any]:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return settings_of(whole.get("kubeproxy.config.k8s.io")) if isinstance(whole, dict) else {}


def settings_of(given: object) -> dict[str, Any]:
    """Return the fields of ProxyFacts that a KubeProxyConfiguration of any version sets; nothing if it is none."""
    config = _lower(given)
    if not config:
        return {}
    masquerade = [_lower(config.get(part)).get("masqueradeall") for part in ("linux", "iptables", "nftables")]
    given = [value for value in masquerade if isinstance(value, bool)]
    iptables = _lower(config.get("iptables"))
    known = "localhostnodeports" in iptables  # from 1.26; null is the default, true
    return {
        "mode": _word(_text(config.get("mode"))),
        "detect_local": _text(config.get("detectlocalmode")) or "ClusterCIDR",
        "cluster_cidrs": _networks(_cluster_cidrs(config)),
        "masquerade_all": any(given) if given else None,
        "localhost_nodeports": iptables["localhostnodeports"] is not False if known else None,
        "node_port_addresses": _networks(config.get("nodeportaddresses") or []),
        "localhost_nodeport_proxy": _gate(config, "KubeProxyNFTablesLocalhostNodePorts"),
        "allow_external_ips": _gate(config, "AllowServiceExternalIPs"),
    }


def _gate(config: dict[str, Any], name: str) -> bool | None:
    """Return a feature gate that the configuration sets."""
    value = _lower(config.get("featuregates")).get(name.lower())
    return value if isinstance(value, bool) else None


def _cluster_cidrs(config: dict[str, Any]) -> list[Any]:
    listed = _lower(config.get("detectlocal")).get("clustercidrs")
    return listed if isinstance(listed, list) else _text(config.get("clustercidr")).split(",")


def _networks(found: object) -> tuple[str, ...]:
    """Return the texts of a list that are no IPv6 networks, sorted."""
    listed = found if isinstance(found, list) else []
    return tuple(sorted(text.strip() for text in map(_text, listed) if text.strip() and ":" not in text))


def _lower(found: object) -> dict[str, Any]:
    """Return a mapping with its keys in lower case: the only difference between Go's field names and JSON's."""
    return {str(key).lower(): value for key, value in found.items()} if isinstance(found, dict) else {}


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""

"""The files that a worker's daemons read, and the plan of its first process (init.py). Only `write_...` do I/O."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topologies.lab import component_config
from topologies.lab.component_config import KubeletFiles
from topologies.lab.component_flags import arguments
from topologies.lab.network import plan as addresses
from topologies.lab.network import pods, ssh
from topologies.lab.state import State, write
from topologies.schema.enums import Masquerade, Policy, ProxyMode
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from topologies.lab.build.binaries import Binaries
    from topologies.lab.build.container_runtime import ContainerRuntime
    from topologies.lab.cgroups import Hierarchy
    from topologies.schema.topology import Node, Topology

IPVS_MODULES = ("ip_vs", "ip_vs_rr", "ip_vs_wrr", "ip_vs_sh", "nf_conntrack")
PAUSE = "hairpin.local/pause:1"
SOCKET = "/run/containerd/containerd.sock"
DOCKER = "/run/docker.sock"
NO_MORE_DOCKER = Version(1, 24)
OFF = (
    *("snapshotter.v1.btrfs", "snapshotter.v1.devmapper", "snapshotter.v1.zfs", "snapshotter.v1.aufs"),
    *("internal.v1.opt", "internal.v1.tracing", "tracing.processor.v1.otlp"),
)
CONTAINERD = """\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = [{off}]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""
PLUGINS = Path("/usr/lib/cni")  # where Debian puts them
OWN_PLUGIN = "hairpin-eni"
EGRESS = """\
*nat
-A POSTROUTING -s {cluster} -d {cluster} -j RETURN
{excepted}-A POSTROUTING -s {cluster} ! -d 224.0.0.0/4 -j MASQUERADE --random-fully
COMMIT
"""
FLANNEL = """\
*nat
-A POSTROUTING -s {own} -d {cluster} -j RETURN
-A POSTROUTING -s {cluster} -d {own} -j RETURN
-A POSTROUTING ! -s {cluster} -d {own} -j RETURN
{excepted}-A POSTROUTING -s {cluster} ! -d 224.0.0.0/4 -j MASQUERADE --random-fully
-A POSTROUTING ! -s {cluster} -d {cluster} -j MASQUERADE --random-fully
COMMIT
"""
MASQUERADE = {Masquerade.NONE: "", Masquerade.EGRESS: EGRESS, Masquerade.FLANNEL: FLANNEL}
EXCEPTED = "-A POSTROUTING -s {cluster} -d {network} -j RETURN\n"
ACCEPTED = """\
-A FORWARD -s {cluster} -j ACCEPT
-A FORWARD -d {cluster} -j ACCEPT
"""
DROPPED = ":FORWARD DROP [0:0]\n"
GUARDED = """\
:INPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -p tcp -m multiport --dports 22,10250 -j ACCEPT
-A INPUT -p udp --dport {vxlan} -j ACCEPT
-A INPUT -s {balancer} -p tcp --dport 30000:32767 -j ACCEPT
"""  # the last one: health checks of the load balancer; a NodePort that kube-proxy serves is translated before INPUT
NO_CLOUD = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "none"}  # kubelet 1.20 waits 4 s for EC2's metadata


@dataclass(frozen=True, slots=True)
class Programs:
    """What workers run: Kubernetes' programs, with the kube-proxy of each node, and the container runtime."""

    kubernetes: Binaries
    runtime: ContainerRuntime


def containerd_config(topology: Topology, state: State, node: Node) -> str:
    """Return containerd's config.toml, version 2 (containerd 1.6)."""
    off = ", ".join(f'"io.containerd.{name}"' for name in OFF)
    own = state.node(node.name)
    plugins = PLUGINS if uses_bridge_plugin(topology, node) else own / "plugins"
    return CONTAINERD.format(off=off, socket=SOCKET, pause=PAUSE, cni=own / "cni", plugins=plugins)


def cni_config(topology: Topology, node: Node) -> dict[str, Any]:
    """Return the CNI configuration: the bridge plugin as flannel configures it, or our own plugin.

    Our own serves nodes without a bridge, and bridges without an address.
    """
    gateway = pods.gateway_address(topology, node)
    subnet = {"subnet": str(pods.pod_cidr(topology, node)), **({"gateway": str(gateway)} if gateway else {})}
    ipam = {"type": "host-local", "ranges": [[subnet]], "dataDir": "/var/lib/cni/networks"}
    hairpin = topology.kernel_of(node.name).hairpin
    if not uses_bridge_plugin(topology, node):
        port = {"bridge": pods.BRIDGE, "hairpin": hairpin} if topology.cni.bridge else {}
        own = {"type": OWN_PLUGIN, "mtu": pods.mtu(topology), **port, "ipam": ipam}
        own |= {"gateway": str(gateway)} if gateway else {}
        return {"cniVersion": "0.3.1", "name": "eni", "plugins": [own]}
    bridge = {
        "type": "bridge",
        "bridge": pods.BRIDGE,
        "mtu": pods.mtu(topology),
        "isGateway": True,
        "isDefaultGateway": True,
        "ipMasq": False,
        "hairpinMode": hairpin,
        "ipam": {**ipam, "routes": [{"dst": str(topology.cni.pod_cidr)}]},
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.3.1", "name": "cbr0", "plugins": [bridge, ports]}


def uses_bridge_plugin(topology: Topology, node: Node) -> bool:
    """Return whether pods are connected by the bridge plugin: it needs a bridge with an address."""
    return topology.cni.bridge and pods.gateway_address(topology, node) is not None


def iptables(topology: Topology, node: Node) -> str:
    """Return the rules of the CNI and of the node's firewall for iptables-restore.

    Without masquerade and with policy ACCEPT there are only FORWARD rules, which change nothing.
    """
    cni = topology.cni_of(node.name)
    names = {"own": pods.pod_cidr(topology, node), "cluster": cni.pod_cidr, "vxlan": addresses.VXLAN_PORT}
    names["balancer"] = topology.load_balancer.address or addresses.node_network(topology)[1]
    excepted = "".join(EXCEPTED.format(network=network, **names) for network in cni.masquerade_except)
    received = GUARDED if cni.input_policy is Policy.DROP else ""
    forwarded = DROPPED if cni.forward_policy is Policy.DROP else ACCEPTED
    rules = MASQUERADE[cni.masquerade] + _filter(received, forwarded)
    return rules.format(excepted=excepted, **names)


def _filter(*rules: str) -> str:
    """Return the filter table: policies first, as iptables-restore reads them, then rules."""
    lines = [line for text in rules for line in text.splitlines()]
    policies = [line for line in lines if line.startswith(":")]
    appended = [line for line in lines if not line.startswith(":")]
    return "\n".join(["*filter", *policies, *appended, "COMMIT", ""])


def kubelet(topology: Topology, state: State, node: Node) -> list[str]:
    """Return the kubelet's arguments for the topology's version."""
    values = {
        "config": str(state.node(node.name) / "kubelet.json"),
        "kubeconfig": f"{state.kube}/{node.name}.conf",
        "hostname-override": node.api_name,
        "node-ip": str(node.address),
        "root-dir": "/var/lib/kubelet",
        "container-runtime": "remote",
        "container-runtime-endpoint": f"unix://{SOCKET}",
        "docker": f"unix://{DOCKER}",
        "housekeeping-interval": "30s",
        "v": "1",
    }
    return arguments("kubelet", topology.kubernetes, values)


def daemons(topology: Topology, state: State, programs: Programs, node: Node) -> list[dict[str, Any]]:
    """Return a worker's daemons in order: `name`, `argv`, `env`, and `awaits` (files that must exist first)."""
    own = state.node(node.name)
    return [
        {
            "name": "containerd",
            "argv": ["containerd", "-c", str(own / "containerd.toml"), "-l", "warn"],
            "env": {"PATH": programs.runtime.path},
        },
        {"name": "sshd", "argv": ssh.server(state, node.name), "env": {}},
        {
            "name": "kubelet",
            "argv": [str(programs.kubernetes.path("kubelet")), *kubelet(topology, state, node)],
            "env": NO_CLOUD,
            "awaits": [SOCKET, str(state.api_ready)],
        },
        {"name": service_proxy(topology), "argv": _serve_services(topology, state, programs, node), "env": {}},
    ]


def service_proxy(topology: Topology) -> str:
    """Return the name of the daemon that serves Services."""
    return "kube-proxy" if topology.proxy.is_kube_proxy else "data-plane"


def _serve_services(topology: Topology, state: State, programs: Programs, node: Node) -> list[str]:
    """Return the command of kube-proxy, or of the declared data plane with the flags that kube-proxy has, too."""
    if topology.lab and not topology.proxy.is_kube_proxy:
        own = [f"--kubeconfig={state.kube}/proxy.conf", f"--hostname-override={node.api_name}"]
        return [*topology.lab.data_plane, *own]
    config = state.node(node.name) / "kube-proxy.json"
    return [str(programs.kubernetes.proxy_of(node.name).path), f"--config={config}", "--v=1"]


def write_plugins(place: Path) -> None:
    """Write a directory of CNI plugins: links to Debian's, and our own as a program."""
    place.mkdir(parents=True, exist_ok=True)
    for plugin in PLUGINS.iterdir():
        (place / plugin.name).symlink_to(plugin)
    own = place / OWN_PLUGIN
    own.write_text(f'#!/bin/sh\nexec {sys.executable} -m topologies.lab.network.eni "$@"\n')
    own.chmod(0o755)


def write_node(topology: Topology, state: State, programs: Programs, node: Node, groups: tuple[Hierarchy, ...]) -> None:
    """Write every file of a worker; its plan is the last one."""
    own = state.node(node.name)
    (own / "cni").mkdir(parents=True, exist_ok=True)
    if not uses_bridge_plugin(topology, node):
        write_plugins(own / "plugins")
    files = KubeletFiles(f"{state.pki}/ca.crt", f"{state.pki}/kubelet.crt", f"{state.pki}/kubelet.key")
    old = not any(group.unified for group in groups)
    ipvs = topology.proxy_of(node.name).mode is ProxyMode.IPVS  # most often in a guest kernel, which is slow
    configuration = component_config.kubelet_config(
        topology.kubelet_version_of(node.name),
        files,
        cgroup_v1=old,
        rules=topology.kubelet_rules_of(node.name),
        dns=component_config.cluster_dns_fields(topology),
        status_every="10s" if ipvs else "2s",
    )
    proxy = component_config.proxy_config(
        topology.proxy_version_of(node.name), topology, node, f"{state.kube}/proxy.conf"
    )
    (own / "containerd.toml").write_text(containerd_config(topology, state, node))
    (own / "cni" / "10-hairpin.conflist").write_text(json.dumps(cni_config(topology, node), indent=1))
    (own / "kubelet.json").write_text(json.dumps(configuration, indent=1))
    (own / "kube-proxy.json").write_text(json.dumps(proxy, indent=1))
    plan = {
        "name": node.name,
        "hierarchies": [[group.name, group.options] for group in groups],
        "legacy": bool(topology.lab and topology.lab.iptables == "legacy"),
        "docker": DOCKER if topology.kubernetes < NO_MORE_DOCKER else "",
        "modules": list(IPVS_MODULES) if ipvs else [],
        "iptables": iptables(topology, node),
        "daemons": daemons(topology, state, programs, node),
    }
    write(own / "plan.json", plan)

"""Check what a machine must have before a lab can be created: root and Debian's programs. One message lists all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.common.errors import HairpinError
from topologies.common.subprocesses import ProcessError, run
from topologies.lab import component_config, component_flags
from topologies.schema.enums import ProxyMode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from topologies.schema.topology import Topology

PROGRAMS = {
    "etcd": "etcd-server",
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables-restore": "iptables",
    "nft": "nftables",
    "ip": "iproute2",
    "/usr/sbin/sshd": "openssh-server",
    "ssh": "openssh-client",
    "conntrack": "conntrack",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
FOR_MODE = {ProxyMode.IPVS: {"ipset": "ipset"}}
MOUNT = ("mount", "-t", "tmpfs", "tmpfs", "/mnt")
PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


class RequirementError(HairpinError):
    """The machine lacks something that a lab needs. The message lists what to do."""


def check_versions(topology: Topology) -> None:
    """Check that the lab can configure every component, and that kubelets have the version of the lab's programs.

    A kube-proxy may have any version that the lab knows: build/node_proxies.py finds its program.

    Raises:
        RequirementError: A node declares another kubelet.
        VersionError: A version is not in the table of flags, or does not have a declared feature.

    """
    component_flags.check(topology.kubernetes)
    for index, node in enumerate(topology.nodes):
        component_config.proxy_config(topology.proxy_version_of(node.name), topology, node, "")
        version = node.kubelet_version
        if version not in {None, topology.kubernetes}:
            message = (
                f"requirements of a lab: nodes[{index}].kubelet_version: got {version}, want {topology.kubernetes}, "
                "the version of the programs of this lab. Declare another value of kubernetes."
            )
            raise RequirementError(message)


def check(modes: Iterable[ProxyMode] = ()) -> None:
    """Check that the machine can hold a lab.

    Args:
        modes: The modes of the nodes' kube-proxies.

    Raises:
        RequirementError: We are not root, a program is missing, or namespaces are not permitted.

    """
    wanted = []
    needed = PROGRAMS | {program: package for mode in modes for program, package in FOR_MODE.get(mode, {}).items()}
    if os.geteuid():
        wanted.append("be root (namespaces, mounts and cgroups need it): try again with sudo")
    if packages := sorted({package for program, package in needed.items() if not _there(program)}):
        wanted.append(f"apt-get install --no-install-recommends {' '.join(packages)}")
    if not wanted and (refused := _refused()):
        wanted.append(f"be permitted to create namespaces and mounts (in a container: --privileged); got {refused}")
    if wanted:
        message = "requirements of a lab: this machine lacks some of them. Do this first:\n  " + "\n  ".join(wanted)
        raise RequirementError(message)


def _refused() -> str:
    """Return the kernel's error for a mount in new namespaces; an empty string if it permits that."""
    try:
        run(["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup", "--fork", *MOUNT])
    except ProcessError as error:
        return str(error).splitlines()[-1]
    return ""


def _there(program: str) -> bool:
    return Path(program).exists() if program.startswith("/") else shutil.which(program, path=PATH) is not None

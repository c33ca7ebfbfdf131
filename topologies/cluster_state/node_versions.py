"""The versions that a node's components report: kubelet's and the runtime's in the API, kube-proxy's own. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class NodeVersions:
    """What one node runs, as reported. An empty text was not read."""

    kubelet: str = ""
    """status.nodeInfo.kubeletVersion of the Node."""
    container_runtime: str = ""
    """status.nodeInfo.containerRuntimeVersion of the Node, such as `containerd://1.6.20`."""
    kernel: str = ""
    """status.nodeInfo.kernelVersion of the Node."""
    kube_proxy: str = ""
    """The git_version of kubernetes_build_info in kube-proxy's metrics."""
    mode: str = ""
    """kube-proxy's, as it reports it."""

    def merge(self, other: NodeVersions) -> NodeVersions:
        """Return these versions with those that the other has."""
        return replace(self, **{one.name: value for one in fields(other) if (value := getattr(other, one.name))})


def merge_nodes(first: Mapping[str, NodeVersions], second: Mapping[str, NodeVersions]) -> dict[str, NodeVersions]:
    """Return the versions of all nodes of both, by node."""
    nothing = NodeVersions()
    return {name: first.get(name, nothing).merge(second.get(name, nothing)) for name in {**first, **second}}

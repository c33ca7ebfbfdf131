"""Every cluster by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.unit.support.real_clusters.alibaba_tencent_huawei import ack_flannel, ack_terway, cce, tke
from tests.unit.support.real_clusters.clouds import aks, eks, gke, openshift
from tests.unit.support.real_clusters.installed import cilium_strict, k3s, kind, kubeadm_calico, kubeadm_flannel_metallb

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.support.real_clusters.seeds import SeededCluster

CLUSTERS: dict[str, Callable[[], SeededCluster]] = {
    "eks": eks,
    "gke": gke,
    "aks": aks,
    "ack-flannel": ack_flannel,
    "ack-terway": ack_terway,
    "tke": tke,
    "cce": cce,
    "openshift": openshift,
    "k3s": k3s,
    "kubeadm-flannel-metallb": kubeadm_flannel_metallb,
    "kubeadm-calico-vxlan": partial(kubeadm_calico, "vxlan"),
    "kubeadm-calico-ipip": partial(kubeadm_calico, "ipip"),
    "cilium": cilium_strict,
    "kind": kind,
}

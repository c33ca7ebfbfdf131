"""Which Kubernetes version has which flag and config field, 1.20 to 1.37: one table and its readers.

Pure. A caller passes all its values. Those that the version does not have are dropped; a value that is not in `FLAGS`
is a VersionError.

Sources: kubernetes CHANGELOG-1.20 ... 1.36, the code of 1.37, `pkg/kubelet/apis/config`, `pkg/proxy/apis/config`; each
row has its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from topologies.common.errors import HairpinError
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST = Version(1, 20)
NEWEST = Version(1, 37)


class VersionError(HairpinError):
    """A flag is not in the table, a version is out of range, or a version does not have a declared feature."""


class Component(StrEnum):
    """The reader of a flag. The last two are config files; their fields are dotted paths in the same table."""

    APISERVER = "kube-apiserver"
    CONTROLLER_MANAGER = "kube-controller-manager"
    SCHEDULER = "kube-scheduler"
    KUBELET = "kubelet"
    PROXY = "kube-proxy"
    KUBELET_CONFIG = "KubeletConfiguration"
    PROXY_CONFIG = "KubeProxyConfiguration"


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag or config field. `since`: the first version that has it; `until`: the first that no longer has it."""

    component: Component
    flag: str
    since: Version | None = None
    until: Version | None = None
    why: str = ""

    def known(self, version: Version) -> bool:
        """Return whether that version has it."""
        return (self.since is None or version >= self.since) and (self.until is None or version < self.until)


def _always(component: Component, names: str) -> tuple[Flag, ...]:
    return tuple(Flag(component, name) for name in names.split())


def _gone(component: Component, flag: str, minor: int, why: str) -> Flag:
    return Flag(component, flag, until=Version(1, minor), why=why)


def _new(component: Component, flag: str, minor: int, why: str) -> Flag:
    return Flag(component, flag, since=Version(1, minor), why=why)


A, C, S, K, P, KC, PC = Component

FLAGS: tuple[Flag, ...] = (
    *_always(A, "etcd-servers bind-address secure-port advertise-address service-cluster-ip-range authorization-mode"),
    *_always(A, "enable-admission-plugins disable-admission-plugins token-auth-file client-ca-file anonymous-auth"),
    *_always(A, "tls-cert-file tls-private-key-file kubelet-client-certificate kubelet-client-key"),
    *_always(A, "kubelet-certificate-authority kubelet-preferred-address-types service-account-key-file"),
    *_always(A, "service-account-signing-key-file service-account-issuer service-node-port-range allow-privileged"),
    *_always(A, "enable-aggregator-routing endpoint-reconciler-type feature-gates runtime-config profiling v"),
    _gone(A, "insecure-port", 24, "no effect but 0 since 1.20 (#95856), removed in 1.24"),
    *_always(C, "kubeconfig root-ca-file service-account-private-key-file leader-elect cluster-cidr bind-address"),
    *_always(C, "service-cluster-ip-range allocate-node-cidrs node-monitor-period node-monitor-grace-period"),
    *_always(C, "use-service-account-credentials controllers feature-gates profiling v"),
    _gone(C, "port", 24, "insecure serving, inert since 1.20/1.22 (#96216), removed in 1.24"),
    _gone(C, "pod-eviction-timeout", 27, "taints do it; removed in 1.27"),
    *_always(S, "kubeconfig leader-elect bind-address feature-gates profiling v"),
    _gone(S, "port", 24, "insecure serving, inert since 1.23 (#96345), removed in 1.24"),
    *_always(K, "config kubeconfig hostname-override node-ip root-dir node-labels tls-cert-file tls-private-key-file"),
    *_always(K, "housekeeping-interval feature-gates v"),
    _gone(
        K, "container-runtime", 27, "`remote` is the only one since dockershim went in 1.24; removed in 1.27 (#114017)"
    ),
    _gone(K, "container-runtime-endpoint", 27, "deprecated: the config file has it from 1.27"),
    _gone(K, "docker", 24, "cAdvisor's flag, of use with dockershim only, which went in 1.24"),
    _gone(K, "network-plugin", 24, "dockershim only, which went in 1.24"),
    _gone(K, "pod-infra-container-image", 35, "the CRI pins its sandbox image; removed in 1.35 (#133779)"),
    *_always(P, "config v"),
    *_always(KC, "authentication authorization cgroupDriver cgroupsPerQOS enforceNodeAllocatable failSwapOn"),
    *_always(KC, "evictionHard imageGCHighThresholdPercent nodeStatusUpdateFrequency nodeLeaseDurationSeconds"),
    *_always(KC, "serializeImagePulls readOnlyPort oomScoreAdj resolvConf volumePluginDir rotateCertificates maxPods"),
    *_always(KC, "kubeAPIQPS kubeAPIBurst registryPullQPS eventRecordQPS makeIPTablesUtilChains"),
    *_always(KC, "tlsCertFile tlsPrivateKeyFile clusterDNS clusterDomain"),
    _gone(KC, "featureGates.LocalStorageCapacityIsolation", 25, "locked on when it became GA in 1.25 (KEP-361)"),
    Flag(KC, "featureGates.IPTablesOwnershipCleanup", Version(1, 25), Version(1, 28), "KEP-3178: locked on from 1.28"),
    _new(KC, "localStorageCapacityIsolation", 25, "takes the gate's place (KEP-361)"),
    _new(KC, "containerRuntimeEndpoint", 27, "takes the flag's place"),
    _new(KC, "failCgroupV1", 31, "KEP-4569; default true, so refusing cgroup v1, from 1.35 (KEP-5573)"),
    *_always(PC, "mode clusterCIDR hostnameOverride oomScoreAdj clientConnection conntrack nodePortAddresses"),
    *_always(PC, "iptables.minSyncPeriod iptables.syncPeriod iptables.masqueradeAll"),
    *_always(PC, "ipvs.minSyncPeriod ipvs.syncPeriod healthzBindAddress metricsBindAddress detectLocalMode"),
    _new(PC, "detectLocal.bridgeInterface", 24, "mode BridgeInterface (#95400)"),
    _new(PC, "detectLocal.interfaceNamePrefix", 24, "mode InterfaceNamePrefix (#95400)"),
    _new(PC, "iptables.localhostNodePorts", 26, "--iptables-localhost-nodeports"),
    _new(PC, "nftables.minSyncPeriod", 29, "KEP-3866"),
    _new(PC, "nftables.syncPeriod", 29, "KEP-3866"),
    _new(PC, "nftables.masqueradeAll", 29, "KEP-3866"),
    _new(PC, "featureGates.AllowServiceExternalIPs", 36, "KEP-5707"),
    _new(PC, "featureGates.KubeProxyNFTablesLocalhostNodePorts", 37, "KEP-6032: alpha"),
    Flag(PC, "featureGates.NFTablesProxyMode", Version(1, 29), Version(1, 31), "KEP-3866: alpha 1.29, on from 1.31"),
)

# the first Kubernetes that requires at least this containerd, and why
RUNTIMES = (
    (OLDEST, (1, 0), "CRI v1alpha2"),
    (Version(1, 26), (1, 6), "the kubelet uses CRI v1 only"),
    (Version(1, 36), (2, 0), "1.35 is the last with containerd 1.x"),
)


def arguments(component: Component | str, version: Version, values: Mapping[str, str]) -> list[str]:
    """Return `--flag=value` for the flags that the version has, in the table's order.

    >>> arguments("kube-scheduler", Version(1, 24), {"port": "0", "v": "1"})
    ['--v=1']

    Raises:
        VersionError: A flag is not in the table.

    """
    return [f"--{flag}={value}" for flag, value in known(Component(component), version, values).items()]


def known(component: Component, version: Version, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values whose flag or field the version has, in the table's order.

    Raises:
        VersionError: A flag or field is not in the table.

    """
    check(version)
    rows = {row.flag: row for row in FLAGS if row.component is component}
    if undeclared := sorted(set(values) - set(rows)):
        message = f"{component}: {', '.join(undeclared)} not in the table of component_flags.py: declare it there"
        raise VersionError(message)
    return {flag: values[flag] for flag, row in rows.items() if flag in values and row.known(version)}


def check(version: Version) -> None:
    """Raise VersionError unless the table covers the version."""
    if not OLDEST[:2] <= version[:2] <= NEWEST[:2]:
        message = (
            f"Kubernetes of the lab: got {version}, want {OLDEST.major}.{OLDEST.minor} to {NEWEST.major}.{NEWEST.minor}"
        )
        raise VersionError(message)


def required_runtime(version: Version) -> tuple[tuple[int, int], str]:
    """Return the least containerd (major, minor) that a kubelet accepts, and why."""
    return next((least, why) for since, least, why in reversed(RUNTIMES) if version >= since)

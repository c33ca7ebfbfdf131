"""What the API lists of a cluster, as plain values: nodes, workloads of the data plane, Services, configuration. Pure.

The API is read as raw JSON, because custom resources have no types and 5,000 typed nodes take minutes. Every field may
be missing or of another type.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from topologies.common.addresses import IPAddress, IPNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Raw = dict[str, Any]
KEPT_ANNOTATIONS = (
    "flannel.alpha.coreos.com/",
    "projectcalico.org/",
    "network.cilium.io/",
    "io.cilium.network.",
)
ZONES = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
TYPES = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")


@dataclass(frozen=True, slots=True)
class ListedNode:
    """A Node object, as far as it matters here. Addresses and ranges are IPv4 only; `ipv6` counts the others.

    `images`: names of the images on the node that can serve as echo and prober.
    """

    name: str
    internal_ips: tuple[IPAddress, ...] = ()
    external_ips: tuple[IPAddress, ...] = ()
    pod_cidrs: tuple[IPNetwork, ...] = ()
    ipv6: int = 0
    kubelet: str = ""
    kernel: str = ""
    arch: str = ""
    system: str = ""
    zone: str = ""
    instance_type: str = ""
    provider_id: str = ""
    not_ready: str = ""
    cordoned: bool = False
    taints: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a DaemonSet or of a static pod."""

    name: str
    image: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PodOwner:
    """A DaemonSet or a pod that belongs to the cluster's own programs."""

    namespace: str
    name: str
    containers: tuple[Container, ...]
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of all containers."""
        return tuple(argument for one in self.containers for argument in one.arguments)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of all containers; of a variable in several, the last one's."""
        return {key: text for one in self.containers for key, text in one.environment.items()}

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class ListedService:
    """A Service that exists: its cluster IPs, and what its load balancer's status has."""

    namespace: str
    name: str
    type: str = ""
    cluster_ips: tuple[IPAddress, ...] = ()
    addresses: tuple[IPAddress, ...] = ()
    hostnames: tuple[str, ...] = ()
    ip_modes: tuple[str, ...] = ()
    load_balancer_class: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Unread:
    """What these rights do not allow to read, and which keys stay unknown without it."""

    what: str
    why: str
    leaves: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything that the API lists. `config_maps` and `daemon_sets` are empty also if they may not be read.

    `objects`: custom resources and others by their plural, such as `ippools`; a plural that is absent was not read.
    `kubelets`: the kubelet configuration of a node, by its name.
    """

    version: str = ""
    nodes: tuple[ListedNode, ...] = ()
    daemon_sets: tuple[PodOwner, ...] = ()
    static_pods: tuple[PodOwner, ...] = ()
    services: tuple[ListedService, ...] = ()
    config_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    objects: Mapping[str, tuple[Raw, ...]] = field(default_factory=dict)
    kubelets: Mapping[str, Raw] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()

    def find_daemon_set(self, *names: str) -> PodOwner | None:
        """Return the DaemonSet that has one of these names, in any namespace."""
        return next((one for name in names for one in self.daemon_sets if one.name == name), None)

    def why_unread(self, what: str) -> str:
        """Return why something could not be read; an empty string if nothing was refused."""
        return next((one.why for one in self.unread if one.what.startswith(what)), "")


def read_node(item: Raw) -> ListedNode:
    """Return a Node object's fields; the name is required."""
    metadata, spec, status = (as_map(item.get(part)) for part in ("metadata", "spec", "status"))
    labels, info = as_texts(metadata.get("labels")), as_map(status.get("nodeInfo"))
    addresses = as_maps(status.get("addresses"))
    internal = [str(one.get("address")) for one in addresses if one.get("type") == "InternalIP"]
    external = [str(one.get("address")) for one in addresses if one.get("type") == "ExternalIP"]
    ranges = [str(one) for one in [spec.get("podCIDR"), *as_list(spec.get("podCIDRs"))] if one]
    return ListedNode(
        name=str(metadata["name"]),
        internal_ips=tuple(dict.fromkeys(as_addresses(internal))),
        external_ips=tuple(dict.fromkeys(as_addresses(external))),
        pod_cidrs=tuple(dict.fromkeys(as_networks(ranges))),
        ipv6=sum(":" in text for text in internal),
        kubelet=text_of(info, "kubeletVersion"),
        kernel=text_of(info, "kernelVersion"),
        arch=text_of(info, "architecture") or labels.get("kubernetes.io/arch", ""),
        system=text_of(info, "operatingSystem") or labels.get("kubernetes.io/os", ""),
        zone=next((labels[key] for key in ZONES if key in labels), ""),
        instance_type=next((labels[key] for key in TYPES if key in labels), ""),
        provider_id=text_of(spec, "providerID"),
        not_ready=_not_ready(as_maps(status.get("conditions"))),
        cordoned=spec.get("unschedulable") is True,
        taints=tuple(f"{one.get('key')}:{one.get('effect')}" for one in as_maps(spec.get("taints"))),
        labels=labels,
        annotations={
            key: text for key, text in as_texts(metadata.get("annotations")).items() if key.startswith(KEPT_ANNOTATIONS)
        },
        images=_images(as_maps(status.get("images"))),
    )


def _images(listed: list[Raw]) -> tuple[str, ...]:
    names = [str(name) for one in listed for name in as_list(one.get("names"))]
    return tuple(name for name in names if re.search(r"/agnhost:[^@]+$", name))


def _not_ready(conditions: list[Raw]) -> str:
    ready = next((one for one in conditions if one.get("type") == "Ready"), {"status": "True"})
    return "" if ready.get("status") == "True" else str(ready.get("reason") or f"Ready is {ready.get('status')}")


def read_pod_owner(item: Raw) -> PodOwner:
    """Return a DaemonSet's or a pod's containers."""
    metadata, spec = as_map(item.get("metadata")), as_map(item.get("spec"))
    template = as_map(as_map(spec.get("template")).get("spec")) or spec
    return PodOwner(
        str(metadata.get("namespace", "")),
        str(metadata.get("name", "")),
        tuple(_container(one) for one in as_maps(template.get("containers"))),
        as_texts(metadata.get("labels")),
    )


def _container(item: Raw) -> Container:
    arguments = [str(one) for part in ("command", "args") for one in as_list(item.get(part))]
    environment = {str(one.get("name")): str(one.get("value", "")) for one in as_maps(item.get("env"))}
    return Container(text_of(item, "name"), text_of(item, "image"), tuple(arguments), environment)


def read_service(item: Raw) -> ListedService:
    """Return a Service's addresses and its load balancer's status."""
    metadata, spec = as_map(item.get("metadata")), as_map(item.get("spec"))
    ingress = as_maps(as_map(as_map(item.get("status")).get("loadBalancer")).get("ingress"))
    return ListedService(
        namespace=text_of(metadata, "namespace"),
        name=text_of(metadata, "name"),
        type=text_of(spec, "type"),
        cluster_ips=as_addresses([text_of(spec, "clusterIP")]),
        addresses=as_addresses([text_of(one, "ip") for one in ingress]),
        hostnames=tuple(text_of(one, "hostname") for one in ingress if text_of(one, "hostname")),
        ip_modes=tuple(text_of(one, "ipMode") for one in ingress if text_of(one, "ipMode")),
        load_balancer_class=text_of(spec, "loadBalancerClass"),
        annotations=as_texts(metadata.get("annotations")),
    )


def as_map(value: object) -> Raw:
    """Return a mapping; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return a list; an empty one for anything else."""
    return value if isinstance(value, list) else []


def as_maps(value: object) -> list[Raw]:
    """Return the mappings in a list."""
    return [one for one in as_list(value) if isinstance(one, dict)]


def as_texts(value: object) -> dict[str, str]:
    """Return a mapping of text to text, without what is none."""
    return {key: text for key, text in as_map(value).items() if isinstance(key, str) and isinstance(text, str)}


def text_of(item: Raw, key: str) -> str:
    """Return a field that is text; an empty string if it is missing or something else."""
    value = item.get(key)
    return value if isinstance(value, str) else ""


def as_addresses(texts: Iterable[object]) -> tuple[IPAddress, ...]:
    """Return the texts that are IPv4 addresses of hosts."""
    found = []
    for text in texts:
        try:
            found.append(IPAddress(str(text)))
        except ValueError:
            continue
    return tuple(one for one in found if not (one.is_unspecified or one.is_loopback or one.is_multicast))


def as_networks(texts: Iterable[object]) -> tuple[IPNetwork, ...]:
    """Return the texts that are IPv4 ranges."""
    found = []
    for text in texts:
        try:
            found.append(IPNetwork(str(text).strip(), strict=False))
        except ValueError:
            continue
    return tuple(found)

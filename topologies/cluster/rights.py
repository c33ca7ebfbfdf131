"""The rights that a run needs, each with what it is for, and the manifests that grant them. Pure.

With a namespace that was made beforehand a Role in it is enough. Without one, a run creates its own namespace, whose
name no Role can foresee, so the same rights are cluster-wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Place(StrEnum):
    """Where a right is needed."""

    NAMESPACE = "namespace"
    """In the run's namespace."""
    OWN_NAMESPACE = "own-namespace"
    """Cluster-wide, only for runs that create their own namespace."""
    CLUSTER = "cluster"
    """Cluster-wide, because the objects belong to no namespace."""
    DEFAULT = "default"
    """In the namespace `default`."""
    DISCOVERY = "discovery"
    """Cluster-wide, only for `hairpin discover`."""


@dataclass(frozen=True, slots=True)
class Right:
    """A rule of a Role.

    `why`: what it is for. `optional`: what a run lacks without it; empty if it needs it. `broad`: it allows much more,
    so it is granted only beside rights that do too.
    """

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    place: Place
    why: str
    optional: str = ""
    broad: bool = False


WITHOUT_SCENARIOS = "a run with --scenarios ends before anything is created"
SCENARIO_RIGHTS = (
    Right(
        "",
        ("services", "pods", "pods/status"),
        ("patch",),
        Place.NAMESPACE,
        "only --scenarios: change Services, and the labels and readiness of echo pods",
        WITHOUT_SCENARIOS,
    ),
    Right("", ("pods/eviction",), ("create",), Place.NAMESPACE, "only --scenarios: evict echo pods", WITHOUT_SCENARIOS),
)
RIGHTS: tuple[Right, ...] = (
    Right(
        "",
        ("namespaces",),
        ("create", "list", "delete"),
        Place.OWN_NAMESPACE,
        "create and delete the run's namespace; list: wait for the end of other runs",
    ),
    Right("", ("pods", "services"), ("create", "list", "delete"), Place.NAMESPACE, "echo pods, clients and Services"),
    Right("", ("pods/exec",), ("get", "create"), Place.NAMESPACE, "run curl in the clients; get is a websocket's verb"),
    Right("", ("endpoints",), ("list",), Place.NAMESPACE, "wait until the Services have their endpoints"),
    Right(
        "discovery.k8s.io",
        ("endpointslices",),
        ("list",),
        Place.NAMESPACE,
        "the conditions of endpoints, if the topology declares terminating ones",
        "a topology with `state: terminating` cannot be tested from 1.22 on",
    ),
    Right(
        "",
        ("nodes",),
        ("list",),
        Place.CLUSTER,
        "names, addresses, podCIDRs and versions",
        "the topology is not compared with the nodes, and nodes that it does not declare are not known",
    ),
    Right(
        "coordination.k8s.io",
        ("leases",),
        ("create", "patch", "list", "delete"),
        Place.NAMESPACE,
        "show that the run is at work",
        "`hairpin clean` and other runs cannot see that this run is at work",
    ),
    *SCENARIO_RIGHTS,
    Right(
        "networking.k8s.io",
        ("networkpolicies",),
        ("list",),
        Place.NAMESPACE,
        "find policies that restrict the pods",
        "cells that a NetworkPolicy breaks fail instead of being inconclusive",
    ),
    Right(
        "crd.projectcalico.org",
        ("globalnetworkpolicies",),
        ("list",),
        Place.CLUSTER,
        "find Calico's policies",
        "Calico's cluster-wide policies are not noted",
    ),
    Right(
        "cilium.io",
        ("ciliumclusterwidenetworkpolicies",),
        ("list",),
        Place.CLUSTER,
        "find Cilium's policies",
        "Cilium's cluster-wide policies are not noted",
    ),
    Right(
        "",
        ("services",),
        ("list",),
        Place.DEFAULT,
        "the ClusterIP of Service `kubernetes`, compared with service_cidr",
        "service_cidr is not compared",
    ),
    Right(
        "",
        ("nodes/proxy",),
        ("get",),
        Place.CLUSTER,
        "ask the nodes' health ports through the API server. BROAD: it opens every port of every kubelet",
        "a pod of the run asks instead; `hairpin discover` does not read kubelet's configuration",
        broad=True,
    ),
    Right(
        "apps",
        ("daemonsets",),
        ("list",),
        Place.DISCOVERY,
        "recognise the CNI, kube-proxy and ServiceLB",
        "`hairpin discover` leaves cni.kind and load_balancer.kind to be declared",
    ),
    Right(
        "",
        ("configmaps",),
        ("get",),
        Place.DISCOVERY,
        "kube-proxy's, kubeadm's and the CNI's configuration. BROAD: every ConfigMap; a Role in kube-system is enough",
        "`hairpin discover` does not read that configuration; a hostNetwork pod reads kube-proxy's /configz instead",
        broad=True,
    ),
    Right(
        "",
        ("pods", "services"),
        ("list",),
        Place.DISCOVERY,
        "kube-apiserver's flags, and the addresses that balancers gave to Services",
        "`hairpin discover` leaves service_cidr and load_balancer.addresses to other sources",
    ),
    Right(
        "crd.projectcalico.org",
        ("ippools",),
        ("list",),
        Place.DISCOVERY,
        "Calico's tunnel and masquerade",
        "`hairpin discover` leaves Calico's tunnel and masquerade unknown",
    ),
    Right(
        "metallb.io",
        ("ipaddresspools", "l2advertisements", "bgpadvertisements"),
        ("list",),
        Place.DISCOVERY,
        "MetalLB's addresses and kind",
        "`hairpin discover` leaves MetalLB's addresses and kind unknown",
    ),
    Right(
        "networking.k8s.io",
        ("servicecidrs",),
        ("list",),
        Place.DISCOVERY,
        "service_cidr, from 1.29 on",
        "`hairpin discover` takes service_cidr from another source",
    ),
    Right(
        "config.openshift.io",
        ("networks",),
        ("list",),
        Place.DISCOVERY,
        "OpenShift's network",
        "`hairpin discover` leaves OpenShift's network unknown",
    ),
)


class Owner(NamedTuple):
    """The ServiceAccount that gets the rights, and the name of its roles."""

    account: str
    namespace: str
    role: str


WARNING = """\
# NEAR CLUSTER-ADMIN: pods, pods/exec and namespaces are cluster-wide here, because a run creates its own namespace.
# This account can run a pod on any node, and a command in any pod. To grant less, make a namespace beforehand: see
# `hairpin rbac --namespace NS`, and give every run --namespace=NS."""
NARROW = """\
# A Role in the namespace {namespace}, and reading nodes. Make the namespace first:
#   kubectl create namespace {namespace}
#   kubectl label namespace {namespace} pod-security.kubernetes.io/enforce=privileged   # for hostNetwork pods
# Then give every run --namespace={namespace}."""
ACCOUNT_NAMESPACE = "default"  # of the account, if no namespace is made beforehand


def manifests(namespace: str | None, account: str, *, least: bool = False) -> str:
    """Return the manifests as YAML with comments.

    Args:
        namespace: The namespace that was made beforehand; None if runs create their own.
        account: The name of the ServiceAccount.
        least: Without the optional rights, except reading nodes.

    """
    head = NARROW.format(namespace=namespace) if namespace else WARNING
    home = namespace or ACCOUNT_NAMESPACE
    owner = Owner(account, home, f"{account}-{namespace}" if namespace else account)
    chosen = [one for one in RIGHTS if not least or not one.optional or one.resources == ("nodes",)]
    wide = {Place.CLUSTER, Place.DISCOVERY} if namespace else set(Place) - {Place.DEFAULT}
    parts = [f"{head}\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {account}, namespace: {home}}}"]
    parts += _role("ClusterRole", owner, "", [one for one in chosen if one.place in wide], narrow=bool(namespace))
    if namespace:
        parts += _role("Role", owner, namespace, [one for one in chosen if one.place is Place.NAMESPACE])
        parts += _role("Role", owner, ACCOUNT_NAMESPACE, [one for one in chosen if one.place is Place.DEFAULT])
    return "\n---\n".join(parts) + "\n"


def _role(kind: str, owner: Owner, namespace: str, rights: list[Right], *, narrow: bool = False) -> list[str]:
    """Return the role with these rights and its binding; nothing without rights. `narrow`: broad ones as comments."""
    if not rights:
        return []
    place = f", namespace: {namespace}" if namespace else ""
    head = f"apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}"
    subject = f"{{kind: ServiceAccount, name: {owner.account}, namespace: {owner.namespace}}}"
    reference = f"{{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: {owner.role}}}"
    rules = "\n".join(_rule(one, as_comment=narrow and one.broad) for one in rights)
    return [
        f"{head}\nmetadata: {{name: {owner.role}{place}}}\nrules:\n{rules}",
        f"{head}Binding\nmetadata: {{name: {owner.role}{place}}}\nroleRef: {reference}\nsubjects: [{subject}]",
    ]


def _rule(right: Right, *, as_comment: bool) -> str:
    """Return one rule; its comments explain it, and what a run lacks without it."""
    comment = f"# For: {right.why}" + (f"\n# Optional. Without it: {right.optional}" if right.optional else "")
    group = right.group or '""'
    rule = f"- apiGroups: [{group}]\n  resources: [{', '.join(right.resources)}]\n  verbs: [{', '.join(right.verbs)}]"
    return f"{comment}\n" + ("\n".join(f"#{line}" for line in rule.splitlines()) if as_comment else rule)

"""`hairpin clean`: remove the namespaces that killed runs left in a cluster."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hairpin.verb import CommandError
from topologies.cluster import client, run_namespaces, shared_namespace, terminating_pods

if TYPE_CHECKING:
    import argparse

    from kubernetes.client import ApiClient

    from hairpin.verb import Verbs
    from topologies.cluster.run_namespaces import RunNamespace

UNSURE_MIN = 60.0  # minutes for which a namespace without a Lease to read may belong to a run still at work
DESCRIPTION = (
    "Remove the namespaces that killed runs left in a cluster. A namespace is removed if it carries Hairpin's labels "
    "and is named after its run, and that run has ended: it has not renewed the Lease in its namespace for "
    f"20 s. A namespace without a Lease is kept for {UNSURE_MIN:g} minutes."
)


def add(verbs: Verbs, summary: str) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("clean", help=summary, description=DESCRIPTION)
    parser.add_argument("--kubeconfig", metavar="FILE", help="kubeconfig of the cluster (default: KUBECONFIG)")
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig")
    parser.add_argument("--namespace", metavar="NS", help="what runs with --namespace=NS left there; NS itself stays")
    parser.add_argument("--older-than", type=float, default=0, metavar="MINUTES", help="only those at least this old")
    parser.add_argument("--list", action="store_true", help="only list them, with owner and age")
    parser.add_argument("--all", action="store_true", help="also those of runs still at work, which lose their pods")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List or remove them; return 0, also if there were none. CommandError if the cluster refuses."""
    try:
        api = client.connect(options.kubeconfig, options.context)
        for one in _find(api, options.namespace):
            spared = _spared(one, options)
            if not (spared or options.list):
                _remove(api, one)
            done = f"spared: {spared}" if spared else "would be removed" if options.list else "removed"
            sys.stdout.write(f"{one}, made {one.age_s / 60:.0f} min ago: {done}\n")
    except client.ClusterError as error:
        raise CommandError(str(error)) from error
    return 0


def _find(api: ApiClient, namespace: str | None) -> list[RunNamespace]:
    return shared_namespace.runs_in(api, namespace) if namespace else run_namespaces.run_namespaces(api)


def _remove(api: ApiClient, one: RunNamespace) -> None:
    """Remove a run's namespace, or its objects in a namespace made beforehand."""
    if one.shared:
        shared_namespace.delete_run(api, one.name, one.run)
    else:
        try:
            terminating_pods.end_terminating(api, one.name, shared_namespace.selector(one.run))
        finally:
            run_namespaces.delete(api, one.name, one.uid)


def _spared(one: RunNamespace, options: argparse.Namespace) -> str:
    """Return why it is not removed; an empty string if it is."""
    minutes = one.age_s / 60
    if not one.is_a_runs:
        return f"it has our labels, but its name is not that of its run {one.run or '(no label)'}"
    if one.ending:
        return "it is being deleted already"
    if minutes < options.older_than:
        return f"younger than {options.older_than:g} min"
    return "" if options.all else _in_use(one)


def _in_use(one: RunNamespace) -> str:
    """Return why its run may still be at work; an empty string if it is not."""
    if one.asking:
        return "its run is at work (--all removes it all the same)"
    if one.asking is None and one.age_s / 60 < UNSURE_MIN:
        return (
            f"no Lease shows whether its run is at work, and it is younger than {UNSURE_MIN:g} min (--all removes it)"
        )
    return ""

"""`hairpin clean`: take away what killed runs left in a cluster."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING

from reports.commands import CommandError
from topologies import cluster

if TYPE_CHECKING:
    import argparse

    from reports.commands import Verbs

DESCRIPTION = (
    "Remove the namespaces that killed runs left in a cluster, found by their label. A run that is still at work has "
    "such a namespace too: spare it with --older-than, or look first with --list."
)


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("clean", help="remove what killed runs left in a cluster", description=DESCRIPTION)
    parser.add_argument("--kubeconfig", metavar="FILE", help="kubeconfig of the cluster (default: KUBECONFIG)")
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig")
    parser.add_argument("--older-than", type=float, default=0, metavar="MINUTES", help="only those at least this old")
    parser.add_argument("--list", action="store_true", help="only list them")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List or remove them; 0 also if there were none. CommandError where the cluster refuses."""
    try:
        api = cluster.connect(options.kubeconfig, options.context)
        for leftover in cluster.leftovers(api):
            minutes = (dt.datetime.now(dt.UTC) - leftover.created).total_seconds() / 60
            if minutes < options.older_than:
                continue
            if not options.list:
                cluster.remove(api, leftover)
            done = "is there" if options.list else "removed"
            sys.stdout.write(f"namespace {leftover.name} {done}, made {minutes:.0f} min ago\n")
    except cluster.ClusterError as error:
        raise CommandError(str(error)) from error
    return 0

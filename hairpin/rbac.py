"""`hairpin rbac`: print the rights that runs need, and make a kubeconfig for an account that has them."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.cluster import account, client, rights
from topologies.schema.scalars import DNS_LABEL

if TYPE_CHECKING:
    from hairpin.verb import Verbs

LONGEST_H = 24.0 * 365
SHORTEST_H = 1 / 6  # what the API allows
DESCRIPTION = (
    "Print the rights that runs need, as manifests for `kubectl apply -f -`. With --namespace they are a Role in that "
    "namespace and reading nodes; runs then need --namespace too. Without it they are cluster-wide and near "
    "cluster-admin. With --kubeconfig-out, write a kubeconfig for the account instead, after the manifests are applied."
)


def add(verbs: Verbs, summary: str) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("rbac", help=summary, description=DESCRIPTION)
    parser.add_argument("--namespace", type=_name, metavar="NS", help="a namespace that is made beforehand")
    parser.add_argument("--account", type=_name, default="hairpin", metavar="NAME", help="ServiceAccount (hairpin)")
    parser.add_argument("--least", action="store_true", help="without the optional rights, except reading nodes")
    parser.add_argument(
        "--kubeconfig-out", type=Path, metavar="F", help="write a kubeconfig of the account there (0600)"
    )
    parser.add_argument("--hours", type=_hours, default=8.0, metavar="H", help="how long its token is valid (8)")
    parser.add_argument(
        "--kubeconfig", metavar="FILE", help="a kubeconfig that may request tokens (default: KUBECONFIG)"
    )
    parser.add_argument("--context", metavar="NAME", help="context of that kubeconfig")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the manifests, or write the kubeconfig; 0. ClusterError if the cluster refuses."""
    if options.kubeconfig_out is None:
        sys.stdout.write(rights.manifests(options.namespace, options.account, least=options.least))
        return 0
    namespace = options.namespace or rights.ACCOUNT_NAMESPACE
    api = client.connect(options.kubeconfig, options.context)
    account.write_kubeconfig(api, namespace, options.account, options.hours, options.kubeconfig_out)
    given = f" --namespace={options.namespace}" if options.namespace else ""
    sys.stdout.write(f"{options.kubeconfig_out}: written. Use it with: --kubeconfig={options.kubeconfig_out}{given}\n")
    return 0


def _name(text: str) -> str:
    if not re.fullmatch(DNS_LABEL, text, re.ASCII):
        message = f"got {text[:80]!r}, want a DNS label: a-z, 0-9 and '-', at most 63 characters"
        raise argparse.ArgumentTypeError(message)
    return text


def _hours(text: str) -> float:
    number = float(text) if re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,3})?", text) else 0.0
    if not SHORTEST_H <= number <= LONGEST_H:
        message = f"got {text[:80]!r}, want hours from {SHORTEST_H:.2f} to {LONGEST_H:g}"
        raise argparse.ArgumentTypeError(message)
    return number

"""Read the host names of echo pods on the host network: what they answer with, and so what identifies them.

A hostNetwork pod has its node's host name. The API does not know it: the label `kubernetes.io/hostname` and
`metadata.name` have kubelet's `--hostname-override`, if there is one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from probes.asking.vantages.base import TransportError
from topologies.common.threads import run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from probes.asking.vantages.base import Prober

TIMEOUT_S = 10.0
ABREAST = 8
COMMAND = ("sh", "-c", 'read -r name < /proc/sys/kernel/hostname && echo "$name"')
NAME = re.compile(r"[A-Za-z0-9.-]{1,253}")  # as `probes/asking/classify.py` reads it in an answer


def read_host_names(
    probers: Mapping[str, Prober], progress: Callable[[str], None]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the host name of each backend, by name, and a note on those that could not be read."""
    found: dict[str, str] = {}

    def read(backend: str) -> None:
        try:
            text = probers[backend].run(COMMAND, "", TIMEOUT_S).stdout.decode(errors="replace").strip()
        except TransportError as error:
            progress(f"host name of backend {backend}: not read: {error}")
            return
        if NAME.fullmatch(text):
            found[backend] = text

    run_all(read, probers, ABREAST, TIMEOUT_S * (1 + len(probers) // ABREAST))
    if not (unread := sorted(set(probers) - set(found))):
        return found, ()
    return found, (f"host name of {', '.join(unread)}: not read, the node's name is assumed",)

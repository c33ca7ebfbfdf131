"""End the processes of pods that ignore SIGTERM, before a run is removed.

A kubelet that waits for a container to stop does not react to a shorter grace period (kubernetes#113606): it waits for
the one that it knows, even if the pod is gone from the API.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from probes.asking.vantages.base import TransportError
from topologies.common.threads import run_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probes.asking.vantages.base import Prober

# Every process of the container except the first one, a shell that ends with the echo pod's process.
END_ALL = ("sh", "-c", "kill -9 -1")
TIMEOUT_S = 3.0
AT_ONCE = 8


def end_processes(probers: Iterable[Prober]) -> None:
    """End the echo processes of these pods. One that cannot be reached stays until its grace period is over."""

    def end(prober: Prober) -> None:
        with suppress(TransportError):  # also because the connection ends with the container
            prober.run(END_ALL, "", TIMEOUT_S)

    run_all(end, probers, AT_ONCE)

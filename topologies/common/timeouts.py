"""The time limits that several modules share or that depend on each other, in one place.

A limit that only one function uses is a constant beside that function, with its unit in its name. What a user may set
(`--connect-timeout`, `--settle-timeout`, `patience` of a topology) is declared in topologies.schema.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits in seconds. Each field's docstring has what it bounds and why it has this value."""

    api_connect_s: float = 3.0
    """Connecting to the API server: one lost SYN (retransmitted after 1 s) and a slow TLS handshake."""
    api_answer_s: float = 10.0
    """An answer of the API server. `settle` of a slow cluster raises it, see Cluster.timeout."""
    remove_connect_s: float = 2.0
    """Connecting to delete the run's namespace. An interrupted run must end within 10 s, with this call in it."""
    remove_answer_s: float = 3.0
    """The answer to that deletion, for the same reason."""

    command_s: float = 60.0
    """A short command of the lab, such as `ip` or `nft`. They take milliseconds on an idle machine."""
    lab_api_answer_s: float = 5.0
    """A call to the lab's own API server, which is on the same machine. The callers try again."""

    sandbox_start_s: float = 10.0
    """`unshare` and the start of the sandbox's first process."""
    lab_prepare_s: float = 120.0
    """`up` writes keys, configurations and containerd roots while the sandbox waits for them."""
    control_plane_s: float = 180.0
    """Each step of the control plane: API server ready, nodes Ready, ServiceAccount created."""
    worker_files_s: float = 120.0
    """A daemon of a worker waits for containerd's socket and for its Node object, so for the API server's start."""
    proxy_mode_s: float = 60.0
    """The metrics server of a kube-proxy answers with its mode, after its node is Ready."""
    guest_modes_s: float = 180.0
    """As `proxy_mode_s`, for all workers of a guest, which share one slow processor."""
    lab_start_s: float = 400.0
    """`up` as a whole, from the sandbox's start to a usable cluster: more than any two of its steps."""
    lab_end_s: float = 60.0
    """The kernel ends hundreds of processes of a sandbox and their cgroups; a moment each on a busy machine."""

    workload_ready_s: float = 60.0
    """The benchmarks' workload: pods Ready, Services with endpoints and addresses."""


TIMEOUTS = Timeouts()

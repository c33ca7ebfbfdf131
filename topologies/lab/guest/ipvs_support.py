"""Decide whether the workers of a topology can run on the machine's kernel, or need a guest kernel.

It is tried: the objects that kube-proxy creates are created in a temporary network namespace.

Source: what kube-proxy in ipvs mode needs: `pkg/proxy/ipvs/README.md`, `CanUseIPVSProxier` in `pkg/proxy/ipvs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.common.subprocesses import ProcessError, run
from topologies.lab.worker.node import IPVS_MODULES
from topologies.schema.enums import Kernels, ProxyMode

if TYPE_CHECKING:
    from topologies.schema.topology import Topology

MODULES = (*IPVS_MODULES, "dummy", "ip_set", "ip_set_hash_ip", "ip_set_hash_ipport", "ip_set_hash_net", "xt_set")
TRIALS = """\
modprobe -aq "$@"
ip link add kube-ipvs0 type dummy || echo dummy
test -e /proc/net/ip_vs || echo ip_vs
ipset create HAIRPIN hash:ip,port && iptables -A INPUT -m set --match-set HAIRPIN dst,dst || echo ip_set
:
"""


def reason_for_guest(topology: Topology) -> str:
    """Return why this topology needs a guest kernel here; an empty string if the machine's kernel will do.

    Raises:
        ProcessError: The topology requires the machine's kernel, which lacks something.

    """
    wanted = topology.lab.kernel if topology.lab else Kernels.AUTO
    if wanted is Kernels.GUEST:
        return "the topology declares it"
    modes = {topology.proxy_of(node.name).mode for node in topology.nodes}
    lacking = missing_modules() if ProxyMode.IPVS in modes else []
    if lacking and wanted is Kernels.MACHINE:
        message = (
            f"lab.kernel: got machine, want auto or guest: this machine's kernel lacks {', '.join(lacking)}. "
            f"Declare `lab: {{kernel: auto}}`"
        )
        raise ProcessError(message)
    return f"this machine's kernel lacks {', '.join(lacking)}" if lacking else ""


def missing_modules() -> list[str]:
    """Return what IPVS mode needs and the machine's kernel lacks, after trying to load its modules."""
    return run(["unshare", "--net", "sh", "-c", f"{{ {TRIALS} }} 2>/dev/null", "sh", *MODULES]).split()

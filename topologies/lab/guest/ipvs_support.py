"""Whether the machine's own kernel can hold a topology, or a guest with another kernel must (`guest/`).

Found by trying: the very objects kube-proxy makes are made in a network namespace that goes at once.

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


def guest_because(topology: Topology) -> str:
    """Why this topology needs a guest here, as half a sentence; empty if the machine's kernel holds it.

    ProcessError where the topology insists on the machine's kernel and that lacks something.
    """
    wanted = topology.lab.kernel if topology.lab else Kernels.AUTO
    if wanted is Kernels.GUEST:
        return "the topology wants it"
    lacking = missing() if topology.proxy.mode is ProxyMode.IPVS else []
    if lacking and wanted is Kernels.MACHINE:
        message = f"this machine's kernel lacks {', '.join(lacking)}: `lab: {{kernel: auto}}` takes a guest instead"
        raise ProcessError(message)
    return f"this machine's kernel lacks {', '.join(lacking)}" if lacking else ""


def missing() -> list[str]:
    """What IPVS mode needs and the machine's kernel has not, after its modules were asked for."""
    return run(["unshare", "--net", "sh", "-c", f"{{ {TRIALS} }} 2>/dev/null", "sh", *MODULES]).split()

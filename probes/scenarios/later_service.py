"""Distinguish a slow data plane from a broken promise by a Service that is created after the change.

A watch delivers changes in order. A node that serves the later Service has the earlier change, too, and a promise that
does not hold there is broken. A node that does not serve it is late, and shows nothing of the promise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from topologies.cluster.proxy_barrier import Settled
from topologies.common.waiting import Deadline, WaitTimeoutError, until

if TYPE_CHECKING:
    from topologies.cluster.client import Cluster

FIRST = 1000  # the number of the first such Service: the run's own barrier has the lower ones


@dataclass
class LaterService:
    """Creates later Services in the namespace of the scenarios.

    `changing`: the backends that scenarios change, which are no endpoint of one.
    """

    cluster: Cluster
    changing: frozenset[str]
    made: int = field(default=FIRST, init=False)

    def find_late_nodes(self, limit_s: float) -> frozenset[str]:
        """Create one, and return the nodes that do not serve it within so many seconds.

        Nodes that serve no NodePorts at their own address cannot be asked, and are never late.

        Raises:
            ClusterError: It was refused.

        """
        settled = Settled(self.cluster, first=self.made, lost=self.changing)
        try:
            until(settled, Deadline(limit_s), "a Service that was created after the change")
        except WaitTimeoutError:
            return frozenset(settled.late if settled.made == settled.marks else settled.nodes)
        finally:
            self.made += settled.made
        return frozenset()

"""Find out whether the pod network explains a broken promise: then it is no fault of the Services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.asking.batch import ProbeRequest, Question, run_batch
from probes.asking.classify import UnclearError, attempt
from probes.asking.vantages.base import TransportError
from probes.observation import Outcome
from probes.scenarios.keeping import allowed_backends
from topologies.cluster.api import ClusterError
from topologies.frontends import Target
from topologies.schema.enums import VantageKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from probes.scenarios.asking import Asker, Asking
    from topologies.common.addresses import IPAddress


def find_excuse(asking: Asking, addresses: Callable[[], dict[str, IPAddress]], asker: Asker) -> str:
    """Return why a promise to be served is not judged: an endpoint does not answer the client without a Service either.

    Returns an empty string if nothing excuses it. A client outside has no route to pods, and is not asked.
    `addresses` returns those of the pods that run now.
    """
    check = asking.check
    expected = check.expected
    serves = expected is not None and expected.outcomes == {Outcome.OK}
    if asking.is_kept or not serves or asking.facet != "outcome" or check.client.kind is VantageKind.EXTERNAL:
        return ""
    backends = asking.topology.workload.backends_by_name
    try:
        pods = addresses()
        targets = {
            name: Target(pods[name], backends[name].port)
            for name in sorted(allowed_backends(check, asking.topology))
            if name in pods and name in backends
        }
        requests = [ProbeRequest(Question(check.cell, target)) for target in targets.values()]
        if not requests:
            return ""
        found = run_batch(asker.host_of(check.client.name), requests, asker.patience.connect_s)
        outcomes = [attempt(one).outcome for ones in found for one in ones]
    except (ClusterError, TransportError, UnclearError) as error:
        return f"whether the pod network explains it could not be asked: {error}"
    for name, outcome in zip(targets, outcomes, strict=True):
        if outcome is not Outcome.OK:
            return f"the pod network: {name} does not answer {check.client.name} without a Service either ({outcome})"
    return ""

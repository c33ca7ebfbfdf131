"""`pytest -p tests.unit.support.other_data_plane`: a run against a simulated data plane that is not kube-proxy's.

It keeps the API's contract, and differs from kube-proxy wherever the contract leaves something free: it answers as
kube-proxy in the mode of `DATA_PLANE_MODE` would, and keeps every client's address with externalTrafficPolicy Cluster.
`DATA_PLANE_BREAKS` has cell ids, separated by commas, whose connections it lets time out.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from probes import session
from probes.observation import Attempt, Observation, Outcome
from probes.oracle.client import client_address
from probes.oracle.predict import expect
from topologies.cluster_state.snapshot import declared
from topologies.frontends import FrontendKind
from topologies.schema.enums import TrafficPolicy
from topologies.schema.topology import Proxy


def conduct(topology: Any, cells: Any, run: str, options: Any, **calls: Any) -> session.Answers:
    del run, options
    like = topology.model_copy(update={"proxy": Proxy(mode=os.environ.get("DATA_PLANE_MODE", "iptables"))})
    answers = session.simulate(like, cells, lambda cell, snapshot: expect(like, snapshot, cell))
    calls["before_asking"](session.Answers(answers.snapshot, {}, {"settle": 0.0}, answers.versions, ()))
    found = {cell.id: _observe(topology, cell, answers.observations[cell.id]) for cell in cells}
    calls["observed"](found)
    return replace(answers, observations=found)


def _observe(topology: Any, cell: Any, seen: Observation) -> Observation:
    if cell.id in os.environ.get("DATA_PLANE_BREAKS", "").split(","):
        return replace(seen, attempts=(Attempt(Outcome.TIMEOUT),) * len(seen.attempts))
    policy = topology.service(cell.frontend.service).external_traffic_policy
    if cell.frontend.kind is FrontendKind.ENDPOINT or policy is not TrafficPolicy.CLUSTER:
        return seen
    own = client_address(cell.vantage, topology, declared(topology))
    kept = (replace(one, source=own if one.source else None) for one in seen.attempts)
    return replace(seen, attempts=tuple(kept))


vars(session)["conduct"] = conduct

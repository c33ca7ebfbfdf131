"""The order in which a run probes its cells. Never sees what is expected.

Linux limits the ICMP errors that it sends to one client to a burst of 6, then one a second (net.ipv4.icmp_ratelimit;
docs/observations.md "ICMP rate limit"). kube-proxy's REJECT is such an error. If everything is probed at once, refusals
become timeouts. All vantages probe at once, in these phases:

1. **First attempts**: one attempt of each cell whose Service declares no backend, and of each cell with session
   affinity.
2. **Sample**, 0.8 s later or as soon as phase 1 is over: the whole sample of all other cells. Cells that are likely to
   be silent go first, because each of their attempts lasts as long as the connect timeout. They are not part of phase
   1: if a packet leaves a node by the device it came in by, the node sends an ICMP *redirect*. A redirect uses the same
   counter as the errors and starts it empty instead of full (Linux net/ipv4/route.c ip_rt_send_redirect,
   net/ipv4/inetpeer.c inet_peer_xrlim_allow: a new peer has no tokens but a long idle time, which a redirect ends).
   Meanwhile, once a second, the silent cells of phase 1 are probed again (`icmp_rate_limit.reprobe_early`).
3. **Rest of the sample** of cells that declare no backend and were answered. A refused cell is not probed again: the
   ICMP limit can hide a refusal, but cannot cause one.
   Then the cells that are asked **by name**, with few connections open: curl keeps what the first of them looked up, so
   the cluster's DNS gets few queries at a time. A query that is lost in a full socket is repeated after 5 s only.
4. **Low load** (`low_load.py`): once more, with few connections open, the cells that lost a connection while answers
   anywhere in the run were near their time limit. The decision depends on measured latencies only.
5. **Later turns**, in IPVS mode: the sample of cells that go from inside to another node, so that connections do not
   collide in the kernel's connection table (`plan_turns`). Each turn has its own phase 4.
6. **Silent cells again** (`icmp_rate_limit.reprobe_silent_cells`), in rounds 1.1 s apart: the cells whose silence may
   be a refusal that the ICMP limit dropped. Two rounds without a refusal confirm a timeout.

Phases 1 to 5 take their connections from one budget for the whole run (`budget.py`). The rounds of phase 6 do not:
they probe each cell of a window once. A cell is never probed repeatedly until it matches the expectation: phase 4
happens once, and every attempt stays in the record.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from probes.asking.batch import Question
from probes.asking.curl import PARALLEL_MAX
from probes.asking.icmp_rate_limit import reprobe_early, reprobe_silent_cells
from probes.asking.low_load import LowLoad
from probes.asking.phase import Connections, Phase, PhaseStep
from topologies.frontends import FrontendKind
from topologies.schema.enums import BalancerStatus, Masquerade, ProxyMode, SessionAffinity, TrafficPolicy, VantageKind
from topologies.schema.facts import any_node_may_have

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from probes.asking.vantage_run import VantageRun
    from probes.plan.cell import Cell
    from topologies.frontends import Target
    from topologies.schema.topology import Topology

HEAD_START_S = 0.8
NAMES_PARALLEL_MAX = 24  # connections of a vantage, so at most so many lookups at a time
MASQUERADED_PARALLEL_MAX = 24  # connections whose ports their node picks: of two with one port, the older must be over


def phases(runs: Sequence[VantageRun]) -> Iterator[Phase]:
    """Yield the phases of a run, in order.

    The caller probes each phase before it takes the next one. A phase that depends on results is made at that moment.
    """
    yield Phase("first attempts", _first, connections=Connections.WHOLE, first=True, head_start_s=HEAD_START_S)
    yield Phase("sample", _sample, meanwhile=partial(reprobe_early, runs))
    yield Phase("rest of the sample", _rest)
    if any(question.by_name for run in runs for question in run.questions):
        yield Phase("names", _names, one_vantage_per_node=True)
    yield from _low_load(runs)
    for turn in sorted({question.turn for run in runs for question in run.questions} - {0}):
        yield Phase(f"turn {turn}", partial(_later, turn), one_vantage_per_node=True)
        yield from _low_load(runs, turn)
    yield from reprobe_silent_cells(runs)


def _first(run: VantageRun) -> list[PhaseStep]:
    return [PhaseStep(run.first_attempts())]


def _sample(run: VantageRun) -> list[PhaseStep]:
    return [PhaseStep(run.sample())]


def _rest(run: VantageRun) -> list[PhaseStep]:
    requests = run.rest_of_answered()
    return [PhaseStep(requests)] if requests else []


def _names(run: VantageRun) -> list[PhaseStep]:
    requests = run.names()
    return [PhaseStep(requests, NAMES_PARALLEL_MAX)] if requests else []


def _later(turn: int, run: VantageRun) -> list[PhaseStep]:
    requests = run.sample(turn)
    return [PhaseStep(requests, _parallel_max([request.question for request in requests]))] if requests else []


def _low_load(runs: Sequence[VantageRun], turn: int = 0) -> Iterator[Phase]:
    """Yield a phase for the cells of this turn that may have lost connections to our own load, if there are any."""
    chosen = {run.vantage.name: low for run in runs if (low := LowLoad.choose(run)).cells}
    if not chosen:
        return
    count = sum(len(low.cells) for low in chosen.values())
    questions = [question for run in runs for question in run.questions if question.turn == turn]
    most = _parallel_max(questions)
    yield Phase(
        "low load",
        lambda run: chosen[run.vantage.name].steps(most) if run.vantage.name in chosen else [],
        connections=Connections.LOW_LOAD,
        one_vantage_per_node=turn > 0,
        note=f"{count} cells lost connections while answers were slow: asked again at low load",
    )


def _parallel_max(questions: Sequence[Question]) -> int:
    """Return how many connections may be open at a time: few if a node picks their ports, as it masquerades a pod."""
    picked = any(question.turn and not question.cell.vantage.on_host_network for question in questions)
    return MASQUERADED_PARALLEL_MAX if picked else PARALLEL_MAX


def build_question(topology: Topology, cell: Cell, target: Target, turn: int = 0) -> Question:
    """Return a cell's question with the declared facts that decide when it is probed. `turn`: see `plan_turns`."""
    service, frontend = topology.service(cell.frontend.service), cell.frontend
    ready = topology.endpoint_nodes(service)
    inner = frontend.kind in {FrontendKind.CLUSTER_IP, FrontendKind.ENDPOINT}
    nowhere = cell.vantage.kind is VantageKind.EXTERNAL and inner
    local = service.external_traffic_policy is TrafficPolicy.LOCAL and frontend.node is not None
    return Question(
        cell,
        target,
        limited=frontend.declared and not (nowhere or ready),
        silent=nowhere or (local and frontend.node not in ready),
        sticky=service.session_affinity is SessionAffinity.CLIENT_IP,
        turn=turn,
    )


def plan_turns(topology: Topology) -> Callable[[Cell], int]:
    """Return what assigns each cell its turn: 0 at once, 1 to 3 later, in IPVS mode. All nodes are read once.

    The kernel finds the IPVS connection of a reply by client address, client port and endpoint, newest first
    (net/netfilter/ipvs/ip_vs_conn.c ip_vs_conn_out_get). It does so on every node that the reply passes, for 120 s
    after the last packet. A client that connects to another node's NodePort leaves such an entry there under its
    node's address. A masqueraded connection from that node is lost if the node picks the same port to the same endpoint
    (docs/observations.md; one cell in every fourth run without turns). So connections that leave entries come after
    those that could collide with them.

    Cells in a later turn reach another node from a node's address, by NodePort or load balancer. 1: a masqueraded pod,
    to a node without an endpoint of the Service. 2: to a node with an endpoint, from one without. 3: from one with an
    endpoint.
    """
    if not any_node_may_have(topology, "proxy.mode", ProxyMode.IPVS):
        return lambda _: 0
    return partial(_assign_turn, topology, masquerades=_masquerades(topology))


def _assign_turn(topology: Topology, cell: Cell, *, masquerades: bool) -> int:
    """Return the turn of a cell if a node may be in IPVS mode."""
    frontend, own = cell.frontend, cell.vantage.node
    if own is None or not frontend.declared or not (cell.vantage.on_host_network or masquerades):
        return 0  # the client keeps the pod's own address, which no other client has
    service = topology.service(frontend.service)
    with_endpoint = {backend.node for backend in topology.backends_of(service)}
    balanced = frontend.kind is FrontendKind.LOAD_BALANCER
    passed = balanced and topology.balancer_status(service) is not BalancerStatus.IP
    reached = ({node.name for node in topology.nodes} if passed else {frontend.node}) - {None, own}
    if reached & with_endpoint:
        return 3 if own in with_endpoint else 2
    return 1 if reached and not cell.vantage.on_host_network else 0


def _masquerades(topology: Topology) -> bool:
    """Return whether a pod has its node's address on the way to another node."""
    return any(any_node_may_have(topology, "cni.masquerade", one) for one in set(Masquerade) - {Masquerade.NONE})

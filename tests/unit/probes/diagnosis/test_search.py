"""The search finds what was injected: it is in the first class, and nothing else is called certain."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from probes.diagnosis.candidates import list_candidates
from probes.diagnosis.faults import MissingEndpoint, NoRules, OtherPolicy
from probes.diagnosis.masquerade_faults import NoMark, NoMasquerade, NoPodInClusterCidr
from probes.diagnosis.network_faults import CutOff, LeftOutByBalancer, PodNetworkDown
from probes.diagnosis.packet_drops import Affected, DroppedConnections, SilentBackend, SilentClient
from probes.diagnosis.reads import CellReads
from probes.diagnosis.rule_change import RuleChanged
from probes.diagnosis.search import Diagnosis, Explanation, diagnose, find_budget
from probes.judging.run_judge import Judge
from probes.observation import Attempt, Observation, Outcome
from reports.analysis.explanations import describe
from tests.unit.probes.diagnosis.injected import Injected, rank
from topologies.frontends import FrontendKind
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from probes.oracle.expectation import Expectation
    from probes.plan.cell import Cell

LISTENS = {"load_balancer.listens": False}
NO_DETECTOR = {"proxy.detect_local": "none"}
NO_EGRESS = {"cni.masquerade": "none"}
LOOSE = {"kernel.rp_filter": 0, "cni.anti_spoof": False}
NEWER = {"kubernetes": "1.27.2"}
LEFT_AT_1_23 = {**NEWER, "nodes.n1.kubelet_version": "1.23.7"}
NODE_PORT = FrontendKind.NODE_PORT
NFT = {"proxy.mode": "nftables", "proxy.version": "1.33.4"}

SINGLES = (
    Injected("listens declared wrong", "lab-flannel", wrong=LISTENS),
    Injected("kube-proxy of n2 has no rules", "lab-flannel", faults=(NoRules("n2"),)),
    Injected("n1 does not masquerade", "lab-flannel", faults=(NoMasquerade("n1"),)),
    Injected("detect_local declared wrong", "lab-flannel", wrong=NO_DETECTOR),
    Injected("masquerade declared wrong", "lab-flannel", wrong=NO_EGRESS),
    Injected("newer kube-proxy", "lab-flannel", real={"proxy.version": "1.25.0"}),
    Injected("no br_netfilter", "lab-flannel", real={"kernel.bridge_nf_call_iptables": False}),
    Injected("no hairpin mode", "lab-flannel", real={"kernel.hairpin": False}),
    Injected("no kubelet rules", "lab-flannel", real={"kernel.kubelet_rules": "none"}),
    Injected("an endpoint unknown to n3", "lab-flannel", faults=(MissingEndpoint("n3", "web-b"),)),
    Injected("a ClusterIP unknown to n2", "lab-flannel", faults=(NoRules("n1", "web", FrontendKind.CLUSTER_IP),)),
    Injected("a policy changed", "lab-flannel", faults=(OtherPolicy("", "web-np-local"),)),
    Injected("a policy old on n1", "lab-flannel", faults=(OtherPolicy("n1", "web-np-local"),)),
    Injected("the pod network of n2 is down", "lab-flannel", faults=(PodNetworkDown("n2"),)),
    Injected("n3 is cut off", "lab-flannel", faults=(CutOff("n3"),)),
    Injected("the balancer leaves n2 out", "lab-flannel", faults=(LeftOutByBalancer("n2"),)),
    Injected("a rule does not hold on n1", "lab-flannel", faults=(RuleChanged("n1", "R4.3"),)),
    Injected("strict rp_filter", "lab-tunnel", both={"cni.anti_spoof": False}, wrong={"kernel.rp_filter": 0}),
    Injected(
        "anti-spoofing",
        "lab-tunnel",
        both={"kernel.rp_filter": 0, "cni.anti_spoof": False},
        real={"cni.anti_spoof": True},
    ),
    Injected("no rules on n2, tunnel", "lab-tunnel", faults=(NoRules("n2"),)),
    Injected("strict rp_filter on n3", "lab-tunnel", both=LOOSE, real={"nodes.n3.kernel.rp_filter": 1}),
    Injected("a node left at 1.23", "lab-flannel", both=LEFT_AT_1_23, real={"nodes.n1.proxy.version": "1.23.7"}),
    Injected("no CNI masquerade on n1", "lab-flannel", real={"nodes.n1.cni.masquerade": "none"}),
    Injected("masquerade-all", "lab-eni", real={"proxy.masquerade_all": True}),
    Injected("masquerade of an ENI network", "lab-eni", real={"cni.masquerade": "egress"}),
    Injected("iptables declared as IPVS", "lab-ipvs-flannel", wrong={"proxy.mode": "iptables"}),
    Injected("no rules on n2, IPVS", "lab-ipvs-flannel", faults=(NoRules("n2"),)),
    Injected("n1 does not masquerade, IPVS", "lab-ipvs-flannel", faults=(NoMasquerade("n1"),)),
    Injected("older IPVS", "lab-ipvs-flannel", real={"proxy.version": "1.22.0"}),
    Injected(
        "nftables declared as iptables",
        "lab-flannel",
        both={"proxy.version": "1.33.4"},
        real={"proxy.mode": "nftables"},
    ),
    Injected("n1 does not masquerade, nftables", "lab-flannel", both=NFT, faults=(NoMasquerade("n1"),)),
    Injected("listens declared wrong, nftables", "lab-flannel", both=NFT, wrong=LISTENS),
)
OF_OTHERS = (  # faults that somebody may inject who does not know the list above
    Injected("FORWARD drops on n2", "lab-flannel", real={"nodes.n2.cni.forward_policy": "drop"}),
    Injected("no br_netfilter on n1", "lab-flannel", real={"nodes.n1.kernel.bridge_nf_call_iptables": False}),
    Injected("no kubelet rules on n3", "lab-flannel", real={"nodes.n3.kernel.kubelet_rules": "none"}),
    Injected("masquerade-all on n1", "lab-flannel", real={"nodes.n1.proxy.masquerade_all": True}),
    Injected("no hairpin mode on n1", "lab-flannel", real={"nodes.n1.kernel.hairpin": False}),
    Injected("n1 in IPVS mode", "lab-flannel", real={"nodes.n1.proxy.mode": "ipvs"}),
    Injected("no detector on n1", "lab-flannel", real={"nodes.n1.proxy.detect_local": "none"}),
    Injected("keeps_client declared wrong", "lab-balancer", wrong={"load_balancer.keeps_client": False}),
    Injected("masquerade_inside declared wrong", "lab-balancer", wrong={"load_balancer.masquerade_inside": True}),
    Injected("anti-spoofing declared wrong", "lab-tunnel", wrong={"cni.anti_spoof": False}),
    Injected("n1 drops one NodePort", "lab-flannel", faults=(DroppedConnections("n1", "web-np", NODE_PORT),)),
    Injected(
        "PREROUTING of n1 drops one NodePort",
        "lab-flannel",
        faults=(DroppedConnections("n1", "web-np", NODE_PORT, Affected.PREROUTING),),
    ),
    Injected(
        "a firewall in front of every node",
        "lab-flannel",
        faults=(DroppedConnections("", "web-np-local", NODE_PORT, Affected.INCOMING),),
    ),
    Injected(
        "n2 closed to hosts outside",
        "lab-flannel",
        faults=(DroppedConnections("n2", "", NODE_PORT, Affected.OUTSIDE),),
    ),
    Injected("the conntrack table of n1 is full", "lab-flannel", faults=(DroppedConnections("n1"),)),
    Injected("a backend receives nothing", "lab-flannel", faults=(SilentBackend("n2", "web-b"),)),
    Injected("a backend refuses", "lab-flannel", faults=(SilentBackend("n2", "web-b", Outcome.REFUSED),)),
    Injected("a network policy", "lab-flannel", faults=(SilentBackend("n2", "web-b", within_node=True),)),
    Injected("a client pod is cut off", "lab-flannel", faults=(SilentClient("n1", "pod-n1"),)),
    Injected("no tunnel between n2 and n3", "lab-flannel", faults=(PodNetworkDown("n2", "n3"),)),
    Injected("n1 marks nothing", "lab-flannel", faults=(NoMark("n1"),)),
    Injected("cluster CIDR wrong", "lab-flannel", faults=(NoPodInClusterCidr(),)),
    Injected("cluster CIDR wrong on n1", "lab-flannel", faults=(NoPodInClusterCidr("n1"),)),
    Injected("an endpoint that no node knows", "lab-flannel", faults=(MissingEndpoint("", "web-b"),)),
)
PAIRS = (
    Injected("masquerade and rules", "lab-flannel", faults=(NoMasquerade("n1"), NoRules("n2"))),
    Injected("listens and rules", "lab-flannel", wrong=LISTENS, faults=(NoRules("n2"),)),
    Injected("listens and detector", "lab-flannel", wrong={**LISTENS, **NO_DETECTOR}),
    Injected(
        "pod network and balancer", "lab-flannel", faults=(PodNetworkDown("n2"), OtherPolicy("", "host-np-local"))
    ),
    Injected(
        "rp_filter and masquerade",
        "lab-tunnel",
        both={"kernel.rp_filter": 0, "cni.anti_spoof": False},
        real={"kernel.rp_filter": 1},
        faults=(NoMasquerade("n1"),),
    ),
    Injected(
        "policy and hairpin, IPVS",
        "lab-ipvs-flannel",
        real={"kernel.hairpin": False},
        faults=(OtherPolicy("", "web-np-local"),),
    ),
)
PAIRS_OF_OTHERS = (
    Injected("FORWARD and listens", "lab-flannel", wrong=LISTENS, real={"nodes.n2.cni.forward_policy": "drop"}),
    Injected(
        "one NodePort and masquerade",
        "lab-flannel",
        faults=(NoMasquerade("n1"), DroppedConnections("n1", "web-np", NODE_PORT)),
    ),
    Injected(
        "firewall and rules",
        "lab-flannel",
        faults=(NoRules("n1"), DroppedConnections("n2", "", NODE_PORT, Affected.OUTSIDE)),
    ),
    Injected(
        "kubelet rules and version",
        "lab-flannel",
        real={"nodes.n3.kernel.kubelet_rules": "none", "nodes.n1.proxy.version": "1.25.0"},
    ),
)
QUICK = {"listens declared wrong", "kube-proxy of n2 has no rules", "masquerade and rules", "n1 drops one NodePort"}
EVERY = (*SINGLES, *OF_OTHERS, *PAIRS, *PAIRS_OF_OTHERS)
ALL = [one if one.name in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in EVERY]


@pytest.mark.parametrize("injected", ALL, ids=lambda one: one.name)
def test_what_was_injected_is_in_the_first_class(injected: Injected) -> None:
    diagnosis, seconds = injected.diagnose()

    place = rank(diagnosis, injected.truth)
    sure = "certain" if diagnosis.is_certain else "not certain"
    fits = f"{len(diagnosis.fitting)} classes fit, {sure}"
    sys.stderr.write(f"\n{injected.name} ({injected.topology}): rank {place}, {len(diagnosis.red)} red, ")
    sys.stderr.write(f"{fits}, {diagnosis.tried} tried, {seconds:.2f} s\n")
    assert diagnosis.red, "an injection without a failed cell proves nothing"
    assert place == 1, [
        [[change.text for change in member] for member in one.members] for one in diagnosis.explanations
    ]
    assert diagnosis.complete


def lose(observation: Observation, lost: Callable[[], bool]) -> Observation:
    """Return the observation with a timeout for each attempt that is lost."""
    silent = Attempt(Outcome.TIMEOUT)
    return replace(observation, attempts=tuple(silent if lost() else one for one in observation.attempts))


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.003, 0.01, 0.05])
def test_lost_cells_without_a_cause_have_no_certain_explanation(share: float) -> None:
    judge, cells = Injected("nothing", "lab-flannel").run()
    pick = random.Random(7)
    for name, seen in list(judge.answers.observations.items()):
        if pick.random() < share:
            judge.answers.observations[name] = lose(seen, lambda: True)

    diagnosis = diagnose(Judge.over(judge.topology, judge.answers, cells), cells, 60)

    assert diagnosis.red
    assert not diagnosis.is_certain


@pytest.mark.slow
def test_a_node_that_loses_some_connections_has_no_certain_explanation() -> None:
    judge, cells = Injected("nothing", "lab-flannel").run()
    pick = random.Random(7)
    for cell in cells:
        if "n2" in {cell.frontend.node, cell.vantage.node}:
            seen = judge.answers.observations[cell.id]
            judge.answers.observations[cell.id] = lose(seen, lambda: pick.random() < 0.4)

    diagnosis = diagnose(Judge.over(judge.topology, judge.answers, cells), cells, 60)

    assert diagnosis.red
    assert not diagnosis.is_certain


def test_a_balancer_with_one_target_is_not_taken_for_one_that_leaves_a_node_out() -> None:
    left_out = tuple(LeftOutByBalancer(node) for node in ("n2", "n3", "n4"))

    diagnosis, _ = Injected("one target", "lab-flannel", faults=left_out).diagnose()

    assert diagnosis.red
    assert frozenset({("load_balancer.targets", "n1 alone")}) in {
        frozenset((change.path, str(change.value)) for change in member)
        for one in diagnosis.fitting
        for member in one.members
    }
    assert not diagnosis.is_certain or len(diagnosis.fitting[0].members) > 1


def test_a_changed_rule_is_no_cause() -> None:
    rule = (RuleChanged("n1", "R4.3"),)
    explanation = Explanation((rule,), fits=True, explained=("a",), contradicted=(), changed=0)

    diagnosis = Diagnosis(("a",), (explanation,))

    assert not diagnosis.is_certain
    assert describe(diagnosis, explanation) == (
        "1 of 1 red cells is as expected if rule R4.3 does not hold on n1; no other cell changes. "
        "A rule that does not hold describes the observations; its cause is not among the changes that were tried."
    )


@pytest.mark.parametrize(("singles", "untried"), [(True, "some pairs"), (False, "some of these, and all pairs")])
def test_a_search_that_ended_early_lists_what_it_did_not_try(singles: bool, untried: str) -> None:
    explanation = Explanation(((NoRules("n1"),),), fits=True, explained=("a",), contradicted=(), changed=0)

    text = describe(Diagnosis(("a",), (explanation,), False, 300, singles), explanation)

    assert text.endswith(f"The time for the search ended. Of 300 single changes, not tried: {untried}.")


def test_pairs_reuse_the_predictions_of_single_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    predicted: list[str] = []
    derive = Judge._derive

    def count(judge: Judge, cell: Cell) -> Expectation:
        predicted.append(cell.id)
        return derive(judge, cell)

    monkeypatch.setattr(Judge, "_derive", count)
    judge, cells = next(one for one in PAIRS if one.name == "masquerade and rules").run()

    assert diagnose(Judge.over(judge.topology, judge.answers, cells), cells, 60).fitting
    assert len(predicted) < 4 * len(cells)


def test_a_run_without_a_failed_cell_has_nothing_to_explain() -> None:
    judge, cells = Injected("nothing", "lab-small").run()

    assert diagnose(judge, cells) == Diagnosis(())


def test_an_inconclusive_cell_counts_neither_way() -> None:
    judge, cells = SINGLES[0].run()
    lost = next(cell for cell in cells if cell.id == "pod-n1-to-web-lb.loadbalancer.undeclared-v4-tcp")
    kept = {name: seen for name, seen in judge.answers.observations.items() if name != lost.id}
    judge.answers.observations.clear()
    judge.answers.observations.update(kept)

    diagnosis = diagnose(Judge.over(judge.topology, judge.answers, cells), cells, 60)

    assert diagnosis.is_certain
    assert lost.id not in diagnosis.red
    assert len(diagnosis.explanations[0].explained) == len(diagnosis.red)


def test_a_search_without_time_is_never_certain() -> None:
    judge, cells = SINGLES[0].run()

    diagnosis = diagnose(Judge.over(judge.topology, judge.answers, cells), cells, 0.0)

    assert not diagnosis.complete
    assert not diagnosis.is_certain


def test_a_larger_run_has_more_time() -> None:
    assert (find_budget(1), find_budget(600), find_budget(3_000)) == (2.0, 2.0, 10.0)


def test_a_node_that_is_not_declared_has_no_candidates() -> None:
    reads = CellReads(decisions={("R3.3", "other")}, services={"web"}, nodes={"n1", "other", ""})

    paths = [change.path for change in list_candidates(load("lab-small"), [reads])]

    assert "nodes.n1.kube-proxy" in paths
    assert not [path for path in paths if "other" in path.split(".")]

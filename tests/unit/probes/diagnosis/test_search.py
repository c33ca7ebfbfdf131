"""The search finds what was injected: it is in the first class, and nothing else is called certain."""

from __future__ import annotations

import sys

import pytest

from probes.diagnosis.candidates import list_candidates
from probes.diagnosis.faults import MissingEndpoint, NoRules, OtherPolicy
from probes.diagnosis.masquerade_faults import NoMasquerade
from probes.diagnosis.network_faults import CutOff, LeftOutByBalancer, PodNetworkDown
from probes.diagnosis.reads import CellReads
from probes.diagnosis.rule_change import RuleChanged
from probes.diagnosis.search import Diagnosis, diagnose
from probes.judging.run_judge import Judge
from tests.unit.probes.diagnosis.injected import Injected, rank
from topologies.frontends import FrontendKind
from topologies.loading.load import load

LISTENS = {"load_balancer.listens": False}
NO_DETECTOR = {"proxy.detect_local": "none"}
NO_EGRESS = {"cni.masquerade": "none"}
LOOSE = {"kernel.rp_filter": 0, "cni.anti_spoof": False}
NEWER = {"kubernetes": "1.27.2"}
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
    Injected("no kubelet rules", "lab-flannel", real={"kernel.kubelet_rules": False}),
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
    Injected("a node left at 1.23", "lab-flannel", both=NEWER, real={"nodes.n1.proxy.version": "1.23.7"}),
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
QUICK = {"listens declared wrong", "kube-proxy of n2 has no rules", "masquerade and rules"}
ALL = [one if one.name in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in (*SINGLES, *PAIRS)]


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


def test_a_node_that_is_not_declared_has_no_candidates() -> None:
    reads = CellReads(decisions={("R3.3", "other")}, services={"web"}, nodes={"n1", "other", ""})

    paths = [change.path for change in list_candidates(load("lab-small"), [reads])]

    assert "nodes.n1.kube-proxy" in paths
    assert not [path for path in paths if "other" in path.split(".")]

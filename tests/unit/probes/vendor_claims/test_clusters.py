"""A cluster that is declared by the name of its load balancer shows the claims of that product's page."""

from __future__ import annotations

import pytest

from probes.vendor_claims import live, load
from topologies.loading.overrides import declared


@pytest.mark.parametrize(
    ("page", "lab", "word", "others"),
    [
        ("servicelb", "lab-servicelb", "klipper-lb", {}),
        ("kube-vip", "lab-kube-vip", "kube-vip", {}),
        ("kube-vip", "lab-kube-vip", "kube-vip-election", {"load_balancer.leader": "n2"}),
        ("gke", "lab-pass-through", "gke", {}),
        ("azure", "lab-pass-through", "aks", {}),
        ("azure", "lab-pass-through", "azure", {}),
    ],
)
def test_a_cluster_shows_the_claims_of_its_balancer(page: str, lab: str, word: str, others: dict[str, str]) -> None:
    there = declared(lab, {"load_balancer.kind": word, "kubernetes": "1.30.0", **others})
    shown = {trial.claim_id for trial in live.trials(there) if trial.page == page and trial.must is not None}

    assert shown
    assert shown == {name for name, worlds in _asked(page).items() if worlds & WORLDS[word]}


WORLDS = {
    "klipper-lb": {"flannel"},
    "kube-vip": {"leader"},
    "kube-vip-election": {"election"},
    "gke": {"passthrough"},
    "aks": {"floating"},
    "azure": {"floating"},
}


def _asked(page: str) -> dict[str, set[str]]:
    """Return the worlds of the cases of each claim, those in which it must not hold too."""
    claims = load.load(page).claims()
    return {name: {case.world for case in (*claim.cases, *claim.otherwise)} for name, claim in claims}

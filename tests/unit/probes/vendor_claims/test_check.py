"""A standing that is not so is noticed: every claim that the oracle is asked about, told the other way round."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from probes.observation import Attempt, Outcome
from probes.vendor_claims import check, live, load
from probes.vendor_claims.answer import ClaimedAnswer, Ending
from probes.vendor_claims.model import Standing
from probes.vendor_claims.scenario import lacks, realm_of
from topologies.loading.load import load as topology
from topologies.loading.load import names
from topologies.loading.overrides import declared
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from probes.vendor_claims.model import Claim, Page

PAGE = load.load("ack")
ASKED = [(page, name, claim) for page in load.pages() for name, claim in page.claims() if claim.cases and claim.claim]
TURNED = {
    Standing.AGREES: Standing.CONTRADICTS,
    Standing.CONDITION: Standing.CONTRADICTS,
    Standing.CONTRADICTS: Standing.AGREES,
}


@pytest.mark.parametrize(
    ("page", "claim"),
    [pytest.param(page, claim, id=f"{page.name}-{name}") for page, name, claim in ASKED if claim.standing in TURNED],
)
def test_the_opposite_standing_is_complained_of(page: Page, claim: Claim) -> None:
    turned = claim.model_copy(update={"standing": TURNED[claim.standing]})

    assert check.complaints(page, turned)


def test_a_complaint_tells_cell_world_version_answer_rules_and_what_was_wanted() -> None:
    claim = dict(PAGE.claims())["000-D.r2.outcome"]
    (first, *_) = check.complaints(PAGE, claim.model_copy(update={"claim": ClaimedAnswer.model_validate("ok")}))

    assert first.startswith("ext-e1-to-web-np-local.nodeport.n3-v4-tcp in terway at 1.20.0: refused (")
    assert first.endswith(", want ok")


def test_a_source_has_every_name_a_claim_may_call_it_by() -> None:
    there = topology("lab-flannel")

    assert check.names(IPv4Address("10.244.3.0"), there, None, None) == {"10.244.3.0", "vtep(n3)", "node"}
    own = IPv4Address("198.18.1.13")
    assert check.names(own, there, own, own) == {str(own), "kept", "primary(n3)", "node"}
    address = IPv4Address("198.18.100.1")
    assert check.names(address, there, address, None) == {str(address), "vip"}


def test_a_world_is_realised_by_a_topology_that_has_all_its_conditions() -> None:
    world = PAGE.worlds["terway"]

    assert lacks(world, declared("ack-terway", {})) == ()
    assert lacks(world, topology("lab-flannel")) == ("proxy.mode ipvs", "cni.kind eni", "cni.masquerade none")


@pytest.mark.parametrize(
    "name", ["ack-terway", "ack-flannel", "cce-tunnel", "cce-vpc", "lab-flannel", "lab-ipvs-balancer"]
)
def test_a_cluster_of_a_vendor_shows_its_claims(name: str) -> None:
    found = live.trials(topology(name))

    assert found
    assert len({trial.id for trial in found}) == len(found)


def _shown(kubernetes: str) -> set[tuple[str, str]]:
    labs = (declared(name, {"kubernetes": kubernetes}) for name in names() if name.startswith("lab-"))
    return {(trial.page, trial.claim_id) for lab in labs for trial in live.trials(lab)}


@pytest.mark.slow
def test_each_claim_that_is_asked_for_has_a_lab_that_shows_it() -> None:
    built, newer = Version.parse("1.20.2"), Version.parse("1.25.3")
    by_rules = [page for page in load.pages() if page.by_rules]
    claims = {(page.name, name): claim for page in by_rules for name, claim in page.claims() if claim.cases}
    old = {name for name, claim in claims.items() if any(built in case.versions for case in claim.cases)}

    shown = _shown(str(built))

    assert old <= shown
    assert claims.keys() == shown | _shown(str(newer))


def test_a_trial_holds_what_was_seen_against_the_claim() -> None:
    there = topology("ack-terway")
    trial = next(one for one in live.trials(there) if one.claim_id == "000-D.r2.outcome" and one.must)
    realm = realm_of(there)
    refused = Attempt(Outcome.REFUSED)
    fine = replace(refused, outcome=Outcome.OK, source=IPv4Address("198.18.3.100"), backend="web-a")

    assert not trial.complaint(live.seen(realm, trial.cell, [refused, refused], by_icmp=True))
    assert "want fails" in trial.complaint(live.seen(realm, trial.cell, [fine], by_icmp=True))
    limited = live.seen(realm, trial.cell, [refused, Attempt(Outcome.TIMEOUT)], by_icmp=True)
    assert limited == (Ending(Outcome.REFUSED),)
    assert "want refused" in trial.complaint(live.seen(realm, trial.cell, [Attempt(Outcome.TIMEOUT)], by_icmp=True))

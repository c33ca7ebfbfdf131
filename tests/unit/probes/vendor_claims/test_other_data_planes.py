"""Claims about data planes that are not kube-proxy: from a source, with rows of the contract, judged by a run only."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from probes.contract.load import rows
from probes.observation import Attempt, Outcome
from probes.vendor_claims import check, live, load
from probes.vendor_claims.load import DocumentedError
from probes.vendor_claims.model import Claim, Page, Standing
from probes.vendor_claims.publication import ClaimSource
from probes.vendor_claims.scenario import Realm, realm_of
from topologies.loading.load import load as topology
from topologies.loading.overrides import declared
from topologies.schema.enums import ProxyKind
from topologies.schema.topology import Proxy

if TYPE_CHECKING:
    from topologies.schema.topology import Topology

PAGES = [page for page in load.pages() if page.publications]
CLAIMS = [pytest.param(claim, id=f"{page.name}-{name}") for page in PAGES for name, claim in page.claims()]
OTHERS = [page for page in PAGES if not page.by_rules]
SOURCE = {"of": "text", "at": "a section"}
BOTH_LOCAL = {"workload.services.web-np-local.internal_traffic_policy": "Local"}
CASE = {"select": {"frontend": "clusterip", "vantage": "pod"}}


def served_by(kind: ProxyKind, **changed: Any) -> Topology:
    return declared("lab-contract", changed).model_copy(update={"proxy": Proxy(kind=kind)})


def page_of(claim: dict[str, Any], **changed: Any) -> Page:
    contents = {
        "name": "p",
        "title": "p",
        "source": "s",
        "proxy": "cilium",
        "publications": {"text": {"title": "t", "url": "https://example.org/t", "version": "1"}},
        "tables": [{"id": "t", "title": "t", "statements": [claim]}],
    }
    return Page.model_validate({**contents, **changed})


def documented(**changed: Any) -> dict[str, Any]:
    return {"quote": "ok", "claim": "ok", "standing": "documented", "source": SOURCE, "cases": CASE, **changed}


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_has_a_source_and_rows_that_exist(claim: Claim) -> None:
    assert claim.source
    assert claim.source.of or claim.from_memory
    assert set(claim.contract) <= {row.id for row in rows()}
    assert claim.contract or "No row of the contract" in claim.why


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_publication_is_cited(page: Page) -> None:
    cited = {claim.source.of for _, claim in page.claims() if claim.source and claim.source.of}

    assert cited == set(page.publications)


@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.name)
def test_no_rule_of_kube_proxy_is_applied(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(check, "predict", refuse)
    monkeypatch.setattr(live, "predict", refuse)

    assert all(not check.complaints(page, claim) for _, claim in page.claims())
    assert live.trials(served_by(page.proxy))


@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.name)
def test_each_claim_with_a_case_has_a_cell_on_a_cluster_of_its_data_plane(page: Page) -> None:
    clusters = served_by(page.proxy), served_by(page.proxy, **BOTH_LOCAL)
    shown = {trial.claim_id for there in clusters for trial in live.trials(there) if trial.must}

    assert shown == {name for name, claim in page.claims() if claim.cases and not claim.from_memory}


def test_a_claim_is_tested_only_on_the_data_plane_that_it_is_about() -> None:
    for kind in set(ProxyKind) - {ProxyKind.KUBE_PROXY}:
        tested = {trial.page for trial in live.trials(served_by(kind))}

        assert tested == {page.name for page in OTHERS if page.proxy is kind}
    others = {page.name for page in OTHERS}
    assert not others & {trial.page for trial in live.trials(topology("lab-contract"))}


def _complaint(kind: ProxyKind, cell: str, attempt: Attempt) -> list[str]:
    there = served_by(kind)
    realm = realm_of(there)
    trials = [trial for trial in live.trials(there) if trial.cell.id == f"{cell}-v4-tcp"]
    assert trials
    seen = live.seen(Realm(there, realm.snapshot, realm.cells), realm.cell(cell), [attempt], by_icmp=False)
    return [complaint for trial in trials if (complaint := trial.complaint(seen))]


def test_the_same_observation_is_judged_by_each_data_planes_own_claims() -> None:
    """A pod asks the NodePort of a node without an endpoint. With Local, Cilium states that all endpoints serve it."""
    cell = "pod-n1-to-web-np-local.nodeport.n3"
    lost = Attempt(Outcome.TIMEOUT)

    assert _complaint(ProxyKind.CILIUM, cell, lost) == ["got timeout, want ok (documented)"]
    assert not [trial for trial in live.trials(served_by(ProxyKind.CALICO_EBPF)) if trial.cell.id == f"{cell}-v4-tcp"]


@pytest.mark.parametrize(
    ("kind", "asked", "served"),
    [
        (ProxyKind.KUBE_ROUTER, "pod-n3-to-web-np-local.nodeport.n3", False),  # k8s#123622
        (ProxyKind.OVN_KUBERNETES, "host-n3-to-web-np-local.nodeport.n3", True),
        (ProxyKind.OVN_KUBERNETES, "host-n3-to-web-np-local.nodeport.n4", False),
        (ProxyKind.OVN_KUBERNETES, "pod-n3-to-web-np-inner.nodeport.n3", True),  # Cilium and Calico: not served
        (ProxyKind.ANTREA, "self-web-a-to-web.clusterip", True),
        (ProxyKind.CALICO_EBPF, "pod-n3-to-web-np-inner.nodeport.n3", False),
    ],
)
def test_what_a_data_plane_documents_of_one_cell_is_judged_by_it(kind: ProxyKind, asked: str, served: bool) -> None:
    answered = Attempt(Outcome.OK, source=IPv4Address("10.244.1.2"), backend="web-a")

    assert bool(_complaint(kind, asked, answered)) is not served
    assert bool(_complaint(kind, asked, Attempt(Outcome.TIMEOUT))) is served


def test_a_changed_source_contradicts_a_claim_that_it_is_kept() -> None:
    cell = "ext-e1-to-web-np.nodeport.n3"
    kept = Attempt(Outcome.OK, source=IPv4Address("198.18.3.100"), backend="web-a")
    changed = Attempt(Outcome.OK, source=IPv4Address("198.18.1.13"), backend="web-a")

    assert not _complaint(ProxyKind.CALICO_EBPF, cell, kept)
    assert _complaint(ProxyKind.CALICO_EBPF, cell, changed)
    assert not _complaint(ProxyKind.CILIUM, cell, changed)


def test_local_means_the_endpoints_on_the_clients_node() -> None:
    cell = "pod-n1-to-web-inner.clusterip"
    beside = Attempt(Outcome.OK, source=IPv4Address("10.244.1.2"), backend="web-a")
    elsewhere = Attempt(Outcome.OK, source=IPv4Address("10.244.1.2"), backend="web-b")

    assert not _complaint(ProxyKind.CILIUM, cell, beside)
    assert any("by web-a" in complaint for complaint in _complaint(ProxyKind.CILIUM, cell, elsewhere))


@pytest.mark.parametrize(
    ("claim", "changed"),
    [
        (documented(source={"of": "another", "at": "a"}), {}),
        (documented(source={"at": "a"}), {}),
        (documented(source=None), {}),
        (documented(standing="agrees"), {}),
        (documented(cases={"world": "w", "ask": "c"}), {}),
        (documented(cases={"select": CASE["select"], "ask": "c"}), {}),
        (documented(cases={}), {}),
        (documented(), {"proxy": "kube-proxy"}),
        (documented(), {"publications": {"text": {"title": "t", "url": "file:t", "version": "1"}}}),
    ],
)
def test_a_claim_that_does_not_fit_its_page_is_refused(claim: dict[str, Any], changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        page_of(claim, **changed)


def test_an_unknown_row_of_the_contract_is_refused() -> None:
    with pytest.raises(DocumentedError, match="got no-such-row, want ids of rows"):
        load.check_rows(page_of(documented(contract=["no-such-row"])))


def test_a_claim_from_memory_is_listed_and_never_judged() -> None:
    page = page_of(documented(source={"at": "somewhere", "verified": False}))
    claim = dict(page.claims())["t.s1"]

    assert claim.from_memory
    assert check.promised(claim, claim.cases[0]) is None
    source = ClaimSource(at="somewhere", verified=False)
    with pytest.raises(ValidationError, match="want cannot-be-derived of a claim from memory"):
        Claim(quote="ok", standing=Standing.AGREES, why="w", source=source)

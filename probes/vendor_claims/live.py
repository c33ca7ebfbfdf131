"""Compare claims with a run: the claims that this cluster can test, the cells for them, and the results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probes.observation import count_limited_refusals
from probes.oracle.predict import predict
from probes.plan.plan import plan
from probes.plan.selection import select_promised
from probes.vendor_claims.answer import LOCAL, Ending
from probes.vendor_claims.check import describe, endings, names, own_address, promised
from probes.vendor_claims.load import pages
from probes.vendor_claims.scenario import lacks, realm_of, realms
from topologies.frontends import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from probes.observation import Attempt
    from probes.plan.cell import Cell
    from probes.vendor_claims.answer import ClaimedAnswer
    from probes.vendor_claims.model import Case, Claim, Page
    from probes.vendor_claims.scenario import Realm
    from topologies.schema.topology import Topology


@dataclass(frozen=True, slots=True)
class Trial:
    """A claim that this cluster can test: one cell of a case, and whether the claim must hold there."""

    page: str
    claim_id: str
    claim: Claim
    case: Case
    cell: Cell
    must: bool | None

    @property
    def id(self) -> str:
        """Return the pytest id: `ack-000-D.r1.outcome-pod-n1-to-web-np.nodeport.n1`."""
        return f"{self.page}-{self.claim_id}-{self.cell.id.removesuffix('-v4-tcp')}"

    def complaint(self, seen: Iterable[Ending]) -> str:
        """Return the contradiction between these endings and the claim, or an empty string."""
        found = tuple(seen)
        shown = " or ".join(sorted(describe(found)))
        claim = self.claim.claim
        if claim and self.must is not None and claim.holds(found) is not self.must:
            return f"got {shown}, want {'' if self.must else 'not '}{claim} ({self.claim.standing.value})"
        if self.case.gives and not self.case.gives.holds(found):
            return f"got {shown}, want {self.case.gives}"
        return ""


def trials(topology: Topology) -> list[Trial]:
    """Return the cells of every claim that a cluster of this topology can test, in the order of the pages.

    A claim is tested only on a cluster of the data plane that it is about.
    """
    if not topology.proxy.is_kube_proxy:
        return list(_trials_of_other_data_plane(topology))
    here = realm_of(topology)
    found: dict[tuple[str, str], Trial] = {}
    for page in (page for page in pages() if page.by_rules):
        lacking = {name: lacks(world, topology) for name, world in page.worlds.items()}
        for claim_id, claim in page.claims():
            for case in (*claim.cases, *claim.otherwise):
                if not lacking[case.world] and topology.proxy_version in case.versions:
                    for cell in _cells_with_same_prediction(page, case, here):
                        trial = Trial(page.name, claim_id, claim, case, cell, promised(claim, case))
                        found.setdefault((claim_id, trial.id), trial)
    return list(found.values())


def _trials_of_other_data_plane(topology: Topology) -> Iterator[Trial]:
    """Yield the cells of every claim about this cluster's data plane. No rule of kube-proxy is used."""
    cells = plan(topology).cells
    for page in (page for page in pages() if page.proxy is topology.proxy.kind):
        for claim_id, claim in page.claims():
            for case in claim.cases:
                for cell in select_promised(cells, topology, case.select or {}):
                    if (answer := _answer_at(claim, cell, topology)) is not None:
                        here = claim.model_copy(update={"claim": answer})
                        yield Trial(page.name, claim_id, here, case, cell, promised(here, case))


def _answer_at(claim: Claim, cell: Cell, topology: Topology) -> ClaimedAnswer | None:
    """Return the claimed answer with `local` replaced by the endpoints on the client's node.

    For a client outside it is the node that it asks. Return None if the claim names no answer, or if that node has no
    endpoint.
    """
    if claim.claim is None or claim.claim.backend != LOCAL:
        return claim.claim
    place = cell.vantage.node or cell.frontend.node
    backends = topology.backends_of(topology.service(cell.frontend.service))
    local = [backend.name for backend in backends if backend.node == place]
    return claim.claim.model_copy(update={"backend": "|".join(local)}) if local else None


def _cells_with_same_prediction(page: Page, case: Case, here: Realm) -> Iterator[Cell]:
    """Yield the cells of a case that this cluster has too, if its prediction is the same as in the claim's world."""
    there = {version[:2]: realm for version, realm in realms(page, case)}[here.topology.proxy_version[:2]]
    for asked in case.ask:
        theirs = there.cell(asked)
        if theirs.id in here.cells and _describe(there, theirs) == _describe(here, here.cells[theirs.id]):
            yield here.cells[theirs.id]


def _describe(realm: Realm, cell: Cell) -> frozenset[str]:
    return describe(endings(realm, cell, predict(realm.model, cell)))


def seen(realm: Realm, cell: Cell, attempts: Iterable[Attempt], *, by_icmp: bool) -> tuple[Ending, ...]:
    """Return the results of attempts as endings, each once.

    Args:
        realm: The cluster.
        cell: The cell of the attempts.
        attempts: The attempts.
        by_icmp: Whether ICMP may refuse the cell.

    """
    all_of_them = tuple(attempts)
    outcomes = count_limited_refusals((attempt.outcome for attempt in all_of_them), by_icmp=by_icmp)
    target, own = resolve(cell.frontend, realm.topology, realm.snapshot).address, own_address(realm, cell)
    found: dict[Ending, None] = {}
    for attempt, outcome in zip(all_of_them, outcomes, strict=True):
        called = names(attempt.source, realm.topology, target, own) if attempt.source else frozenset()
        found[Ending(outcome, called, attempt.backend)] = None
    return tuple(found)

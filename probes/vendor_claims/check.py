"""Compare a claim with the oracle's predictions for its cases, and with our standing. Does no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from probes.observation import Outcome
from probes.oracle.client import client_address
from probes.oracle.predict import DECISIVE, predict
from probes.oracle.rule import are_decisions_replaced
from probes.vendor_claims.answer import Ending
from probes.vendor_claims.model import Standing
from probes.vendor_claims.scenario import realms
from topologies.frontends import resolve
from topologies.schema.enums import VantageKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from probes.oracle.expectation import Expectation
    from probes.plan.cell import Cell
    from probes.vendor_claims.model import Case, Claim, Page
    from probes.vendor_claims.scenario import Realm
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Topology, Vantage, Version


@dataclass(frozen=True, slots=True)
class Assessment:
    """The oracle's prediction for one cell of a case at one version."""

    case: Case
    version: Version
    cell: Cell
    expectation: Expectation
    endings: tuple[Ending, ...]


def assess(page: Page, cases: Iterable[Case]) -> Iterator[Assessment]:
    """Yield an assessment for every cell of these cases at every version that they cover.

    Cases of a data plane that is not kube-proxy have none.
    """
    if not page.by_rules:
        return
    assess_cell = _predict.__wrapped__ if are_decisions_replaced() else _predict
    for case in cases:
        for version, realm in realms(page, case):
            for asked in case.ask:
                cell = realm.cell(asked)
                yield Assessment(case, version, cell, *assess_cell(realm, cell))


@cache  # tests, pages and a run's own table request the same predictions
def _predict(realm: Realm, cell: Cell) -> tuple[Expectation, tuple[Ending, ...]]:
    expectation = predict(realm.model, cell)
    return expectation, endings(realm, cell, expectation)


def complaints(page: Page, claim: Claim) -> list[str]:
    """Return the contradictions between the oracle and our standing, or an empty list."""
    asked = assess(page, (*claim.cases, *claim.otherwise))
    return [wrong for assessment in asked for wrong in _wrong(assessment, claim)]


def promised(claim: Claim, case: Case) -> bool | None:
    """Return whether the claim must or must not hold in this case, or None if our standing leaves it open.

    A claim from memory need not hold.
    """
    if claim.claim is None or claim.standing is Standing.UNDERIVABLE or claim.from_memory:
        return None
    return (case in claim.cases) is not (claim.standing is Standing.CONTRADICTS)


def _wrong(assessment: Assessment, claim: Claim) -> Iterator[str]:
    case, rules = assessment.case, assessment.expectation.rules
    predicted = " or ".join(sorted(describe(assessment.endings)))
    where = f"{assessment.cell.id} in {case.world} at {assessment.version}: {predicted} ({', '.join(rules)})"
    must = promised(claim, case)
    if claim.claim and must is not None and claim.claim.holds(assessment.endings) is not must:
        yield f"{where}, want {'' if must else 'not '}{claim.claim}"
    if case.gives and not case.gives.holds(assessment.endings):
        yield f"{where}, want {case.gives}"
    if missing := set(case.rules) - set(rules):
        yield f"{where}, want the rules {', '.join(sorted(missing))}"


def endings(realm: Realm, cell: Cell, expectation: Expectation) -> tuple[Ending, ...]:
    """Return the results that an expectation allows, with all names of their sources in this cell."""
    target = resolve(cell.frontend, realm.topology, realm.snapshot).address
    own = own_address(realm, cell)
    found = []
    for path in expectation.paths:
        sources = path.sources or (None,)
        for source in sources:
            called = names(source, realm.topology, target, own) if source else frozenset()
            found.append(Ending(path.outcome, called, path.backend))
    return tuple(found)


def own_address(realm: Realm, cell: Cell) -> IPAddress | None:
    """Return the client's own address."""
    return client_address(cell.vantage, realm.topology, realm.snapshot)


def host_address(topology: Topology, vantage: Vantage) -> IPAddress | None:
    """Return the address of a client on a host, or None for a pod.

    A socket may use another address of the host.
    """
    if vantage.kind is VantageKind.EXTERNAL:
        return next(host.address for host in topology.external if host.name == vantage.external)
    return topology.node(vantage.node or "").address if vantage.on_host_network else None


def names(address: IPAddress, topology: Topology, target: IPAddress | None, own: IPAddress | None) -> frozenset[str]:
    """Return every name of a source in claims: `kept`, `vip`, `node`, `primary(n1)` …, `lb`, and the address."""
    known = {str(address)}
    known |= {"kept"} if address == own else set()
    known |= {"lb"} if address == topology.load_balancer.address else set()
    for node in topology.nodes:
        of_node = {
            "primary": node.address,
            "cni0": topology.cni.bridge_address_of(node),
            "vtep": topology.cni.tunnel_address_of(node),
            "public": node.public_address,
        }
        found = {f"{what}({node.name})" for what, its in of_node.items() if its == address}
        known |= found | ({"node"} if found else set())
    return frozenset(known | ({"vip"} if address == target and "node" not in known else set()))


def describe(endings: Iterable[Ending]) -> frozenset[str]:
    """Return endings as text, each source with its best name: `ok from vtep(n3) by web-a`."""
    named = ((one.outcome.value, called(one), one.backend) for one in endings)
    return frozenset(
        " ".join([outcome, *([f"from {source}"] if source else []), *([f"by {backend}"] if backend else [])])
        for outcome, source, backend in named
    )


BEST_FIRST = ("kept", "vip", "lb", "primary", "cni0", "vtep", "public")


def called(ending: Ending) -> str:
    """Return the best name of an ending's source, or an empty string without a source."""
    ranked = (name for best in BEST_FIRST for name in sorted(ending.sources) if name.startswith(best))
    return next(ranked, min(ending.sources - {"node"}, default=""))


def telling(expectation: Expectation) -> tuple[str, ...]:
    """Return the decisive rules: endpoint selection and mark of an ok path, or the rule that ended it."""
    found: dict[str, None] = {}
    for path in expectation.paths:
        if path.outcome is Outcome.OK:
            found |= dict.fromkeys(rule for rule in path.rules if rule in DECISIVE)
        else:
            found |= dict.fromkeys(path.rules[-1:])
    return tuple(found)

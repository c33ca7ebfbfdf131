"""Vendor claims, cell by cell: compared with the rules, and with the cluster if it meets the claim's conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.judging.verdict import Facet
from probes.plugin import the_judge
from probes.vendor_claims import check, live, load
from probes.vendor_claims.scenario import Realm
from topologies.plugin import TOPOLOGY

if TYPE_CHECKING:
    from probes.plan.cell import Cell
    from probes.plugin import Judging
    from probes.vendor_claims.model import Claim, Page

CLAIMS = [
    pytest.param(page, claim, id=f"{page.name}-{name}")
    for page in load.pages()
    if page.by_rules
    for name, claim in page.claims()
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one item for each cell in which this cluster can test a claim, or a named skip if it can test none."""
    if "trial" not in metafunc.fixturenames:
        return
    topology = metafunc.config.stash[TOPOLOGY]
    found = [pytest.param(trial, trial.cell, id=trial.id) for trial in live.trials(topology)]
    reason = f"topology {topology.name} is none of the clusters that vendors document"
    none = pytest.param(None, None, marks=pytest.mark.skip(reason=reason), id="none-documented")
    metafunc.parametrize(("trial", "cell"), found or [none])


@pytest.mark.parametrize(("page", "claim"), CLAIMS)
def test_what_is_documented_is_what_the_rules_say(page: Page, claim: Claim) -> None:
    """The rules agree with every documented cell, or our standing gives the condition or the reason."""
    complaints = check.complaints(page, claim)

    assert not complaints, "\n".join(complaints)


def test_what_is_documented_is_what_the_cluster_shows(
    trial: live.Trial, cell: Cell, judge: Judging, request: pytest.FixtureRequest
) -> None:
    """The cluster shows what the vendor documents of a cell, or what our standing states instead."""
    judge(cell, Facet.REACHABILITY)
    run = the_judge(request.session)
    case = run.case(cell)
    realm = Realm(run.topology, run.answers.snapshot, {cell.id: cell})
    by_icmp = any(path.by_icmp for path in case.expectation.paths)

    complaint = trial.complaint(live.seen(realm, cell, case.observation.counted, by_icmp=by_icmp))

    assert not complaint, f"{trial.claim.quote}\n{trial.claim.why}\n{complaint}"

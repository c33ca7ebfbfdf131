"""The scenarios of a stored run: each change, the promises that were checked after it, and when they held.

The engine writes them to the run's folder (probes/scenarios/results.py). reading.py reads them from there.
"""

from __future__ import annotations

from probes.contract.judging import ContractResult
from probes.scenarios.results import BROKEN
from reports.records.schema import ReportModel, Seconds


class StoredCheck(ReportModel):
    """One promise of a row, from one client to one frontend, after one change.

    `node`: the node whose data plane decides. `text`: what was seen in the end, or why it could not be asked.
    `converged_s`: seconds after the change at which the first of the attempts began from which on all hold; null: the
    promise never held. `not_before_s`: when the last attempt began that did not hold; null: all hold. The change took
    effect between the two. `predicted`: `kept` or `broken` by the `rules` of kube-proxy, empty if unknown.
    """

    row: str
    client: str
    node: str
    frontend: str
    promise: str = ""
    result: ContractResult
    text: str = ""
    converged_s: Seconds | None = None
    not_before_s: Seconds | None = None
    predicted: str = ""
    rules: tuple[str, ...] = ()

    @property
    def is_predicted(self) -> bool | None:
        """Whether kube-proxy's rules predict that the promise is broken; None if they are not known or do not apply."""
        return self.predicted == BROKEN if self.predicted else None

    @property
    def name(self) -> str:
        """Return who asked what: `pod-n1-to-s-web.clusterip`."""
        return f"{self.client}-to-{self.frontend}"


class StoredStep(ReportModel):
    """One change and the checks after it. `change`: what was done to the API. `at`: when the API had accepted it."""

    name: str
    change: str = ""
    at: str = ""
    checks: tuple[StoredCheck, ...] = ()


class StoredScenario(ReportModel):
    """A scenario of a run.

    `rows`: the rows of the contract that it asks. `trouble`: why it was not finished, or empty. `skipped`: what the
    cluster lacks for it, or empty.
    """

    id: str
    title: str = ""
    rows: tuple[str, ...] = ()
    steps: tuple[StoredStep, ...] = ()
    seconds: Seconds = 0.0
    trouble: str = ""
    skipped: str = ""

    @property
    def checks(self) -> tuple[StoredCheck, ...]:
        """Return the checks of all its steps."""
        return tuple(check for step in self.steps for check in step.checks)

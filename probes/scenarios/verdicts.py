"""Make the result of each check: what was seen, the level of its row in this version, and the prediction. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probes.contract.judging import BROKEN_AT, ContractResult
from probes.contract.predicted import predicted_answers
from probes.contract.sources import Level
from probes.oracle.client import client_address
from probes.oracle.modes.chains import UnsupportedMode
from probes.oracle.predict import model_cluster, predict
from probes.oracle.unknown_facts import TooManyChoicesError
from probes.scenarios.keeping import describe_seen, find_violation
from probes.scenarios.results import BROKEN, KEPT, ScenarioCheck
from topologies.cluster_state.snapshot import declared
from topologies.frontends import UnresolvedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from probes.oracle.connection import ClusterModel
    from probes.scenarios.asking import Asking
    from probes.scenarios.model import Check
    from topologies.schema.topology import Topology


@dataclass(frozen=True, slots=True)
class PredictedCheck:
    """What kube-proxy's rules predict of a check: `kept`, `broken` or nothing, and the rules that break it."""

    result: str = ""
    rules: tuple[str, ...] = ()


def level_of(check: Check, topology: Topology) -> Level:
    """Return the level of a check's row in the version of this cluster."""
    return check.row.level_at(topology.proxy_version)


def judge(asking: Asking, predicted: PredictedCheck, excuse: str = "") -> ScenarioCheck:
    """Return the result of a check. `excuse`: why a broken promise is not the Service's fault, if that is known."""
    result, text = _decide(asking, excuse)
    check = asking.check
    return ScenarioCheck(
        row=check.row_id,
        client=check.client.name,
        node=check.node,
        frontend=check.asked.label,
        promise=check.promise,
        result=result,
        text=text,
        converged_s=asking.converged_s,
        not_before_s=asking.not_before_s,
        predicted=predicted.result,
        rules=predicted.rules,
    )


def unasked(check: Check, why: str) -> ScenarioCheck:
    """Return the result of a check that could not be asked."""
    asked, client = check.asked.label, check.client.name
    return ScenarioCheck(check.row_id, client, check.node, asked, check.promise, ContractResult.NOT_ASKED, why)


def _decide(asking: Asking, excuse: str) -> tuple[ContractResult, str]:
    if not asking.rounds:
        return ContractResult.NOT_ASKED, asking.trouble or "no attempt was made"
    seen = describe_seen(asking.check, asking.rounds[-1].attempts)
    level = level_of(asking.check, asking.topology)
    if level is Level.UNSPECIFIED:
        return ContractResult.FREE, seen
    if asking.is_kept:
        return ContractResult.KEPT, seen
    if asking.trouble and not (asking.check.throughout and asking.failures):
        return ContractResult.NOT_ASKED, asking.trouble
    if excuse:
        return ContractResult.NOT_ASKED, excuse
    return BROKEN_AT[level], _describe_broken(asking)


def _describe_broken(asking: Asking) -> str:
    if asking.check.throughout and asking.failures:
        return f"{asking.failures} of {len(asking.rounds)} rounds after the change: {asking.wrong}"
    if not asking.wrong:
        return f"it held in the last round only: {describe_seen(asking.check, asking.rounds[-1].attempts)}"
    return f"{asking.wrong} (still {asking.rounds[-1].begun_s:.0f} s after the change)"


def predict_checks(checks: Iterable[Check], topology: Topology | None) -> Iterator[PredictedCheck]:
    """Yield what kube-proxy's rules predict of each check in this declared cluster, as far as they know it."""
    model = _model(topology) if topology else None
    for check in checks:
        yield _predict(check, model) if model else PredictedCheck()


def _model(topology: Topology) -> ClusterModel | None:
    """Return the model of a declared cluster, None if the oracle has no rules for it."""
    try:
        return model_cluster(topology, declared(topology))
    except UnsupportedMode:
        return None


def _predict(check: Check, model: ClusterModel) -> PredictedCheck:
    if not check.asked.predictable or check.expected is None:
        return PredictedCheck()
    try:
        expectation = predict(model, check.cell)
    except (UnresolvedError, TooManyChoicesError, KeyError):
        return PredictedCheck()  # an address that the declared cluster does not have
    own = client_address(check.client, model.topology, model.snapshot)
    found = predicted_answers(check.cell, expectation, own)
    if found.unknown:
        return PredictedCheck()
    broken = find_violation(check, found.answers, model.topology, predicted=True, sticky=found.sticky)
    return PredictedCheck(BROKEN, broken.rules) if broken else PredictedCheck(KEPT)

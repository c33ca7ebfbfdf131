"""Make a conformance report of finished runs and of what the user claims."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from probes.contract.model import Feature, Subject
from probes.contract.sources import Level
from reports.analysis.causes.deciding_rule import name_rule
from reports.analysis.conformance.convergence import measure_rows
from reports.analysis.conformance.features import check_features, sort_features
from reports.analysis.conformance.report import (
    API_VERSION,
    KIND,
    ConformanceError,
    ConformanceProfile,
    ConformanceReport,
    ConformanceResult,
    ExtendedStatus,
    LevelStatus,
    ReproducedRun,
    RowStatus,
    ServingProxy,
    Statistics,
    name_profile,
)
from reports.analysis.conformance.rows import merge_rows
from reports.analysis.contract import judge_contract, rules_of
from reports.records.rejudge import own_topology, raw_contents

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from reports.analysis.conformance.report import ConformanceRow, Implementation
    from reports.records.run import Run

SIMULATED = "simulated"  # begins the version of a cluster that was not asked


@dataclass(frozen=True, slots=True)
class ImplementationClaim:
    """What the user declares: the implementation, the mode it was tested in, and its features."""

    implementation: Implementation
    mode: str = "default"
    claims: tuple[Feature, ...] = ()
    unsupported: tuple[Feature, ...] = ()


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run with its contract, and what serves Services in it. `name`: its folder."""

    name: str
    run: Run
    proxy: ServingProxy
    kubernetes: str

    @classmethod
    def of(cls, name: str, run: Run) -> FinishedRun:
        """Return a run, judged by the contract if it is not yet.

        Raises:
            ConformanceError: The run was not finished, or it has no observation.
            RejudgeError: The run cannot be judged.

        """
        if not run.complete:
            message = (
                f"{name}: got a run that was not finished, want a finished one. Run its command again: {run.command}"
            )
            raise ConformanceError(message)
        contract = run.contract or judge_contract(run)
        if not contract:
            message = f"{name}: got a run without observations, want one that asked cells or scenarios. Run it again."
            raise ConformanceError(message)
        topology = own_topology(run)
        proxy = topology.proxy
        version = str(topology.proxy_version) if proxy.is_kube_proxy else ""
        serving = ServingProxy(kind=proxy.kind, mode=str(proxy.mode) if proxy.is_kube_proxy else "", version=version)
        return cls(name, run.model_copy(update={"contract": contract}), serving, str(topology.kubernetes))

    def __str__(self) -> str:
        """Return `kube-proxy iptables 1.37.2 in Kubernetes 1.37.2`."""
        return f"{self.proxy} in Kubernetes {self.kubernetes}"


def check_one_implementation(runs: Sequence[FinishedRun]) -> None:
    """Check that all runs are of one implementation.

    Raises:
        ConformanceError: They are not.

    """
    kinds = {str(one): one.name for one in runs}
    if len(kinds) > 1:
        found = " and ".join(f"{kind} ({name})" for kind, name in kinds.items())
        message = f"the runs cannot be one report: got {found}, want one implementation. Make a report of each."
        raise ConformanceError(message)


def build_report(runs: Sequence[FinishedRun], claim: ImplementationClaim) -> ConformanceReport:
    """Return the report of runs against one implementation.

    Raises:
        ConformanceError: The runs are of several implementations, or a claimed feature has rows that were skipped.

    """
    check_one_implementation(runs)
    ordered = sorted(runs, key=lambda one: (one.run.topology.name, one.run.command, one.name))
    rows = merge_rows((one.run for one in ordered), claim.unsupported)
    check_features(rows, claim.claims, claim.unsupported)
    promised = tuple(row for row in rows if row.is_promised)
    return ConformanceReport(
        api_version=API_VERSION,
        kind=KIND,
        date=_date(ordered),
        implementation=claim.implementation,
        mode=claim.mode,
        kubernetes_version=ordered[0].kubernetes,
        service_proxy=ordered[0].proxy,
        claimed_features=tuple(sorted(set(claim.claims))),
        profiles=tuple(_profiles(promised, claim.unsupported)),
        succeeded_provisional_tests=_names(row for row in rows if row.provisional and row.status is RowStatus.PASSED),
        rows=promised,
        unspecified=tuple(row for row in rows if not row.is_promised),
        rules=quote_rules(rows),
        reproduce=tuple(map(_reproduce, ordered)),
        runs=tuple(one.name for one in ordered),
        convergence=measure_rows(one.run for one in ordered),
    )


def quote_rules(rows: Iterable[ConformanceRow]) -> dict[str, str]:
    """Return the sentence of each rule that the evidence of rows names."""
    used = rules_of(one for row in rows for one in row.evidence)
    return {rule: name_rule(rule).sentence for rule in used}


def _date(runs: Iterable[FinishedRun]) -> str:
    ended: list[datetime] = [one.run.finished or one.run.started for one in runs]
    return max(ended).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _profiles(rows: Collection[ConformanceRow], unsupported: Collection[Feature]) -> Iterable[ConformanceProfile]:
    for subject in sorted(Subject):
        name = name_profile(subject)
        mine = [row for row in rows if row.profile == name]
        if any(row.counts for row in mine):
            yield _profile(name, mine, unsupported)


def _profile(name: str, rows: Collection[ConformanceRow], unsupported: Collection[Feature]) -> ConformanceProfile:
    core = _status([row for row in rows if row.level is Level.MUST])
    extended = _status([row for row in rows if row.level is Level.SHOULD])
    supported, missing, skipped = sort_features(rows, unsupported)
    summary = f"Core tests {_summarize(core)}. Extended tests {_summarize(extended)}."
    status = ExtendedStatus(
        **dict(extended),
        supported_features=supported,
        unsupported_features=missing,
        skipped_features=skipped,
    )
    return ConformanceProfile(name=name, summary=summary, core=core, extended=status)


def _status(rows: Iterable[ConformanceRow]) -> LevelStatus:
    of_status = {status: [row for row in rows if row.counts and row.status is status] for status in RowStatus}
    passed, failed, skipped = (of_status[one] for one in (RowStatus.PASSED, RowStatus.FAILED, RowStatus.SKIPPED))
    result = (
        ConformanceResult.FAILURE if failed else ConformanceResult.PARTIAL if skipped else ConformanceResult.SUCCESS
    )
    return LevelStatus(
        result=result,
        statistics=Statistics(passed=len(passed), skipped=len(skipped), failed=len(failed)),
        skipped_tests=_names(skipped),
        failed_tests=_names(failed),
    )


def _names(rows: Iterable[ConformanceRow]) -> tuple[str, ...]:
    return tuple(sorted(row.name for row in rows))


def _summarize(status: LevelStatus) -> str:
    """Return the words of Gateway API's summary."""
    if status.result is ConformanceResult.FAILURE:
        return f"failed with {status.statistics.failed} test failures"
    if status.result is ConformanceResult.PARTIAL:
        return f"partially succeeded with {status.statistics.skipped} test skips"
    return "succeeded"


def _reproduce(one: FinishedRun) -> ReproducedRun:
    versions = one.run.versions
    return ReproducedRun(
        topology=one.run.topology.name,
        command=one.run.command,
        hairpin_version=versions.get("hairpin", ""),
        simulated=versions.get("kubernetes", "").startswith(SIMULATED),
        contents=raw_contents(one.run),
    )

"""The models of a conformance report. The keys that Gateway API's ConformanceReport has are spelled as there.

https://github.com/kubernetes-sigs/gateway-api/tree/main/conformance/apis/v1

The JSON schema is made from these models:
`python -m reports.analysis.conformance.report > docs/conformance.schema.json`.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Literal

import yaml
from pydantic import ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from probes.contract.judging import ContractResult
from probes.contract.model import Feature, Subject
from probes.contract.sources import Level, TextKind
from reports.records.schema import ReportModel, write_schema
from topologies.common.errors import HairpinError
from topologies.schema.enums import ProxyKind

API_VERSION: Literal["hairpin/v1"] = "hairpin/v1"
KIND: Literal["ConformanceReport"] = "ConformanceReport"
WIDTH = 120  # columns of YAML; longer texts are folded


class ConformanceError(HairpinError):
    """A conformance report that cannot be made or read: what failed, where, what was found, what is expected."""


class ReportPart(ReportModel):
    """A part of a conformance report. Its keys are in camelCase. Keys that hold their default are not written."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Implementation(ReportPart):
    """What was tested, as Gateway API describes it. Every value is needed there."""

    organization: str
    """The company, group or person that maintains it."""
    project: str
    """Its name, unique within the organization."""
    url: str
    """Where it is described."""
    version: str
    """A tag, a release or a commit; no branch."""
    contact: tuple[str, ...]
    """GitHub users or teams (`@name`), mail addresses, or the address of a support page."""


class ConformanceResult(StrEnum):
    """The result of a support level. `PARTIAL`: nothing failed, and rows were skipped."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILURE = "failure"


class Statistics(ReportPart):
    """How many rows passed, failed and were skipped."""

    model_config = ConfigDict(alias_generator=str.capitalize)

    passed: int
    skipped: int
    failed: int


class LevelStatus(ReportPart):
    """The rows of one support level, by id."""

    result: ConformanceResult
    statistics: Statistics
    skipped_tests: tuple[str, ...] = ()
    failed_tests: tuple[str, ...] = ()


class ExtendedStatus(LevelStatus):
    """The extended level, and the features that rows of the profile need, of both levels.

    `supported_features`: a row that needs it was asked. `unsupported_features`: declared by the user; rows that need
    it do not count. `skipped_features`: no row that needs it could be asked.
    """

    supported_features: tuple[Feature, ...] = ()
    unsupported_features: tuple[Feature, ...] = ()
    skipped_features: tuple[Feature, ...] = ()


class ConformanceProfile(ReportPart):
    """The rows about one part of a cluster. Core: every `must`. Extended: every `should`."""

    name: str
    summary: str
    core: LevelStatus
    extended: ExtendedStatus | None = None


class RowStatus(StrEnum):
    """How a row counts. `UNSUPPORTED`: it needs a feature that the user declares as missing.

    `UNTESTED`: Hairpin has no test of it. `FREE`: nothing is promised.
    """

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNSUPPORTED = "unsupported"
    UNTESTED = "untested"
    FREE = "free"


class RowEvidence(ReportPart):
    """A cell, or a check of a scenario, that breaks a row.

    `cell`: of a check its client and its frontend. `scenario`, `step`: of a check. `predicted`: whether
    `rules` predict it, null where kube-proxy does not serve, or if a check is not predicted.
    """

    topology: str
    cell: str
    scenario: str = ""
    step: str = ""
    text: str
    predicted: bool | None = None
    rules: tuple[str, ...] = ()


class PromiseLink(ReportPart):
    """A place where the promise is written."""

    kind: TextKind
    name: str
    link: str
    quote: str = ""


class ConformanceRow(ReportPart):
    """A row of the contract and what the runs show of it.

    `level`: the one in the cluster's version. `provisional`: no source of it was read, so it does not count. `cells`:
    how many have each verdict. `scenarios`: those that ask it, and `checks`: how many of their checks have each
    verdict. `answers`: what happens where nothing is promised, with the number of cells. `reasons`: why it, or some of
    its cells, was not asked.
    """

    name: str
    number: int
    profile: str
    level: Level
    sentence: str
    result: ContractResult
    status: RowStatus
    provisional: bool = False
    features: tuple[Feature, ...] = ()
    cells: dict[ContractResult, int] = Field(default_factory=dict)
    scenarios: tuple[str, ...] = ()
    checks: dict[ContractResult, int] = Field(default_factory=dict)
    evidence: tuple[RowEvidence, ...] = ()
    answers: dict[str, int] = Field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    sources: tuple[PromiseLink, ...] = ()

    @property
    def is_promised(self) -> bool:
        """Return whether the row is a must or a should."""
        return self.level is not Level.UNSPECIFIED

    @property
    def counts(self) -> bool:
        """Return whether the row is part of the statistics."""
        return self.is_promised and not self.provisional and self.status not in UNCOUNTED


UNCOUNTED = frozenset({RowStatus.UNSUPPORTED, RowStatus.UNTESTED})


class NodeConvergence(ReportPart):
    """When the promises of a row held at a node, in seconds after the change: more than one and at most the other.

    `never`: they did not hold within the time limit.
    """

    node: str
    more_than_seconds: float = 0.0
    at_most_seconds: float | None = None
    never: bool = False


class RowConvergence(ReportPart):
    """How long it took until the promises of a row held after a change. Of several runs the slowest counts."""

    row: str
    scenario: str
    step: str
    topology: str
    nodes: tuple[NodeConvergence, ...]


class ServingProxy(ReportPart):
    """What serves Services. `mode` and `version` are kube-proxy's, and empty for others."""

    kind: ProxyKind
    mode: str = ""
    version: str = ""

    def __str__(self) -> str:
        """Return `kube-proxy iptables 1.37.2`."""
        return " ".join(part for part in (self.kind.value, self.mode, self.version) if part)


class ReproducedRun(ReportPart):
    """How to repeat a run: its command, and the contents of its topology's file with all overrides.

    `simulated`: no cluster was asked.
    """

    topology: str
    command: str
    hairpin_version: str
    simulated: bool = False
    contents: dict[str, JsonValue] = Field(default_factory=dict)


class ConformanceReport(ReportPart):
    """What runs show of the API's contract.

    `date`: when the last run ended. `runs`: their folders. `convergence`: how long changes took. Only these three
    differ if the same cluster is tested again with the same result. `rows`: what is promised (must and should).
    `unspecified`: what this network does where nothing is promised. `succeeded_provisional_tests`: rows that were kept
    and do not count. `rules`: the sentences of the rules that the evidence names.
    """

    api_version: Literal["hairpin/v1"]
    kind: Literal["ConformanceReport"]
    date: str
    implementation: Implementation
    mode: str
    kubernetes_version: str
    service_proxy: ServingProxy
    claimed_features: tuple[Feature, ...] = ()
    profiles: tuple[ConformanceProfile, ...]
    succeeded_provisional_tests: tuple[str, ...] = ()
    rows: tuple[ConformanceRow, ...]
    unspecified: tuple[ConformanceRow, ...] = ()
    rules: dict[str, str] = Field(default_factory=dict)
    reproduce: tuple[ReproducedRun, ...]
    runs: tuple[str, ...] = ()
    convergence: tuple[RowConvergence, ...] = ()

    @property
    def is_simulated(self) -> bool:
        """Return whether no cluster was asked in one of the runs."""
        return any(run.simulated for run in self.reproduce)

    def to_json(self) -> str:
        """Return it as JSON, ending in a newline."""
        return self.model_dump_json(indent=1, by_alias=True, exclude_defaults=True) + "\n"

    def to_yaml(self) -> str:
        """Return it as YAML with sorted keys, as the reports of Gateway API."""
        return dump_yaml(self)


def dump_yaml(part: ReportPart) -> str:
    """Return a model as YAML with sorted keys."""
    written = part.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return yaml.safe_dump(written, sort_keys=True, allow_unicode=True, width=WIDTH)


def name_profile(subject: Subject) -> str:
    """Return the name of the profile of a subject: `POD-NETWORK`."""
    return subject.value.upper()


def schema() -> str:
    """Return the JSON schema of a conformance report, ending in a newline."""
    return write_schema(ConformanceReport, "A Hairpin conformance report")


if __name__ == "__main__":
    sys.stdout.write(schema())

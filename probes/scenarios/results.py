"""The results of scenarios, and the file in a run's folder that has them. Touches no other file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from probes.contract.judging import DIFFERS, WORST_FIRST, ContractResult
from topologies.common.errors import HairpinError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FILE_NAME = "scenarios.json"
KEPT = "kept"
BROKEN = "broken"


class ScenarioFileError(HairpinError):
    """The file of a run's scenarios cannot be read."""


@dataclass(frozen=True, slots=True)
class ScenarioCheck:
    """One promise, from one client to one frontend, after one change."""

    row: str
    """The id of the row of the contract."""
    client: str
    """The name of the vantage."""
    node: str
    """The node whose data plane decides: the client's for a ClusterIP, the asked node's for a NodePort."""
    frontend: str
    """As the plan names frontends: `s-sticky.clusterip`."""
    promise: str
    """In the words of probes/judging/promise.py: `ok from-one`, `refused`, `unanswered`."""
    result: ContractResult
    """By the row's level in this version."""
    text: str
    """What was seen in the end, or why it could not be asked."""
    converged_s: float | None = None
    """Seconds from the accepted change to the start of the first attempt from which on all held. None: none did."""
    not_before_s: float | None = None
    """Seconds from the accepted change to the start of the last attempt that did not hold. None: all held."""
    predicted: str = ""
    """`kept` or `broken` by kube-proxy's rules in this version and mode; empty if they do not know it."""
    rules: tuple[str, ...] = ()
    """The rules that predict a broken promise."""

    @property
    def differs(self) -> bool:
        """Whether the promise was not kept."""
        return self.result in DIFFERS


@dataclass(frozen=True, slots=True)
class ScenarioStep:
    """One change, and the promises that were asked after it."""

    name: str
    change: str
    """What was done to the API, as one sentence."""
    at: str
    """When the API had accepted the change: ISO 8601, UTC."""
    checks: tuple[ScenarioCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """One scenario of a run."""

    id: str
    title: str
    rows: tuple[str, ...]
    """The ids of the rows of the contract that it asks."""
    steps: tuple[ScenarioStep, ...]
    seconds: float
    trouble: str = ""
    """Why it was not finished. Then the checks that it did not reach are `not asked`."""
    skipped: str = ""
    """What the cluster lacks for it. Then it has no steps."""

    @property
    def checks(self) -> tuple[ScenarioCheck, ...]:
        """The checks of all its steps."""
        return tuple(check for step in self.steps for check in step.checks)

    @property
    def result(self) -> ContractResult:
        """The worst result of its checks; not asked without checks."""
        return min((one.result for one in self.checks), key=WORST_FIRST.index, default=ContractResult.NOT_ASKED)


_RESULTS = TypeAdapter(tuple[ScenarioResult, ...])


def write_results(folder: Path, results: Iterable[ScenarioResult]) -> None:
    """Write the results into a run's folder; the file appears whole or not at all."""
    fresh = (folder / FILE_NAME).with_suffix(".new")
    fresh.write_bytes(_RESULTS.dump_json(tuple(results), indent=1) + b"\n")
    fresh.replace(folder / FILE_NAME)


def read_results(folder: Path) -> tuple[ScenarioResult, ...]:
    """Return the results in a run's folder; nothing if the run had no scenarios.

    Raises:
        ScenarioFileError: the file cannot be read, or is not of this form.

    """
    path = folder / FILE_NAME
    try:
        return _RESULTS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return ()
    except (OSError, ValidationError) as error:
        cause = str(error).splitlines()[0]
        message = f"scenarios: {path}: got {cause}, want the results of scenarios. Repeat the run with --scenarios."
        raise ScenarioFileError(message) from error

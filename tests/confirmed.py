"""`python -m tests.confirmed [run.json ...]` lists the rules that real kube-proxies have confirmed, and where.

The recordings in the repository (tests/unit/probes/oracle/observed/, tests/truth/recordings/) are always read.

It writes probes/oracle/confirmed.json, which the catalogue prints. An observation confirms a rule if it contradicts the
rule's natural alternative (probes/oracle/mutation/alternatives.py): the result without the rule.

- A recording confirms a rule if a cell agrees with the oracle and disagrees with the alternative.
- A live run, given or of the truth table, confirms a rule if a passing cell would need another result under the
  alternative.

A rule that only took part in the results is "not distinguished". Simulated runs are rejected. Entries of earlier runs
stay, unless no rule has that id any more.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probes.observation import Outcome
from probes.oracle.catalogue import CATALOGUE, CONFIRMED
from probes.oracle.mutation import alternatives, mutations
from probes.oracle.predict import model_cluster, predict
from probes.plan.plan import plan
from tests.truth.recording import read_all
from tests.truth.rows import ROWS
from tests.unit.probes.oracle.recordings import FILES, read
from tests.unit.support.observed_world import complaint, recorded, world
from topologies.cluster_state.snapshot import declared
from topologies.frontends import UnresolvedError
from topologies.loading import overrides
from topologies.schema.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probes.oracle.connection import ClusterModel
    from probes.oracle.expectation import Expectation
    from probes.plan.cell import Cell
    from tests.unit.probes.oracle.recordings import Recording
    from tests.unit.support.observed_world import Recorded

Places = dict[str, list[str]]


def by_recordings(files: Iterable[str] = FILES) -> dict[str, Any]:
    """Return for each rule the files that contradict its alternative, or those in which it only took part."""
    files = sorted(files)
    contradicted: Places = defaultdict(list)
    undistinguished: Places = defaultdict(list)
    for recording in map(read, files):
        decided, confirmed = _deciding_and_confirmed(recording)
        for rule in decided:
            (contradicted if rule in confirmed else undistinguished)[rule].append(recording.title)
    alone = {rule: places for rule, places in undistinguished.items() if rule not in contradicted}
    return {"files": files, "recordings": dict(contradicted), "undistinguished": alone}


def _deciding_and_confirmed(recording: Recording) -> tuple[set[str], set[str]]:
    there, deciding = world(recording), defaultdict[str, list["Recorded"]](list)
    for one in recorded(recording):
        with mutations.collect_deciding_rules() as names:
            agrees = not complaint(one, predict(there, one.cell))
        for rule in names if agrees else ():
            deciding[rule].append(one)
    found = set()
    for rule, cells in deciding.items():
        with alternatives.assume_alternative(rule):
            if any(complaint(one, predict(there, one.cell)) for one in cells):
                found.add(rule)
    return set(deciding), found


def confirmed_by(topology: Topology, cells: Iterable[Cell]) -> set[str]:
    """Return the rules whose alternative these cells contradict. Every cell had the predicted result in a live run."""
    there = model_cluster(topology, declared(topology))
    deciding: dict[str, list[tuple[Cell, Expectation]]] = defaultdict(list)
    for cell in cells:
        with mutations.collect_deciding_rules() as names:
            expectation = _predicted(there, cell)
        if expectation is None:
            continue
        for rule in names:
            deciding[rule].append((cell, expectation))
    return {rule for rule, asked in deciding.items() if _contradicted(there, rule, asked)}


def _predicted(there: ClusterModel, cell: Cell) -> Expectation | None:
    try:
        return predict(there, cell)
    except UnresolvedError:
        return None


def _contradicted(there: ClusterModel, rule: str, asked: list[tuple[Cell, Expectation]]) -> bool:
    with alternatives.assume_alternative(rule):
        return any(contradicts(seen, predict(there, cell)) for cell, seen in asked)


def contradicts(seen: Expectation, alternative: Expectation) -> bool:
    """Return whether results that match the expectation contradict the alternative.

    Samples are large enough to reach every backend, so a result that only one of the two allows distinguishes them. A
    timeout and an unreachable may have the same cause. Results without an answer must therefore have none in common.
    """
    if _answers(seen) != _answers(alternative):
        return True
    unanswered, other = (one.outcomes - {Outcome.OK} for one in (seen, alternative))
    return bool(unanswered or other) and not unanswered & other


def _answers(expectation: Expectation) -> set[tuple[object, ...]]:
    return {(path.sources, path.backend) for path in expectation.paths if path.outcome is Outcome.OK}


def by_runs(runs: list[dict[str, Any]], before: Places) -> Places:
    """Return for each rule the live runs whose passing cells contradict its alternative, earlier runs included."""
    known = {rule.id for rule in CATALOGUE}
    found: Places = defaultdict(list, {rule: list(places) for rule, places in before.items() if rule in known})
    for run in runs:
        environment = run["environment"]
        place = f"{environment['mode']} {environment['version']} {run['topology']['name']}"
        topology = Topology.model_validate(run["topology"]["declared"])
        passed = {record["cell"]["id"] for record in run["records"] if record["verdict"] == "pass"}
        for rule in confirmed_by(topology, [cell for cell in plan(topology).cells if cell.id in passed]):
            found[rule] = sorted({*found[rule], place})
    return dict(sorted(found.items()))


def by_truth_table() -> Places:
    """Return for each rule the recorded live runs of the truth table whose cells contradict its alternative."""
    found: Places = defaultdict(list)
    recordings = read_all()
    for row in ROWS:
        if row.id not in recordings:
            continue
        topology = overrides.declared(row.topology, overrides.parse(row.overrides))
        shown = {cell for group in recordings[row.id].shown for cell in group.cells}
        for rule in confirmed_by(topology, [cell for cell in plan(topology).cells if cell.id in shown]):
            found[rule].append(row.place)
    return found


def merge(runs: Places, table: Places) -> Places:
    """Return the places of both; those of the truth table are only what the table shows now."""
    ours = {row.place for row in ROWS}
    kept = {rule: [place for place in places if place not in ours] for rule, places in runs.items()}
    both = {rule: sorted({*kept.get(rule, ()), *table.get(rule, ())}) for rule in {*kept, *table}}
    return {rule: places for rule, places in sorted(both.items()) if places}


def main(arguments: list[str]) -> int:
    """Write the file. Return 2 if a run is simulated."""
    runs = [json.loads(Path(path).read_text()) for path in arguments]
    if made_up := [path for path, run in zip(arguments, runs, strict=True) if "--simulate" in run["command"]]:
        sys.stderr.write(f"simulated, so it confirms nothing: {', '.join(made_up)}\n")
        return 2
    before = json.loads(CONFIRMED.read_text()) if CONFIRMED.exists() else {"runs": {}}
    evidence = {**by_recordings(), "runs": merge(by_runs(runs, before["runs"]), by_truth_table())}
    CONFIRMED.write_text(json.dumps(evidence, indent=1, sort_keys=True) + "\n")
    confirmed = evidence["recordings"].keys() | evidence["runs"].keys()
    missing = sorted(rule.id for rule in CATALOGUE if rule.id not in confirmed)
    counts = f"{len(CATALOGUE) - len(missing)} of {len(CATALOGUE)} rules confirmed"
    sys.stdout.write(f"{counts}; not: {' '.join(missing)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m tests.confirmed [run.json ...]`: which rules real kube-proxies have confirmed, and where.

Writes probes/oracle/confirmed.json, which the catalogue shows. A recorded file confirms a rule if its cells agree with
the oracle and, the rule flipped, no longer all do; where one only spoke, its opposite would have looked the same. A
live run's `run.json` confirms the rules that its passing cells were derived by; simulated runs are refused. What
earlier runs confirmed is kept, unless no rule has that id any more.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from probes.oracle import mutations
from probes.oracle.oracle import predict
from probes.oracle.rules import CATALOGUE, CONFIRMED
from tests.unit.oracle.observed_world import FOLDER, Recorded, complaint, recorded, world

Places = dict[str, list[str]]
FILES = tuple(sorted(path.stem for path in FOLDER.glob("*.jsonl")))


def by_recordings() -> dict[str, Places]:
    """Rule id -> the recorded files that notice if it is flipped; and, where none does, those in which it spoke."""
    noticed: Places = defaultdict(list)
    spoken: Places = defaultdict(list)
    for name in FILES:
        heard, confirmed = _heard_and_confirmed(name)
        for rule in heard:
            (noticed if rule in confirmed else spoken)[rule].append(_told(name))
    alone = {rule: places for rule, places in spoken.items() if rule not in noticed}
    return {"recordings": dict(noticed), "spoken": alone}


def _heard_and_confirmed(name: str) -> tuple[set[str], set[str]]:
    there, speaking = world(name), defaultdict[str, list[Recorded]](list)
    for one in recorded(name):
        with mutations.heard() as names:
            agrees = not complaint(one, predict(there, one.cell))
        for rule in names if agrees else ():
            speaking[rule].append(one)
    found = set()
    for mutation in mutations.all():
        with mutations.applied(mutation):
            if any(complaint(one, predict(there, one.cell)) for one in speaking.get(mutation.rule, ())):
                found.add(mutation.rule)
    return set(speaking), found


def _told(name: str) -> str:
    """`1.20.2-ipvs-flannel-cc` as `ipvs 1.20.2 flannel`."""
    version, mode, cni, cidr, *variant = name.split("-", 4)
    told = [f"{mode} {version} {cni}", *(["without cluster CIDR"] if cidr == "nocc" else []), *variant]
    return " ".join(told)


def by_runs(runs: list[dict[str, Any]], before: Places) -> Places:
    """Rule id -> the live runs whose passing cells name it, those known before among them."""
    known = {rule.id for rule in CATALOGUE}
    found: Places = defaultdict(list, {rule: list(places) for rule, places in before.items() if rule in known})
    for run in runs:
        environment = run["environment"]
        place = f"{environment['mode']} {environment['version']} {run['topology']['name']}"
        passed = {rule for record in run["records"] if record["verdict"] == "pass" for rule in record["rules"]}
        for rule in passed & known:
            found[rule] = sorted({*found[rule], place})
    return dict(sorted(found.items()))


def main(arguments: list[str]) -> int:
    """Write the file; 2 for a run that nobody really ran."""
    runs = [json.loads(Path(path).read_text()) for path in arguments]
    if made_up := [path for path, run in zip(arguments, runs, strict=True) if "--simulate" in run["command"]]:
        sys.stderr.write(f"simulated, so it confirms nothing: {', '.join(made_up)}\n")
        return 2
    before = json.loads(CONFIRMED.read_text()) if CONFIRMED.exists() else {"runs": {}}
    told = {**by_recordings(), "runs": by_runs(runs, before["runs"])}
    CONFIRMED.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
    silent = sorted(rule.id for rule in CATALOGUE if rule.id not in told["recordings"] and rule.id not in told["runs"])
    sys.stdout.write(f"{len(CATALOGUE) - len(silent)} of {len(CATALOGUE)} rules confirmed; not: {' '.join(silent)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

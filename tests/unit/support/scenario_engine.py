"""`pytest -p tests.unit.support.scenario_engine`: runs of `suites/scenarios` without a cluster.

`HAIRPIN_TEST_SCENARIOS` is the content of the file that the engine would write. With `HAIRPIN_TEST_KILL` the process is
killed once it is written, while scenarios still run.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from probes.scenarios import engine, results
from probes.session import Answers
from topologies.cluster_state.node_versions import NodeVersions
from topologies.cluster_state.snapshot import Snapshot

SETTLED = Answers(Snapshot({}, {}), {}, {"settle": 1.5}, {"kubernetes": "1.34.4"}, ("an odd cluster",))
SETTLED.nodes["n1"] = NodeVersions(kube_proxy="1.30.14")


def run_scenarios(*given: Any, **more: Any) -> tuple[results.ScenarioResult, ...]:
    """Write the file into the run's folder, as the engine does after each scenario."""
    folder: Path = given[-1]
    more["settled"](SETTLED)
    (folder / results.FILE_NAME).write_bytes(Path(os.environ["HAIRPIN_TEST_SCENARIOS"]).read_bytes())
    if "HAIRPIN_TEST_KILL" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)
    return results.read_results(folder)


engine.run_scenarios = run_scenarios

"""The far side of a door, for test_remote: `session.conduct` replaced by one that needs no cluster, as $WORLD says."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from probes import remote, session
from probes.oracle.oracle import expect
from topologies.cluster import ClusterError


def conduct(topology: Any, cells: Any, run: str, options: Any, **told: Any) -> session.Answers:
    told["say"](f"asking {len(cells)} cells in {run}, {options.connect_timeout} s, {options.ssh.key}")
    print("not for the one who ordered")  # noqa: T201 - what a library might do
    if os.environ["WORLD"] == "fails":
        message = "there is no cluster"
        raise ClusterError(message)
    if os.environ["WORLD"] == "ends":
        sys.exit(3)
    answers = session.simulate(topology, cells, lambda cell, snapshot: expect(topology, snapshot, cell))
    told["before_asking"](session.Answers(answers.snapshot, {}, {"settle": 1.0}, {}, ("a note",)))
    some = dict(list(answers.observations.items())[:2])
    try:
        told["heard"](some)
        told["heard"](some)
        if os.environ["WORLD"] == "slow":
            time.sleep(60)
    finally:
        if os.environ["WORLD"] == "slow":
            Path(os.environ["LEFT"]).write_text("taken away")
    return answers


session.conduct = conduct
remote.session.conduct = conduct
try:
    remote.main()
except KeyboardInterrupt:
    sys.exit(130)

"""`pytest -p tests.unit.support.simulated_run`: a run that stops half-way while asking, for tests that kill it there.

The cluster is simulated. Observations of the first half of the cells arrive; then the file of `--kubeconfig` appears.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from probes import session
from probes.oracle.predict import expect


def conduct(topology: Any, cells: Any, run: str, options: Any, **calls: Any) -> session.Answers:
    answers = session.simulate(topology, cells, lambda cell, snapshot: expect(topology, snapshot, cell))
    calls["before_asking"](session.Answers(answers.snapshot, {}, {"settle": 1.5}, {"kubernetes": "v1.20.2"}, ("odd",)))
    half = [cell.id for cell in cells[: len(cells) // 2]]
    calls["observed"]({cell: answers.observations[cell] for cell in half})
    Path(options.kubeconfig).write_text(f"{run} {len(half)}")
    signal.pause()
    return answers


session.conduct = conduct

"""A lab of two workers that tests may break, and what a program inside it tells of a run with something broken."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.lab.support.settings import PROGRAMS
from tests.unit.support.paths import ROOT
from topologies.lab import lab
from topologies.lab.sandbox import Sandbox
from topologies.loading.load import LIBRARY, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def up(name: str, home: Path, text: str) -> Iterator[Path]:
    """The file of a topology with this text under this name; its lab is up."""
    file = home / f"{name}.yaml"
    file.write_text(text, encoding="utf-8")
    lab.down(name)
    lab.up(load(str(file)), kubernetes_bin=PROGRAMS, progress=lambda _: None)
    try:
        yield file
    finally:
        lab.down(name)


@contextmanager
def small(name: str, home: Path, *, mode: str = "iptables") -> Iterator[Path]:
    """The topology file of a lab that is up: lab-small under another name, kube-proxy in that mode."""
    text = (LIBRARY / "lab-small.yaml").read_text(encoding="utf-8")
    changed = text.replace("name: lab-small", f"name: {name}").replace("mode: iptables", f"mode: {mode}")
    if mode == "ipvs":  # in a guest, where the machine's kernel has none
        changed += "patience: {connect: 5, settle: 180, together: 2}\n"
    with up(name, home, changed) as file:
        yield file


def asked(program: str, topology: Path, what: str) -> dict[str, Any]:
    """Return what `explained.py`, `mutated_ipvs.py` or `troubles.py` prints. A failed test shows its progress."""
    sandbox = Sandbox.find(load(str(topology)).name)
    command = sandbox.enter_command("cp", [sys.executable, "-m", f"tests.lab.support.{program}", str(topology), what])
    done = subprocess.run(command, cwd=ROOT, env=sandbox.environment(), stdout=subprocess.PIPE, check=True, timeout=600)
    return dict(json.loads(done.stdout))


def differences(told: dict[str, Any]) -> str:
    """Return the account of each cell whose verdict is not the predicted one; empty if there is none."""
    more = [told["seen"][cell] for cell in told["seen"] if cell not in told["foreseen"]]
    fewer = [told["foreseen"][cell] for cell in told["foreseen"] if cell not in told["seen"]]
    unclear = list(told["unclear"].values())
    parts = (("red but not foreseen", more), ("foreseen but not red", fewer), ("inconclusive", unclear))
    return "\n".join(f"{len(found)} {what}:\n" + "\n".join(found) for what, found in parts if found)

"""`hairpin qualify` with two real labs, one after the other: its verdict, what it leaves, and what a kill leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reports.records import journal
from topologies.lab import lab

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(not os.environ.get("HAIRPIN_SLOW"), reason="four labs, 3 minutes: HAIRPIN_SLOW=1")

ROOT = Path(__file__).parents[3]
HAIRPIN = [sys.executable, "-m", "hairpin"]
GIVEN = ["qualify", "1.20.2", "1.20.2,proxy.masquerade_all=true", "--topology=lab-small"]
WAIT_S = 180.0
LABS = ("lab-small-from", "lab-small-to")


def test_a_flag_is_qualified_on_two_labs_which_are_removed(tmp_path: Path) -> None:
    done = subprocess.run(
        [*HAIRPIN, *GIVEN, f"--out={tmp_path}", "--format=json"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    story = json.loads(done.stdout)
    assert (done.returncode, story["verdict"]) == (0, "qualified"), done.stderr
    assert {kind for group in story["groups"] for kind in group["kinds"]} == {"lost-source"}
    assert {group["rule"]["id"] for group in story["groups"]} == {"R2.2"}
    assert story["counts"]["meant-and-seen"] > 0
    assert story["counts"]["meant-and-seen"] + story["counts"]["unchanged"] == story["cells"]
    assert [lab.find(name) for name in LABS] == [None, None]


def test_a_killed_qualification_leaves_a_readable_run_and_labs_that_one_command_removes(tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    with (
        errors.open("wb") as stderr,
        subprocess.Popen([*HAIRPIN, *GIVEN, f"--out={tmp_path}"], cwd=ROOT, stderr=stderr, stdout=stderr) as process,
    ):
        wait_for(lambda: bool(list(tmp_path.glob("*/from/last/run.json"))), process)
        process.kill()
    (folder,) = tmp_path.glob("*/from/last")
    try:
        wait_for(lambda: journal.load(folder).complete)  # the run goes on to its end
        assert len(journal.load(folder).records) > 500
        assert lab.find(LABS[0]) is not None
    finally:
        (line,) = [line for line in errors.read_text().splitlines() if "remove its labs: " in line]
        command = line.partition("remove its labs: ")[2].replace("hairpin", " ".join(HAIRPIN))
        subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, check=True)
    assert [lab.find(name) for name in LABS] == [None, None]


def wait_for(is_met: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_met():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None
        time.sleep(0.1)

"""What users mistype, and outputs that go away: one line, a conventional exit code, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hairpin import main as cli
from hairpin.main import main
from hairpin.verb import near_matches
from tests.unit.support.paths import ROOT
from topologies.common.closed_output import CLOSED_PIPE

pytestmark = pytest.mark.slow

HAIRPIN = [sys.executable, "-m", "hairpin"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["diff", "out/no-such-run", "lab-small"], ["out/no-such-run: no such file or folder", "or a run"]),
        (["diff", "lab-smal", "lab-small"], ["did you mean lab-small"]),
        (["diff", "x" * 300, "lab-small"], ["File name too long"]),
        (["diff", "README.md", "lab-small"], ["README.md"]),
        (["diff", "lab-small", "/dev/zero.json"], ["/dev/zero.json is not a readable run: got no file"]),
        (["predict", "run.json"], ["run.json: got a run, want a topology", "diff reads runs"]),
        (["documented", "OUT", "--run", "lab-small"], ["lab-small is not a readable run: got no file"]),
        (["diff", "lab-small", "lab-flannel", "--fail-on", "lost-reachabilty"], ["did you mean lost-reachability?"]),
        (
            ["diff", "lab-small", "lab-flannel", "--fail-on", "lostSource,fewerBackends"],
            ["did you mean fewer-backends or lost-source?"],
        ),
        (["predict", "lab-flannel", "--why", "podN3ToWebLb.nodeport.n1"], ["pod-n3-to-web-lb.nodeport.n1-v4-tcp"]),
        (["predict", "lab-flannel", "--why", "pod-n3-to-web-lb.nodepot.n1"], ["--why: got", "web-lb.nodeport.n1"]),
        (["predict", "lab-flannel", "--why", "clusterip"], ["pod-n1-to-web.clusterip-v4-tcp"]),
        (["predict", "lab-flannel", "--why", "?" * 5000], ["Its 618 cells are in"]),
        (["predict", "lab-small", "-o", "/"], ["/ cannot be written: Is a directory"]),
        (["documented", "/dev/null/pages"], ["/dev/null/pages"]),
        (["predict", "lab-small", "--with", "patience.connect=.nan"], ["patience.connect"]),
    ],
)
def test_a_mistake_is_one_error_with_what_comes_near(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: list[str]
) -> None:
    monkeypatch.chdir(ROOT)

    assert main(arguments) == 2

    told = capsys.readouterr()
    assert told.out == ""
    assert all(word in told.err for word in words), told.err
    assert "Traceback" not in told.err
    assert len(told.err) < 2000


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("newlyFailing", ["newly-failing"]),
        ("NEWLY_FAILING", ["newly-failing"]),
        ("fixd", ["fixed"]),
        ("failing", ["newly-failing", "still-failing"]),
        ("", []),
        ("zzzz", []),
    ],
)
def test_near_matches_know_camel_case_and_parts(word: str, near: list[str]) -> None:
    assert sorted(near_matches(word, ["newly-failing", "still-failing", "fixed", "changed-source"])) == near


def ended(arguments: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [*HAIRPIN, *arguments],
        cwd=ROOT,
        capture_output="stdout" not in more,
        text=True,
        timeout=120,
        check=False,
        **more,
    )
    return done


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "lab-flannel"],
        ["predict", "lab-flannel", "--format=json"],
        ["diff", "lab-flannel", "lab-no-cluster-cidr", "--fail-on", "lost-reachability"],
    ],
)
def test_a_closed_pipe_ends_without_a_traceback_and_is_no_success(arguments: list[str]) -> None:
    """The reader is gone before the first byte: a gate that could not finish has not passed."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = ended(arguments, stdout=writing, stderr=subprocess.PIPE)
    finally:
        os.close(writing)

    assert done.returncode == CLOSED_PIPE == 128 + signal.SIGPIPE
    assert done.stderr == ""


def test_help_for_a_closed_pipe_ends_without_a_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = ended(["--help"], stdout=writing, stderr=subprocess.PIPE)
    finally:
        os.close(writing)

    assert done.stderr == ""  # argparse itself passes over what it cannot print


def test_a_full_disk_behind_the_output_is_one_line() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = ended(["predict", "lab-flannel"], stdout=full, stderr=subprocess.PIPE)

    assert done.returncode == 2
    assert done.stderr == "hairpin: standard output cannot be written: No space left on device\n"


def test_a_terminal_without_the_signs_gets_others() -> None:
    done = ended(["diff", "lab-small", "lab-flannel"], env={**os.environ, "PYTHONIOENCODING": "ascii"})

    assert (done.returncode, done.stderr) == (0, "")
    assert "  ?  " in done.stdout


def test_ctrl_c_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("hairpin.predict.run", interrupted)

    assert main(["predict", "lab-small"]) == cli.INTERRUPTED == 128 + signal.SIGINT

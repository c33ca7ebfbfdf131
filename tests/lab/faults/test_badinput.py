"""What may be missing on a real day: each is told, with what to do; none is ever taken for "unreachable"."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.support.broken import asked, small
from tests.unit.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")
NOBODY = 65534


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of two workers, one with the echo pods and one without; its lab is up."""
    with small("test-trouble", tmp_path_factory.mktemp("trouble")) as file:
        yield file


def untold(told: dict[str, Any]) -> set[str]:
    """The vantages whose cells are inconclusive."""
    return {cell.partition("-to-")[0] for cell in told["unclear"]}


@pytest.mark.parametrize(
    ("trouble", "vantages", "says"),
    [
        ("closed-port", {"ext-e1"}, "port 22 cannot be connected to"),
        ("wrong-host-key", {"ext-e1"}, "host key wrong: got ssh-ed25519"),
        ("no-curl", {"pod-n2", "host-n2"}, "curl"),
    ],
)
def test_who_cannot_be_asked_is_inconclusive_and_the_rest_stands(
    trouble: str, vantages: set[str], says: str, topology: Path
) -> None:
    told = asked("troubles", topology, trouble)

    assert not told["seen"], "\n".join(told["seen"].values())
    assert untold(told) == vantages
    assert all(says in account for account in told["unclear"].values()), next(iter(told["unclear"].values()))


def test_a_worker_that_dies_takes_only_its_own_cells(topology: Path) -> None:
    """The last of this lab, which has no n2 any more."""
    told = asked("troubles", topology, "dead-worker")

    assert not told["seen"], "\n".join(told["seen"].values())
    assert untold(told) == {"pod-n2", "host-n2", "ssh-n2"}


def test_an_api_server_that_dies_takes_the_cells_of_the_pods(tmp_path: Path) -> None:
    """What is asked by SSH needs no API server."""
    with small("test-no-api", tmp_path) as topology:
        told = asked("troubles", topology, "dead-api")

    assert not told["seen"], "\n".join(told["seen"].values())
    assert untold(told) == {"pod-n1", "host-n1", "pod-n2", "host-n2", "self-web-a"}
    assert any("is left behind" in note and "does not answer" in note for note in told["notes"])


def simulated(*more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "--topology=lab-small", "--simulate", "-q", "-k", "ext-e1", *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("kilobytes", [4, 64, 512])
def test_a_full_disk_is_told_and_loses_no_verdict(kilobytes: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", out], check=True)
    try:
        done = simulated(f"--out={out}")
    finally:
        subprocess.run(["umount", out], check=True)

    told = done.stdout + done.stderr
    assert "No space left on device" in told, told
    assert "Traceback" not in told, told
    assert done.returncode == 1, told
    assert " pass" in told


AS_NOBODY = """
import os, sys
from topologies.lab.__main__ import main
os.setegid(65534), os.seteuid(65534)
main(sys.argv[1:])
"""


@pytest.mark.parametrize("cache", ["own", "of-root"])
def test_without_root_the_lab_says_so_and_what_to_do(cache: str, tmp_path: Path) -> None:
    home = tmp_path / cache
    home.mkdir(mode=0o700)
    if cache == "own":
        os.chown(home, NOBODY, NOBODY)
        for parent in tmp_path.parents[:-1]:
            parent.chmod(parent.stat().st_mode | 0o711)
        tmp_path.chmod(0o711)
    env = {**os.environ, "HAIRPIN_CACHE": str(home)}
    command = [sys.executable, "-c", AS_NOBODY, "up", "--topology", "lab-small"]

    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "root" in done.stderr
    assert "try again with sudo" in done.stderr
    assert "Traceback" not in done.stderr

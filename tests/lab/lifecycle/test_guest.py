"""A real guest: holds the workers, is asked the matrix, ends with whoever wanted it. Needs root; builds a kernel."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.lab.support.machine import Sniffer, changes, traces
from tests.lab.support.settings import GIVEN, SLOW
from tests.unit.support.paths import ROOT
from topologies.common.subprocesses import ProcessError, run
from topologies.common.waiting import Deadline, unmet, until
from topologies.lab import lab
from topologies.lab.guest import guest
from topologies.lab.guest.guest import GuestError
from topologies.lab.sandbox import Sandbox, locate
from topologies.loading.load import LIBRARY, load

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "test-guest"
BINARIES = [f"--kubernetes-bin={GIVEN}"] if GIVEN else []
FEW = "web-np-local"  # the Service asked about, where one will do
LAB_LINKS = {"lo", "nodes", "second", "outside", "cp", "lb", "rt", "e1"}
CNI_LINKS = {"cni0", "flannel.1"}
PROXY_LINKS = {"kube-ipvs0", "dummy0"}


def unable() -> str:
    """Why there is no guest here; empty if there is."""
    try:
        guest.check()
    except GuestError as error:
        return str(error)
    return "" if os.geteuid() == 0 else "a lab needs root"


pytestmark = [pytest.mark.prebuilt, pytest.mark.skipif(bool(unable()), reason=f"no guest here: {unable()}")]
LATE = pytest.mark.skipif(SLOW not in os.environ, reason=f"half a minute each: {SLOW}=1 runs it")


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """lab-small in IPVS mode, in a guest whatever this machine's kernel has."""
    raw = yaml.safe_load((LIBRARY / "lab-small.yaml").read_text())
    patience = yaml.safe_load((LIBRARY / "lab-ipvs-flannel.yaml").read_text())["patience"]
    small = {**raw, "name": NAME, "proxy": {**raw["proxy"], "mode": "ipvs"}, "lab": {"kernel": "guest"}}
    small["patience"] = patience
    path = tmp_path_factory.mktemp("declared") / "small.yaml"
    path.write_text(yaml.safe_dump(small))
    return path


@pytest.fixture(scope="module", autouse=True)
def before() -> Iterator[dict[str, set[str]]]:
    """The machine before the first guest; after the last it is the same, and no packet of theirs was on its links."""
    lab.down(NAME)
    found, sniffer = left(), Sniffer()
    yield found
    lab.down(NAME)
    assert not sniffer.close()
    assert not changes(found, left())


def left() -> dict[str, set[str]]:
    """What a lab with a guest could leave behind."""
    return {**traces(NAME), "state": {str(path) for path in locate(NAME).root.parent.glob(f"{NAME}*")}}


def command(module: str, *argv: str) -> list[str]:
    return [sys.executable, "-m", module, *argv]


def matrix(declared: Path, out: Path, *more: str) -> list[str]:
    return command("pytest", "-q", f"--topology={declared}", f"--out={out}", *BINARIES, *more)


def test_pytest_as_usual_finds_its_answers_where_it_usually_does(
    declared: Path, tmp_path: Path, before: dict[str, set[str]]
) -> None:
    done = subprocess.run(matrix(declared, tmp_path / "out"), cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    told = json.loads((tmp_path / "out/last/run.json").read_text())
    verdicts = [record["verdict"] for record in told["records"]]
    assert len(verdicts) > 100
    assert set(verdicts) == {"pass"}
    assert not changes(before, left())


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGKILL, "network of"),
        (signal.SIGINT, "network of"),
        pytest.param(signal.SIGKILL, "settling: pods", marks=LATE),
        pytest.param(signal.SIGINT, "settling: pods", marks=LATE),
    ],
)
def test_a_run_that_is_ended_leaves_no_guest(
    number: signal.Signals, moment: str, declared: Path, tmp_path: Path, before: dict[str, set[str]]
) -> None:
    child = subprocess.Popen(
        matrix(declared, tmp_path / "out", "-k", FEW),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert child.stdout
    assert any(moment in line for line in child.stdout)
    child.send_signal(number)
    child.stdout.read()

    assert child.wait(60) != 0
    until(unmet(lambda: not changes(before, left())), Deadline(15), "the end of the guest")


@pytest.fixture
def living(declared: Path) -> Path:
    """A guest that stays, brought up by the first test that wants it."""
    subprocess.run(command("topologies.lab", "up", "-t", str(declared), *BINARIES), cwd=ROOT, check=True)
    return declared


def inside(host: str, *argv: str) -> str:
    return run(Sandbox.find(NAME).enter_command(host, argv), timeout=60)


def test_kube_proxy_is_in_ipvs_mode(living: Path) -> None:
    assert living.exists()
    assert "TCP  10.96.0.1:443 rr" in inside("n1", "ipvsadm", "-Ln")
    assert "inet 10.96.0.1/32" in inside("n2", "ip", "address", "show", "kube-ipvs0")


def test_a_command_on_a_worker_has_our_directory_input_and_environment_and_we_its_status(
    living: Path, tmp_path: Path
) -> None:
    script = "pwd; cat; echo $TOLD; ls /run/containerd/containerd.sock; exit 7"
    argv = command("topologies.lab", "exec", "-t", str(living), "n1", "--", "sh", "-c", script)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TOLD": "a b"}

    done = subprocess.run(argv, cwd=tmp_path, env=env, input="given\n", capture_output=True, text=True, check=False)

    told = [str(tmp_path), "given", "a b", "/run/containerd/containerd.sock"]
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (7, told, "")


def test_the_workers_have_a_kernel_of_their_own_and_the_rest_has_not(living: Path) -> None:
    assert living.exists()
    assert inside("n1", "uname", "-r").strip().endswith("-lab")
    assert inside("cp", "uname", "-r").strip() == os.uname().release


def test_nothing_leads_out_of_a_guest(living: Path) -> None:
    """It is in the sandbox's network, whose links are the lab's own. A worker has no others. Its way out ends inside"""
    sandbox = Sandbox.find(load(str(living)).name)
    (kernel,) = [path for path in Path("/proc").glob("[0-9]*/cmdline") if f"uml_dir={sandbox.state.root}" in told(path)]
    links = run(["nsenter", "--target", str(sandbox.first_pid), "--net", "ip", "-o", "link"]).splitlines()
    own = inside("n1", "ip", "-o", "link").splitlines()

    assert (kernel.parent / "ns/net").readlink() == Path(f"/proc/{sandbox.first_pid}/ns/net").readlink()
    assert {named(line).partition("-")[0] for line in links} <= {*LAB_LINKS, "guest"}
    assert {named(line) for line in own if "veth" not in line} <= {"lo", "tunl0", "eth0", *CNI_LINKS, *PROXY_LINKS}
    with pytest.raises(ProcessError, match="status 7"):
        inside("n1", "curl", "-sS", "--max-time", "5", "http://203.0.113.1")


def named(line: str) -> str:
    return line.split(": ")[1].split("@", maxsplit=1)[0]


def told(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def test_up_again_finds_it_running_and_down_ends_it(living: Path, before: dict[str, set[str]]) -> None:
    first = Sandbox.find(NAME).first_pid
    subprocess.run(command("topologies.lab", "up", "-t", str(living), *BINARIES), cwd=ROOT, check=True)

    assert Sandbox.find(NAME).first_pid == first
    assert lab.down(NAME)
    assert not lab.down(NAME)
    assert not changes(before, left())


def test_a_killed_sandbox_takes_its_guest_along(living: Path, before: dict[str, set[str]]) -> None:
    assert living.exists()
    process = locate(NAME).process
    assert process
    process.kill()
    until(unmet(lambda: not process.alive), Deadline(5), "the end of the lab")
    lab.down(NAME)

    assert not changes(before, left())

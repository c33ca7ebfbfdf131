from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from topologies.common.waiting import WaitTimeoutError
from topologies.lab import __main__ as command
from topologies.lab import sandbox
from topologies.lab.control_plane.api import ApiError
from topologies.lab.network import ssh
from topologies.lab.sandbox import Sandbox, SandboxError
from topologies.lab.state import State, write
from topologies.loading.load import load

if TYPE_CHECKING:
    from topologies.common.errors import HairpinError


@pytest.mark.parametrize(
    ("rest", "host", "argv"),
    [
        (["--", "ls", "-l"], "cp", ["ls", "-l"]),
        (["n1", "--", "ls"], "n1", ["ls"]),
        (["ls", "-l"], "cp", ["ls", "-l"]),
        (["n1", "--", "sh", "--", "x"], "n1", ["sh", "--", "x"]),
    ],
)
def test_exec_takes_a_host_and_a_command(rest: list[str], host: str, argv: list[str]) -> None:
    assert command.split(rest) == (host, argv)


@pytest.mark.parametrize("rest", [[], ["--"], ["a", "b", "--", "ls"]])
def test_exec_without_a_command_is_an_error(rest: list[str]) -> None:
    with pytest.raises(SandboxError, match="COMMAND"):
        command.split(rest)


@pytest.mark.parametrize("error", [WaitTimeoutError("start of lab x: not after 400 s"), ApiError("GET /readyz: 500")])
def test_every_own_error_ends_a_command_with_its_message(error: HairpinError, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setitem(command.COMMANDS, "up", fail)

    with pytest.raises(SystemExit) as ended:
        command.main(["up"])
    assert ended.value.code == str(error)


@pytest.mark.parametrize("given", [["kubectl"], ["kubectl", "-t", "x"], ["kubectl", "--topology=x"]])
def test_what_follows_kubectl_is_its_own(given: list[str]) -> None:
    options = command.parser().parse_args(command.arguments([*given, "-n", "default", "get", "pods"]))

    assert options.rest == ["--", "-n", "default", "get", "pods"]
    assert options.topology == ("x" if len(given) > 1 else command.DEFAULT)


def test_a_lab_that_is_not_up_has_no_sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HAIRPIN_CACHE", str(tmp_path))

    with pytest.raises(SandboxError, match="not up"):
        Sandbox.find("nobody")


def test_a_proxy_of_the_users_stays_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid")

    told = Sandbox("x", State(Path("/state"))).environment()

    assert "HTTPS_PROXY" not in told
    assert told["KUBECONFIG"] == "/state/kube/admin.conf"


def test_a_program_inside_knows_its_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sandbox.INSIDE, raising=False)
    assert not sandbox.is_inside()

    monkeypatch.setenv(sandbox.INSIDE, "x")
    assert sandbox.is_inside()
    assert sandbox.is_inside("x")
    assert not sandbox.is_inside("y")


def test_a_topology_file_is_known_by_the_name_in_it(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text('name: elsewhere\nkubernetes: "1.20.2"\nnodes: 1\ncni: {kind: routed}\n')

    assert command.name_of(str(mine)) == "elsewhere"


def test_a_worker_in_a_guest_is_reached_by_ssh_from_the_control_plane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(tmp_path)
    state.topology.write_text(load("lab-ipvs-flannel").model_dump_json())
    write(state.guest, {})
    monkeypatch.setattr(Sandbox, "first_pid", 7)
    monkeypatch.setattr(Sandbox, "hosts", lambda _: ["cp", "n1"])
    monkeypatch.chdir("/usr")

    command = Sandbox("x", state).enter_command("n1", ["ip", "route", "show", "a b"])

    assert command[:2] == ["nsenter", "--net=/proc/7/root/run/netns/cp"]
    assert command[command.index("--") + 1] == "ssh"
    assert "RequestTTY=no" in command
    assert command[-4:] == ["-p", "22", "root@198.18.1.11", "cd /usr && exec ip route show 'a b'"]


@pytest.mark.skipif(not shutil.which("ssh"), reason="there is no ssh on this machine")
def test_ssh_to_a_worker_reads_no_file_of_the_users_and_asks_no_agent(tmp_path: Path) -> None:
    command = ssh.client(load("lab-ipvs-flannel"), State(tmp_path), "n1", ["true"], terminal=False)
    shown = subprocess.run([command[0], "-G", *command[1:]], capture_output=True, text=True, check=True).stdout

    read = ("identityfile", "identityagent", "userknownhostsfile", "globalknownhostsfile")
    assert {line for line in shown.splitlines() if line.startswith(read)} == {
        f"identityfile {tmp_path}/ssh/id_ed25519",
        "identityagent none",
        f"userknownhostsfile {tmp_path}/ssh/known_hosts",
        "globalknownhostsfile /dev/null",
    }

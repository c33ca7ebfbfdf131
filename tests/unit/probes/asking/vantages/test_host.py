"""A batch on hosts whose environment, shell or tools are odd: the outcomes stay right, or the true reason is named."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from probes.asking import curl
from probes.asking.batch import ClientHost, ProbeRequest, Question, chunks, run_batch
from probes.asking.classify import attempt
from probes.asking.vantages.base import Completed, TransportError, UnusableError, at_once
from probes.observation import Outcome
from probes.plan.cell import Cell
from tests.unit.support.servers import LocalVantage, closed, echo
from topologies.frontends import Frontend, FrontendKind
from topologies.schema.enums import VantageKind
from topologies.schema.topology import Vantage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from probes.asking.vantages import base

needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl on this machine")
CELL = Cell(Vantage(name="here", kind=VantageKind.POD), Frontend("web", FrontendKind.CLUSTER_IP))
RIGHT = [{Outcome.OK}, {Outcome.REFUSED}]
SHELL = shutil.which("sh") or "sh"


def ask(vantage: base.Prober) -> list[set[Outcome]]:
    with echo() as good, closed() as nobody:
        wants = [ProbeRequest(Question(CELL, target), 3) for target in (good, nobody)]
        found = run_batch(ClientHost(vantage, curl.Ports()), wants, 1.0)
    return [{attempt(one).outcome for one in transfers} for transfers in found]


GERMAN = {"LC_ALL": "C.UTF-8", "LANGUAGE": "de"}  # glibc translates in C.UTF-8, unlike in C


def speaks_german() -> bool:
    """Whether this machine's C library has German messages at all."""
    command = ["curl", "-q", "-s", "-v", "http://127.0.0.1:1/"]
    said = subprocess.run(command, env={**os.environ, **GERMAN}, capture_output=True, check=False).stderr
    return b"abgelehnt" in said


@needs_curl
def test_a_german_host_refuses_in_english() -> None:
    if not speaks_german():
        pytest.skip("there are no German messages on this machine (libc.mo)")

    assert ask(LocalVantage(env={**os.environ, **GERMAN})) == RIGHT


@needs_curl
@pytest.mark.parametrize(
    "env",
    [
        {"http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "socks5://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"},
        {"all_proxy": "socks5h://127.0.0.1:1", "no_proxy": "example.com"},
        {"GREP_OPTIONS": "--color=always -v", "GREP_COLORS": "mt=01;31", "GREP_COLOR": "1;31"},
        {"TMPDIR": "/nonexistent", "HOME": "/nonexistent"},
        {"BASH_FUNC_curl%%": "() { echo no; }", "BASH_FUNC_grep%%": "() { echo no; }"},
    ],
)
@pytest.mark.parametrize("shell", [name for name in ("dash", "bash") if shutil.which(name)])
def test_the_environment_of_a_host_changes_nothing(env: dict[str, str], shell: str) -> None:
    assert ask(LocalVantage(shell, {**os.environ, **env})) == RIGHT


@needs_curl
def test_files_of_a_host_change_nothing(tmp_path: Path) -> None:
    (tmp_path / ".curlrc").write_text('proxy = "http://127.0.0.1:1"\nverbose\ntrace-ascii = "-"\n')
    (tmp_path / "rc").write_text("echo noise; alias curl=false; set -e\n")
    env = {
        "CURL_HOME": str(tmp_path),
        "HOME": str(tmp_path),
        "ENV": str(tmp_path / "rc"),
        "BASH_ENV": env_file(tmp_path),
    }

    for shell in filter(shutil.which, ("dash", "bash")):
        assert ask(LocalVantage(shell, {**os.environ, **env})) == RIGHT


def env_file(folder: Path) -> str:
    """bash reads it before the script: output before the batch, as of a login banner."""
    (folder / "bashrc").write_text("printf 'Welcome to \\0 this host'; shopt -s expand_aliases; alias curl=false\n")
    return str(folder / "bashrc")


def tools(folder: Path, *names: str) -> dict[str, str]:
    """An environment whose PATH has these tools alone."""
    for name in names:
        (folder / name).symlink_to(shutil.which(name) or name)
    return {"PATH": str(folder)}


@pytest.mark.parametrize("missing", ["curl", "head", "grep", "tr"])
def test_a_missing_tool_is_named(tmp_path: Path, missing: str) -> None:
    env = tools(tmp_path, *({"curl", "head", "grep", "tr"} - {missing}))

    with pytest.raises(UnusableError, match=f"^{missing} is missing: use an image or a host with"):
        ask(LocalVantage(SHELL, env))


def program(path: Path, text: str) -> None:
    path.write_text(f"#!{SHELL}\n{text}\n")
    path.chmod(0o755)


def test_an_old_curl_is_named_with_its_version(tmp_path: Path) -> None:
    env = tools(tmp_path, "head", "grep", "tr", "cat")
    # as curl 7.61.1 ends and what it prints
    unknown = 'cat >/dev/null; echo "curl: option --parallel-immediate: is unknown" >&2; exit 2'
    program(tmp_path / "curl", f'[ "$2" = -V ] && echo "curl 7.61.1 (x86_64) libcurl/7.61.1" && exit; {unknown}')

    with pytest.raises(UnusableError, match=r"curl is too old: got curl 7\.61\.1, want curl >= 7\.75 \(.*is unknown"):
        ask(LocalVantage(SHELL, env))


def test_a_curl_that_cannot_run_is_quoted(tmp_path: Path) -> None:
    env = tools(tmp_path, "head", "grep", "tr")
    program(tmp_path / "curl", 'echo "curl: error while loading shared libraries: libcurl.so.4" >&2; exit 127')

    with pytest.raises(UnusableError, match="curl cannot run: it ended 127: curl: error while loading"):
        ask(LocalVantage(SHELL, env))


class Login:
    """A host whose login shell does not run what it is given."""

    name = "here"

    def __init__(self, done: Completed) -> None:
        self.runs = 0
        self._done = done

    def run(
        self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
    ) -> Completed:
        del command, stdin, timeout
        gate()
        self.runs += 1
        return self._done


@pytest.mark.parametrize(
    ("done", "why"),
    [
        (Completed(b"This account is currently not available.\n", b"", 1), "ended 1: This account is currently"),
        (Completed(b"", b"rbash: sh: command not found\n", 127), "ended 127: rbash: sh: command not found"),
        (Completed(b"", b"\x1b[2J\x1b[31mno\r\nlogin\x07", 1), "ended 1: \ufffd\\[2J\ufffd\\[31mno login\ufffd. Allow"),
        (Completed(b"", b"\xff\0" * 200, 126), "the shell did not run the batch: it ended 126"),
    ],
)
def test_a_shell_that_does_not_run_the_batch_is_quoted_and_not_asked_again(done: Completed, why: str) -> None:
    login = Login(done)

    with pytest.raises(UnusableError, match=why):
        ask(login)
    assert login.runs == 1


def test_a_login_that_prints_something_else_is_quoted() -> None:
    with pytest.raises(TransportError, match="no end mark after 8 bytes; it begins b'Welcome"):
        ask(Login(Completed(b"Welcome\n")))


def test_a_large_sample_is_asked_in_several_batches() -> None:
    with closed() as nobody:
        parts = list(chunks([ProbeRequest(Question(CELL, nobody), 30_000)]))

    assert sum(want.times for part in parts for want in part) == 30_000
    assert max(sum(want.times for want in part) for part in parts) == 900


@needs_curl
def test_client_ports_that_others_hold_cost_no_attempt() -> None:
    ports = curl.Ports()
    first = ports.take(1) + 1
    with echo() as good, ExitStack() as held:
        for port in range(first, first + 3 + curl.SPARE):
            one = held.enter_context(socket.socket())
            with suppress(OSError):  # somebody else holds it
                one.bind(("127.0.0.1", port))
                one.listen()
        [found] = run_batch(ClientHost(LocalVantage(), ports), [ProbeRequest(Question(CELL, good), 3)], 1.0)

    assert [attempt(one).outcome for one in found] == [Outcome.OK] * 3

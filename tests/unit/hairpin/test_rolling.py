"""The command line of `hairpin rolling`: everything that is refused before a lab is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hairpin.main import main
from hairpin.rolling import find_program, make_topologies, read_side
from hairpin.verb import CommandError
from topologies.lab import lab
from topologies.schema.enums import ProxyMode
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No lab is made here, and nothing is found in the cache."""

    def refuse(*_: object, **__: object) -> None:
        message = "a lab was made"
        raise AssertionError(message)

    monkeypatch.setattr(lab, "up", refuse)
    monkeypatch.setenv("HAIRPIN_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("text", "overrides"),
    [
        ("1.34.4/nftables", {"kubernetes": "1.34.4", "proxy.mode": "nftables"}),
        ("nftables", {"proxy.mode": "nftables"}),
        ("v1.20.2", {"kubernetes": "1.20.2"}),
        ("iptables/proxy.masquerade_all=true", {"proxy.mode": "iptables", "proxy.masquerade_all": True}),
    ],
)
def test_a_side_is_a_version_a_mode_and_overrides(text: str, overrides: dict[str, object]) -> None:
    assert read_side(text, "kubernetes") == overrides


@pytest.mark.parametrize("text", ["", "nftable", "1.34.4/", "/nftables", "1", "lab-small"])
def test_a_part_that_is_none_of_them_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match=r"want a version, a mode \(iptables, ipvs, nftables\) or PATH=VALUE"):
        read_side(text, "kubernetes")


def test_only_kube_proxy_gets_the_version_of_to() -> None:
    before, after = make_topologies("lab-small", "1.34.4/iptables", "1.37.2/nftables", {}, {})

    assert (before.kubernetes, after.kubernetes) == (Version(1, 34, 4), Version(1, 34, 4))
    assert (before.proxy_version, after.proxy_version) == (Version(1, 34, 4), Version(1, 37, 2))
    assert (before.proxy.mode, after.proxy.mode) == (ProxyMode.IPTABLES, ProxyMode.NFTABLES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["iptables", "iptables", "-t", "ack-flannel"], "got a cluster that is no lab"),
        (
            ["proxy={kind: other}", "proxy={kind: other}", "--with=lab={data_plane: [./serve]}"],
            "proxy.kind: got other, want kube-proxy, which is exchanged",
        ),
        (["iptables", "cni.kind=eni"], "got cni that differ, want sides that differ in proxy"),
        (["1.34.4/iptables", "nftables"], "hairpin lab get 1.34.4 kube-proxy"),
        (["1.20.2/iptables", "1.20.2/nftables"], "nftables"),
        (["iptables", "iptables", "-t", "no-such-lab"], "no-such-lab"),
        (["iptables", "iptables", "--kube-proxy-bin", "/no/such"], "/no/such: got no such file, want the program"),
        (["iptables", "iptables", "--kube-proxy-bin", "/bin/false"], "/bin/false"),
    ],
)
def test_what_cannot_be_done_is_refused_before_a_lab_is_made(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["rolling", *arguments]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("hairpin rolling: ")
    assert message in printed


@pytest.mark.parametrize("given", ["0", "nan", "soon", "1e9"])
def test_a_pace_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], given: str) -> None:
    with pytest.raises(SystemExit):
        main(["rolling", "iptables", "iptables", "--every", given])

    assert "want seconds between 0.05 and 60" in capsys.readouterr().err


def test_a_program_of_another_version_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "kube-proxy"
    program.write_text("#!/bin/sh\necho Kubernetes v1.30.5\n")
    program.chmod(0o755)
    before, after = make_topologies("lab-small", "1.34.4/iptables", "nftables", {}, {})

    with pytest.raises(CommandError, match=r"got 1\.30\.5, want 1\.34\.4 as TO declares"):
        find_program(before, after, given=program, directory=None)

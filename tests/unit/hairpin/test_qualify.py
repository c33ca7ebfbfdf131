"""`hairpin qualify`: its sides, its errors, its exit codes, and the runs that it starts."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hairpin.main import main
from hairpin.qualification import lab_runs
from hairpin.qualification.lab_runs import LabRun, LabRunError, defer_interrupts, fit_side_by_side
from hairpin.qualification.sides import resolve_sides
from hairpin.verb import CommandError
from reports.records import journal
from reports.records.run import DeclaredTopology, Run
from topologies.cluster_state.snapshot import declared as snapshot_of
from topologies.lab import lab
from topologies.lab.build import binaries
from topologies.loading.load import load, raw
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[3]
VERSIONS = ("1.30.14/iptables", "1.30.14/nftables", "--topology=lab-small")
WIDE = "160"
CELL = "host-n1-to-web-np.nodeport.loopback"  # R7.3 closes it in nftables mode


def sides(before: str, after: str | None = None, *, base: str = "", to: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """Both sides as topology, version of kube-proxy, and mode."""
    found = resolve_sides(before, after, topology=base, changes=([], list(to)))
    return [(one.topology.name, str(one.topology.proxy_version), one.topology.proxy.mode.value) for one in found]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (
            ("1.33.6/iptables", "1.34.4/nftables"),
            [("lab-flannel", "1.33.6", "iptables"), ("lab-flannel", "1.34.4", "nftables")],
        ),
        (("nftables/1.34.4", "v1.33"), [("lab-flannel", "1.34.4", "nftables"), ("lab-flannel", "1.33.0", "iptables")]),
        (("iptables", "ipvs"), [("lab-flannel", "1.20.2", "iptables"), ("lab-flannel", "1.20.2", "ipvs")]),
        (("lab-routed", "ipvs"), [("lab-routed", "1.20.2", "iptables"), ("lab-routed", "1.20.2", "ipvs")]),
        (("1.24", "lab-eni"), [("lab-eni", "1.24.0", "iptables"), ("lab-eni", "1.20.2", "iptables")]),
        (
            ("lab-eni", "lab-routed,kubernetes=1.30.1,mode=nftables"),
            [("lab-eni", "1.20.2", "iptables"), ("lab-routed", "1.30.1", "nftables")],
        ),
        (("mode=ipvs", "kubernetes=1.24"), [("lab-flannel", "1.20.2", "ipvs"), ("lab-flannel", "1.24", "iptables")]),
    ],
)
def test_a_side_is_a_version_a_mode_a_topology_or_flags(given: tuple[str, str], wanted: list[tuple[str, ...]]) -> None:
    assert sides(*given) == [(name, str(Version.parse(version)), mode) for name, version, mode in wanted]


def test_without_to_the_overrides_change_from_as_it_is_written() -> None:
    assert sides("1.30.14/ipvs", to=["proxy.mode=nftables"], base="lab-small") == [
        ("lab-small", "1.30.14", "ipvs"),
        ("lab-small", "1.30.14", "nftables"),
    ]


def test_a_version_replaces_kube_proxys_own_version_in_a_file(tmp_path: Path) -> None:
    contents, _ = raw("lab-small")
    file = tmp_path / "mine.yaml"
    file.write_text(json.dumps({**contents, "name": "mine", "kubernetes": "1.29.1", "proxy": {"version": "1.28.2"}}))

    assert sides(str(file), "1.30.14") == [("mine", "1.28.2", "iptables"), ("mine", "1.30.14", "iptables")]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (["1.37.2/nftable", "ipvs"], "got '1.37.2/nftable', want VERSION/MODE"),
        (["1.37.2/nftable", "ipvs"], "Did you mean 1.37.2/nftables?"),
        (["lab-flanel", "ipvs"], "Did you mean lab-flannel"),
        (["1.30/1.31", "ipvs"], "got '1.30/1.31', want VERSION/MODE"),
        (["foo", "ipvs"], "See hairpin qualify --help"),
        (["", "ipvs"], "side: got '', want VERSION/MODE"),
        (["x" * 5000, "ipvs"], "want VERSION/MODE"),
        (["a\0b", "ipvs"], "want VERSION/MODE"),
        (["ipvs"], "TO: got none, want a side to compare with"),
        (["iptables,nftables", "ipvs"], "got 'nftables' after a comma, want PATH=VALUE"),
        (["lab-flannel", "lab-eni", "--topology=lab-routed"], "--topology: got lab-routed, want none"),
        (
            ["iptables", "1.30/nftables", "--predict-only", "--only=nothing"],
            "--only: got 'nothing', want words of a cell",
        ),
        (["iptables", "ipvs", "--fail-on=lost"], "did you mean lost-reachability or lost-source?"),
        (["iptables", "ipvs", "--fail-on=newly-failing"], "--fail-on: got newly-failing, want some of"),
        (["1.9/iptables", "ipvs"], "kubernetes: got 1.9.0, want 1.20"),
        (["iptables", "nftables"], "proxy.mode: got nftables with 1.20.2, want 1.29 or newer"),
        (["iptables", "--with=modus=ipvs"], "modus: got the unknown key 'modus'"),
        (["nope/run.json", "ipvs"], "nope/run.json is not a readable run"),
    ],
)
def test_bad_input_is_one_error(given: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["qualify", *given]) == 2

    printed = capsys.readouterr()
    assert error in printed.err
    assert (printed.err.count("hairpin qualify: "), printed.out) == (1, "")


def test_a_folder_without_a_run_and_overrides_of_a_run_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    assert main(["qualify", str(tmp_path / "run"), "ipvs"]) == 2
    assert "got a folder without run.json" in capsys.readouterr().err

    (tmp_path / "run" / "run.json").write_text("{}")
    with pytest.raises(CommandError, match="want no override of what was observed"):
        resolve_sides(f"{tmp_path}/run,mode=ipvs", "ipvs", topology="", changes=([], []))


def test_a_version_that_is_not_cached_is_an_error_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HAIRPIN_CACHE", str(tmp_path / "cache"))

    assert main(["qualify", "1.33.5/iptables", "1.34.4/nftables", f"--out={tmp_path / 'out'}"]) == 2

    error = capsys.readouterr().err
    assert "got none, want those of both sides" in error
    assert "Run `hairpin lab get 1.33.5; hairpin lab get 1.34.4`, or give --predict-only" in error
    assert not (tmp_path / "out").exists()


def test_only_the_kube_proxy_of_a_rollout_is_wanted_of_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HAIRPIN_CACHE", str(tmp_path / "cache"))

    given = ["1.34.4", "1.34.4,nodes.n2.proxy.version=1.33.5", "--topology=lab-small", f"--out={tmp_path / 'out'}"]
    assert main(["qualify", *given]) == 2
    assert "Run `hairpin lab get 1.33.5 kube-proxy; hairpin lab get 1.34.4`" in capsys.readouterr().err


def test_a_lab_that_is_up_is_not_touched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lab, "find", lambda name: name if name == "lab-small-to" else None)
    contents, _ = raw("lab-small")

    with pytest.raises(LabRunError, match="Run `hairpin lab down lab-small-to`"):
        lab_runs.check([LabRun(label, contents, tmp_path / label) for label in ("from", "to")])


def test_each_side_has_a_lab_of_its_own_and_its_programs(tmp_path: Path) -> None:
    contents, _ = raw("lab-small")
    one = LabRun("from", contents, tmp_path / "from", tmp_path / "bin", ("-k", "ext-e1"))

    assert (one.name, one.topology.name) == ("lab-small-from", "lab-small-from")
    assert one.command[3:] == [
        f"--topology={tmp_path}/from/topology.yaml",
        f"--out={tmp_path}/from",
        f"--kubernetes-bin={tmp_path}/bin",
        "-k",
        "ext-e1",
    ]
    assert len(LabRun("from", {**contents, "name": "n" * 63}, tmp_path).name) == 63


@pytest.mark.parametrize(
    ("cores", "memory", "guests", "wanted"),
    [(2, 24.0, False, False), (8, 8.0, False, True), (8, 7.9, False, False), (64, 512.0, True, False)],
)
def test_labs_run_side_by_side_only_where_cores_and_memory_allow(
    cores: int, memory: float, guests: bool, wanted: bool
) -> None:
    assert fit_side_by_side(cores, memory, guests=guests) is wanted


def test_the_version_follows_a_directory_of_programs(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(binaries, "report_version", lambda _: Version(1, 30, 14))
    given = ["qualify", "iptables", "nftables", "--topology=lab-small", "--predict-only"]

    assert main([*given, "--kubernetes-bin-from=/a", "--kubernetes-bin-to=/a", "--format=json"]) == 0
    story = json.loads(capsys.readouterr().out)
    assert [story[side]["about"] for side in ("before", "after")] == [
        "lab-small, kube-proxy 1.30.14 iptables",
        "lab-small, kube-proxy 1.30.14 nftables",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("gate", "code"), [("", 0), ("lost-reachability", 1), ("lost-source", 0)])
def test_a_prediction_has_a_gate(
    gate: str, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", WIDE)

    assert main(["qualify", *VERSIONS, "--predict-only", f"--fail-on={gate}"]) == code

    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("NOT QUALIFIED: " if code else "PREDICTED: ")
    assert ("(--fail-on: " in first) is bool(code)


@pytest.mark.slow
def test_two_simulated_runs_qualify_again_from_their_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", WIDE)

    assert main(["qualify", *VERSIONS, "--only=web-np", "--pytest=--simulate", "--out=runs"]) == 0

    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].startswith("QUALIFIED: ")
    assert lines[0].endswith("(simulated: no cluster was asked)")
    assert re.search(r"wall time: predict .* from .* \(.*judge .*\), to .* compare .*; in all .* s", " ".join(lines))
    assert "one after the other: " in printed.err or "side by side: " in printed.err
    (folder,) = (tmp_path / "runs").glob("qualify-*")
    assert main(["qualify", f"{folder}/from/last", f"{folder}/to/last", "--only=web-np"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == lines[0]

    # before an upgrade: the run, and its own topology with overrides, which is a lab; predicted on request
    given = [
        "qualify",
        f"{folder}/from/last",
        "--with=mode=nftables",
        "--predict-only",
        "--only=web-np",
        "--format=json",
    ]
    assert main(given) == 0
    story = json.loads(capsys.readouterr().out)
    assert (story["verdict"], story["counts"]["meant"]) == ("predicted", story["cells"] - story["counts"]["unchanged"])
    assert CELL in {cell["cell"].removesuffix("-v4-tcp") for group in story["groups"] for cell in group["cells"]}


@pytest.mark.slow
def test_a_run_that_cannot_test_anything_is_inconclusive_with_exit_code_6(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = ["--pytest=--simulate", "--pytest=--no-such-option"]

    assert main(["qualify", *VERSIONS, *broken, f"--out={tmp_path}"]) == 6

    printed = capsys.readouterr()
    assert printed.out.startswith("INCONCLUSIVE: ")
    assert "the run ended with exit code 4" in printed.out


@pytest.mark.slow
def test_an_interrupted_qualification_ends_its_run(tmp_path: Path) -> None:
    given = ["qualify", *VERSIONS, "--pytest=--simulate", f"--out={tmp_path}"]
    with subprocess.Popen(
        [sys.executable, "-m", "hairpin", *given], cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("*/from/pytest.log")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

    assert process.returncode == 130
    assert not any(str(tmp_path) in line for line in commands())


def test_an_interruption_while_a_run_starts_comes_after_its_start() -> None:
    started = []

    def start() -> None:
        with defer_interrupts():
            os.kill(os.getpid(), signal.SIGTERM)
            started.append("child")

    with pytest.raises(KeyboardInterrupt):
        start()

    assert started == ["child"]


@pytest.mark.slow
def test_the_records_of_a_killed_qualification_stay_readable(tmp_path: Path) -> None:
    given = ["qualify", *VERSIONS, "--only=web-np", "--pytest=--simulate", f"--out={tmp_path}"]
    with subprocess.Popen(
        [sys.executable, "-m", "hairpin", *given], cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("*/from/pytest.log")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()
    while any(str(tmp_path) in line for line in commands()):  # the run goes on to its end
        assert time.monotonic() < deadline + 60
        time.sleep(0.1)

    (folder,) = tmp_path.glob("*/from/last")
    assert journal.load(folder).complete


def commands() -> list[str]:
    """The command lines of all processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_a_side_on_the_topology_of_a_run_is_predicted_for_the_cluster_that_the_run_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cluster has no address for web-lb, so nothing can be predicted of it."""
    topology = load("lab-small")
    known = snapshot_of(topology)
    service = replace(known.services["web-lb"], load_balancer_ip=None)
    run = Run(
        topology=DeclaredTopology.of(topology),
        started="2026-11-26T05:35:08Z",
        snapshot=replace(known, services={**known.services, "web-lb": service}),
    )
    (tmp_path / "run.json").write_text(run.model_dump_json())
    given = [
        str(tmp_path),
        "--with=proxy.masquerade_all=true",
        "--predict-only",
        "--only=web-lb.loadbalancer-",
        "--all",
    ]

    assert main(["qualify", *given]) == 1

    text = capsys.readouterr().out
    assert text.startswith("INCONCLUSIVE: ")
    assert "not predicted: " in text

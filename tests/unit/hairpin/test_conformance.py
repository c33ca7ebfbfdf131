"""`hairpin conformance` and its diff: what they print, write and refuse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from hairpin.main import main
from probes.contract.judging import ContractResult
from tests.unit.support.conformance_runs import finished_run

if TYPE_CHECKING:
    from pathlib import Path

    from reports.records.run import Run

WHO = ("--organization=o", "--project=p", "--url=https://p.example", "--version=v1", "--contact=@o,@o/team")
BROKEN = ContractResult.BROKEN


def _save(run: Run, folder: Path) -> str:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(run.model_dump_json(), encoding="utf-8")
    return str(folder)


@pytest.fixture
def run(tmp_path: Path) -> str:
    return _save(finished_run(local_outside_node_without=BROKEN), tmp_path / "out" / "20261126-120000-lab")


def test_the_text_has_the_profiles_and_the_rows_that_are_not_kept(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", run, *WHO]) == 0

    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0].startswith("o p v1 (default): kube-proxy iptables 1.37.2")
    assert "SERVICES core failure 15 passed, 1 failed, 4 skipped" in lines
    assert "row 29 local-outside-node-without (must)" in lines
    assert "broken promise in 1 of 2 cells, predicted by kube-proxy's rules R4i.3," in lines
    assert "ok from kept (2 cells)" in lines
    assert lines[-1] == "pytest --topology=lab-contract"


def test_the_last_run_is_the_default(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out" / "last").symlink_to(run)
    monkeypatch.chdir(tmp_path)

    assert main(["conformance", *WHO, "--format=yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["runs"] == ["20261126-120000-lab"]


@pytest.mark.parametrize("ending", ["yaml", "yml", "json"])
def test_the_ending_of_the_output_is_its_format(run: str, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"report.{ending}"

    assert main(["conformance", run, *WHO, "-o", str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    written = json.loads(text) if ending == "json" else yaml.safe_load(text)
    assert written["implementation"]["contact"] == ["@o", "@o/team"]
    assert written["reproduce"][0]["command"] == "pytest --topology=lab-contract"


def test_options_override_the_file(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "proxy.yaml"
    given = {"organization": "o", "project": "p", "url": "https://p.example", "version": 1.5, "contact": ["@o"]}
    file.write_text(yaml.safe_dump({**given, "claims": ["external-ips"], "mode": "ebpf"}), encoding="utf-8")

    assert main(["conformance", run, f"--implementation={file}", "--mode=dsr", "--format=json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert (written["mode"], written["implementation"]["version"]) == ("dsr", "1.5")
    assert written["claimedFeatures"] == ["external-ips"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (WHO[:2], "the implementation is not described: got no url, version, contact, want organization, project,"),
        ((*WHO, "--url=here"), "url: got 'here', want an address such as"),
        ((*WHO, "--version=main"), "version: got 'main', want a release, a tag or a commit"),
        ((*WHO, "--claims=loadbalancer"), "claims: got loadbalancer, want some of load-balancer"),
        ((*WHO, "--claims=load-balancer"), "claims load-balancer: got 6 rows"),
        ((*WHO, "--fail-on=broken"), "--fail-on: got broken, want some of broken-promise, unusual, not-asked"),
        ((*WHO, "--implementation=nowhere.yaml"), "--implementation: nowhere.yaml cannot be read: No such file"),
    ],
)
def test_what_cannot_be_used_is_one_error(
    run: str, options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["conformance", run, *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("hairpin conformance: ")
    assert message in printed.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("organisation: o", "got organisation, want some of organization, project, url, version, mode, contact"),
        ("- o", "got no keys, want organization"),
        ("contact: {a: b}", "contact: got {'a': 'b'}, want a list of texts"),
        ("a: [", "cannot be read: "),
    ],
)
def test_a_file_that_is_no_description_is_one_error(
    run: str, tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "proxy.yaml").write_text(text, encoding="utf-8")

    assert main(["conformance", run, f"--implementation={tmp_path / 'proxy.yaml'}"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("gate", "code", "printed"),
    [("broken-promise", 1, "--fail-on: 1 broken-promise\n"), ("unusual", 0, ""), ("not-asked", 1, "28 not-asked")],
)
def test_the_gate_shuts_on_its_kinds(
    run: str, gate: str, code: int, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["conformance", run, *WHO, f"--fail-on={gate}"]) == code
    assert printed in capsys.readouterr().err

"""`hairpin discover` writes a file or one clear error; `hairpin check` runs what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hairpin.main import main
from tests.unit.support.fake_api import Api, Raw, serve, status
from tests.unit.support.real_clusters.installed import kubeadm_flannel_metallb
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow
IMAGE = "--image=registry.example/agnhost:2.53"


@pytest.fixture
def api() -> Api:
    made = Api()
    kubeadm_flannel_metallb().seed(made)
    return made


@pytest.fixture
def kubeconfig(api: Api, tmp_path: Path) -> Iterator[str]:
    with serve(api, tmp_path) as path:
        yield f"--kubeconfig={path}"


def run(*arguments: str) -> int:
    return main(["discover", *arguments])


def test_a_file_is_written_that_loads(kubeconfig: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"

    assert run(kubeconfig, "--no-pods", IMAGE, "-o", str(file)) == 0

    topology = load(str(file))
    assert (topology.name, topology.images.agnhost) == ("fake", "registry.example/agnhost:2.53")
    assert "unknown: " in capsys.readouterr().err


def test_without_a_file_the_topology_is_printed(kubeconfig: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(kubeconfig, "--no-pods", IMAGE, "--name=ours") == 0

    assert "\nname: ours\n" in capsys.readouterr().out


def test_a_file_that_exists_is_kept_unless_forced(kubeconfig: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: old\n")

    assert run(kubeconfig, "--no-pods", IMAGE, "-o", str(file)) == 2
    assert file.read_text() == "name: old\n"
    assert run(kubeconfig, "--no-pods", IMAGE, "-o", str(file), "--force") == 0
    assert file.read_text() != "name: old\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-o", "/no/such/folder/mine.yaml"), "got no folder /no/such/folder"),
        (("-o", "/proc"), "want a name that ends in .yaml"),
        (("-o", "mine.json"), "want a name that ends in .yaml"),
        (("--nodes=0",), "--nodes: got 0"),
        (("--nodes=9999",), "--nodes: got 9999"),
    ],
)
def test_options_that_cannot_be_used_are_refused_before_anything_is_read(
    api: Api, kubeconfig: str, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(kubeconfig, *arguments) == 2

    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert api.calls == []


def test_pods_need_an_image_and_the_error_names_the_option(
    kubeconfig: str, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(kubeconfig) == 2

    assert "--image: got none" in capsys.readouterr().err
    assert not [call for call in api.calls if call.startswith("POST")]


def test_an_image_that_a_node_has_already_is_used(
    kubeconfig: str, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    image = "mirror.example/e2e-test-images/agnhost:2.47"
    api.collections["/api/v1/nodes"][0]["status"]["images"] = [{"names": [f"{image}@sha256:1", image]}]

    assert run(kubeconfig, "--no-pods") == 0

    assert f"  agnhost: {image}  # on node n1 already" in capsys.readouterr().out


def test_a_file_that_lacks_a_required_value_is_written_with_exit_code_1(
    kubeconfig: str, api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.collections["/apis/apps/v1/daemonsets"] = []
    for node in api.collections["/api/v1/nodes"]:
        node["metadata"]["annotations"] = {}
    file = tmp_path / "mine.yaml"

    assert run(kubeconfig, "--no-pods", IMAGE, "-o", str(file)) == 1

    assert "no known CNI was found" in file.read_text()
    assert "not complete: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (status(401, "Unauthorized"), "401"),
        (status(403, "forbidden"), "grant `list nodes`"),
        (Raw(b"<html>login</html>", kind="text/html"), "Is it an API server?"),
        (Raw(b"{}"), "Is it an API server?"),
    ],
)
def test_a_cluster_that_cannot_be_read_is_one_line(
    kubeconfig: str, api: Api, answer: Raw, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    api.script[".*"] = answer

    assert run(kubeconfig, IMAGE) == 2

    [*_, error] = capsys.readouterr().err.splitlines()
    assert error.startswith("hairpin discover: ")
    assert words in error


def test_no_cluster_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(Api(), tmp_path) as path:
        pass

    assert run(f"--kubeconfig={path}", IMAGE) == 2
    assert "is the cluster up?" in capsys.readouterr().err.splitlines()[-1]


def test_check_passes_the_file_and_arguments_on_and_ends_with_the_runs_code(
    kubeconfig: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    code = main(["check", kubeconfig, "--no-pods", IMAGE, f"--out={out}", "--", "--collect-only", "-q", "-k", "pod-n1"])

    [file] = out.glob("discovered-*.yaml")
    printed = capfd.readouterr().out
    assert code == 0
    assert "pod-n1-to-web" in printed
    assert f"topology: {file}\n" in printed
    assert "hairpin infer" not in printed  # nothing ran


def test_check_names_the_runs_page_and_how_to_narrow_its_unknown_facts(
    kubeconfig: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    main(["check", kubeconfig, "--no-pods", IMAGE, f"--out={out}", "--", "--simulate", "-q", "-k", "pod-n1-to-web-np"])

    [file] = out.glob("discovered-*.yaml")
    printed, folder = capfd.readouterr().out, (out / "last").resolve()
    assert f"report:   {folder / 'report.html'}\n" in printed
    assert (folder / "report.html").is_file()
    assert f"hairpin infer {folder} --write {file}" in printed


def test_check_does_not_report_an_older_run_as_its_own(
    kubeconfig: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (out / "older").mkdir(parents=True)
    (out / "older" / "report.html").touch()
    (out / "last").symlink_to("older")

    main(["check", kubeconfig, "--no-pods", IMAGE, f"--out={out}", "--", "--no-such-option"])

    [file] = out.glob("discovered-*.yaml")
    assert capfd.readouterr().out == f"topology: {file}\n"


def test_check_of_an_incomplete_file_runs_nothing(
    kubeconfig: str, api: Api, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    api.collections["/apis/apps/v1/daemonsets"] = []
    for node in api.collections["/api/v1/nodes"]:
        node["metadata"]["annotations"] = {}

    assert main(["check", kubeconfig, "--no-pods", IMAGE, f"--out={tmp_path / 'out'}"]) == 1

    printed = capfd.readouterr()
    assert printed.out == ""
    assert "complete it, then run pytest --topology=" in printed.err

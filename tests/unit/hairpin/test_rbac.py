"""`hairpin rbac`: what it prints, and the kubeconfig that it makes."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
import yaml

from hairpin.main import main
from tests.unit.support.fake_api import Api, serve, status
from topologies.cluster import client as clusters
from topologies.cluster.rights import manifests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCOUNT = "/api/v1/namespaces/team/serviceaccounts/probe"


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def admin(api: Api, tmp_path: Path) -> Iterator[Path]:
    with serve(api, tmp_path) as path:
        yield path


def make(admin: Path, out: Path, *more: str) -> int:
    account = ["--namespace", "team", "--account", "probe"]
    return main(["rbac", *account, "--kubeconfig", str(admin), "--kubeconfig-out", str(out), *more])


def test_it_prints_the_manifests(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rbac", "--namespace", "team", "--account", "probe", "--least"]) == 0
    assert capsys.readouterr().out == manifests("team", "probe", least=True)


def test_the_kubeconfig_is_the_accounts_and_only_its_owner_may_read_it(api: Api, admin: Path, tmp_path: Path) -> None:
    out = tmp_path / "account"
    out.write_text("old")
    out.chmod(0o644)

    assert make(admin, out, "--hours=2") == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert api.calls == [f"POST {ACCOUNT}/token"]
    assert api.body["spec"] == {"expirationSeconds": 7200}
    assert yaml.safe_load(out.read_text())["users"] == [{"name": "probe", "user": {"token": "secret"}}]
    reached = clusters.connect(str(out))
    assert reached.configuration.host == f"http://127.0.0.1:{api.port}"
    assert set(reached.configuration.api_key.values()) == {"Bearer secret"}


def test_a_link_is_replaced_and_not_followed(admin: Path, tmp_path: Path) -> None:
    target, out = tmp_path / "target", tmp_path / "link"
    target.write_text("untouched")
    out.symlink_to(target)

    assert make(admin, out) == 0
    assert target.read_text() == "untouched"
    assert not out.is_symlink()


def test_without_the_account_the_next_step_is_named(
    api: Api, admin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.script[f"POST {ACCOUNT}/token"] = status(404, 'serviceaccounts "probe" not found')

    assert make(admin, tmp_path / "out") == 2
    assert capsys.readouterr().err.endswith("Apply the manifests first: hairpin rbac … | kubectl apply -f -\n")
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_one_line(
    admin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(admin, tmp_path / "none" / "out") == 2
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--namespace=A_b", "--account=", "--hours=0", "--hours=x", "--hours=99999"])
def test_bad_options_are_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["rbac", option])
    assert ended.value.code == 2
    assert ", want " in capsys.readouterr().err

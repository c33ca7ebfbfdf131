"""Inside a pod the service account's files are the configuration, unless a kubeconfig is given or there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.support.fake_api import Api, serve
from topologies.cluster import in_cluster
from topologies.cluster.api import ClusterError, connect

if TYPE_CHECKING:
    from pathlib import Path

AUTHORITY = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a service account, in a process that has no kubeconfig."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text("first")
    (folder / "ca.crt").write_text(AUTHORITY)
    monkeypatch.setattr(in_cluster, "ACCOUNT", folder)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return folder


@pytest.fixture(autouse=True)
def no_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load no certificate: the one above is none."""
    monkeypatch.setattr("ssl.SSLContext.load_verify_locations", lambda *_, **__: None)


def test_a_pod_connects_with_its_service_account(account: Path) -> None:
    settings = connect(None).configuration

    assert settings.host == "https://10.96.0.1:443"
    assert settings.ssl_ca_cert == str(account / "ca.crt")
    assert settings.get_api_key_with_prefix("BearerToken") == "bearer first"


def test_a_kubeconfig_that_is_given_comes_first(account: Path, tmp_path: Path) -> None:
    api = Api()
    with serve(api, tmp_path) as path:
        assert connect(str(path)).configuration.host == f"http://127.0.0.1:{api.port}"
    assert account


def test_a_kubeconfig_that_is_there_comes_first(account: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "empty"
    path.write_text("")
    monkeypatch.setenv("KUBECONFIG", str(path))

    with pytest.raises(ClusterError, match=f"kubeconfig {path}: {path}: got an empty file"):
        connect(None)
    assert account


def test_without_a_token_a_kubeconfig_is_missed(account: Path) -> None:
    (account / "token").unlink()

    with pytest.raises(ClusterError, match="no such file, want a file"):
        connect(None)


@pytest.mark.parametrize("file", ["token", "ca.crt"])
def test_an_empty_file_is_one_line_with_a_next_step(account: Path, file: str) -> None:
    (account / file).write_text("")

    with pytest.raises(ClusterError, match=r"service account .* cannot be used: .*\. Mount its token") as caught:
        connect(None)
    assert "\n" not in str(caught.value)

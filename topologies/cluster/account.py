"""Make a kubeconfig for a ServiceAccount: a token by TokenRequest, and the server as another kubeconfig reaches it."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from topologies.cluster import library
from topologies.cluster.api import NOT_FOUND, ClusterError, call, one_line, reading
from topologies.cluster_state.api_fields import require

if TYPE_CHECKING:
    from kubernetes import client

OWNER_ONLY = 0o600


def write_kubeconfig(api: client.ApiClient, namespace: str, account: str, hours: float, path: Path) -> None:
    """Write a kubeconfig with a token of the account; only the file's owner may read it.

    Raises:
        ClusterError: There is no such account, no token is given, or the file cannot be written.

    """
    token = _request_token(api, namespace, account, int(hours * 3600))
    text = yaml.safe_dump(_kubeconfig(api.configuration, namespace, account, token), sort_keys=False)
    try:
        path.unlink(missing_ok=True)  # an old file may be readable by others, or a link
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        message = f"kubeconfig {path}: cannot be written: {error.strerror}. Give another file with --kubeconfig-out"
        raise ClusterError(message) from error


def _request_token(api: client.ApiClient, namespace: str, account: str, seconds: int) -> str:
    what = f"request a token of ServiceAccount {account} in {namespace}"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}}
    ask = library.client.CoreV1Api(api).create_namespaced_service_account_token
    try:
        answer = call(api, what, ask, account, namespace, body)
    except ClusterError as error:
        if error.status == NOT_FOUND:
            message = f"{error}. Apply the manifests first: hairpin rbac … | kubectl apply -f -"
            raise ClusterError(message, NOT_FOUND) from error
        raise
    with reading(what):
        return str(require(require(answer.status, "status").token, "status.token"))


def _kubeconfig(settings: client.Configuration, namespace: str, account: str, token: str) -> dict[str, object]:
    server: dict[str, object] = {"server": settings.host}
    if not settings.verify_ssl:
        server["insecure-skip-tls-verify"] = True
    elif settings.ssl_ca_cert:
        server["certificate-authority-data"] = _encode(settings.ssl_ca_cert)
    if name := getattr(settings, "tls_server_name", None):
        server["tls-server-name"] = name
    if settings.proxy:
        server["proxy-url"] = settings.proxy
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": account,
        "clusters": [{"name": account, "cluster": server}],
        "users": [{"name": account, "user": {"token": token}}],
        "contexts": [{"name": account, "context": {"cluster": account, "user": account, "namespace": namespace}}],
    }


def _encode(file: str) -> str:
    try:
        return base64.b64encode(Path(file).read_bytes()).decode()
    except OSError as error:
        message = f"the API server's CA {file}: cannot be read: {one_line(error.strerror)}"
        raise ClusterError(message) from error

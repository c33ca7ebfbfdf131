"""The configuration of a process inside a pod: the files of its service account and two environment variables.

https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/. kubelet renews the token, so it is read anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.cluster import library

if TYPE_CHECKING:
    from kubernetes import client

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
VARIABLES = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")


def is_in_pod() -> bool:
    """Return whether this process has the files and variables that kubelet gives to a container."""
    return all(os.environ.get(name) for name in VARIABLES) and (ACCOUNT / "token").is_file()


def load_account() -> client.Configuration:
    """Return the configuration; ConfigException of the library if a file is missing or empty."""
    settings = library.client.Configuration()
    loader = library.incluster.InClusterConfigLoader(  # type: ignore[no-untyped-call] # the package ships half its types
        token_filename=str(ACCOUNT / "token"), cert_filename=str(ACCOUNT / "ca.crt")
    )
    loader.load_and_set(settings)  # type: ignore[no-untyped-call] # as above
    settings.retries = False
    return settings

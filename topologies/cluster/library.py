"""The `kubernetes` package with its types, imported at the first use. The only module here that names it.

`hairpin predict` and `pytest --collect-only` load topologies.cluster and never call an API server. The import takes
0.3 s and the first CoreV1Api 0.8 s, so nothing is imported until a function reads an attribute of this module.
Annotations use `kubernetes.client` itself, under TYPE_CHECKING.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubernetes import client, config
    from kubernetes.client import rest
    from kubernetes.config import incluster_config as incluster
    from urllib3 import exceptions as http_errors

    __all__ = ["client", "config", "http_errors", "incluster", "rest"]
else:
    from importlib import import_module

    MODULES = {
        "client": "kubernetes.client",
        "config": "kubernetes.config",
        "incluster": "kubernetes.config.incluster_config",
        "rest": "kubernetes.client.rest",
        "http_errors": "urllib3.exceptions",
    }

    def __getattr__(name: str) -> object:
        """Import the module of this name, at its first use."""
        if name not in MODULES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        return globals().setdefault(name, import_module(MODULES[name]))

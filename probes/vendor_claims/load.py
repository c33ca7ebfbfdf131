"""Loads the pages in data/*.yaml.

Raises DocumentedError if a page cannot be read, does not describe tables, or names an unknown row of the contract.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from probes.contract.load import rows
from probes.vendor_claims.model import Page
from topologies.common.errors import HairpinError
from topologies.loading.package_data import read_table

FOLDER = Path(__file__).with_name("data")
NAMES = (
    *("ack", "tke", "cce", "flannel", "huawei-incidents"),
    *("metallb", "kube-vip", "servicelb", "aws-nlb", "gke", "azure", "calico-kube-proxy"),
    *("cilium", "calico-ebpf", "kube-router", "antrea", "ovn-kubernetes"),
)


class DocumentedError(HairpinError):
    """A page is not valid. The message lists every error with its place."""


@cache
def load(name: str) -> Page:
    """Return the page with this name, which is one of NAMES.

    Raises:
        DocumentedError: The page cannot be read or is not valid.

    """
    if name not in NAMES:
        message = f"documented page: got {name}, want one of {', '.join(NAMES)}"
        raise DocumentedError(message)
    page = read_table(FOLDER / f"{name}.yaml", Page, DocumentedError)
    check_rows(page)
    return page


def check_rows(page: Page) -> None:
    """Check that each claim names rows of the contract that exist.

    Raises:
        DocumentedError: a row does not exist.

    """
    known = {row.id for row in rows()}
    for name, claim in page.claims():
        if unknown := sorted(set(claim.contract) - known):
            message = f"{page.name}: {name}: contract: got {', '.join(unknown)}, want ids of rows in docs/contract.md"
            raise DocumentedError(message)


def pages() -> tuple[Page, ...]:
    """Return every vendor's page, in a fixed order."""
    return tuple(load(name) for name in NAMES)

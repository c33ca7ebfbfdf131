"""Loads the pages in data/*.yaml.

Raises DocumentedError if a page cannot be read, does not describe tables, or names an unknown row of the contract.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from pydantic import ValidationError

from probes.contract.load import rows
from probes.vendor_claims.model import Page
from topologies.common.errors import HairpinError

FOLDER = Path(__file__).with_name("data")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, if PyYAML was built with libyaml
NAMES = ("ack", "tke", "cce", "flannel", "huawei-incidents", "metallb", "aws-nlb", "cilium", "calico-ebpf")


class DocumentedError(HairpinError):
    """A page is not valid. The message lists every error with its place."""


@cache
def load(name: str) -> Page:
    """Return the page with this name, which is one of NAMES.

    Raises:
        DocumentedError: The page cannot be read or is not valid.

    """
    path = FOLDER / f"{name}.yaml"
    try:
        page = Page.model_validate(yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER))  # noqa: S506 - a safe loader
    except (OSError, yaml.YAMLError) as error:
        message = f"{path}: got {error}, want one of {', '.join(NAMES)}"
        raise DocumentedError(message) from error
    except ValidationError as error:
        lines = "\n".join(f"  {_where(one['loc'])}: {one['msg']}" for one in error.errors())
        message = f"{path.name}: {error.error_count()} complaints\n{lines}"
        raise DocumentedError(message) from error
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


def _where(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")

"""docs/topology.md names every key a topology file may have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from topologies.model import Topology

PAGE = (Path(__file__).parents[3] / "docs" / "topology.md").read_text(encoding="utf-8")


def keys(model: type[BaseModel]) -> set[str]:
    """The names of all fields, at any depth."""
    found = set()
    for name, field in model.model_fields.items():
        found.add(name)
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= keys(part)
    return found


def test_every_key_is_documented() -> None:
    known = keys(Topology)

    assert "shares_address_of" in known
    assert {name for name in known if not re.search(rf"[`.{{, ]{name}\b", PAGE)} == set()

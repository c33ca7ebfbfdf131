from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from probes.vendor_claims.model import Claim, Page, Table, Versions, slug
from topologies.schema.topology import Version

CASE = {"world": "w", "ask": "pod-n1-to-web.clusterip"}


@pytest.mark.parametrize(
    ("text", "told", "first", "last", "count"),
    [
        ("-1.23", "<= 1.23", (1, 20), (1, 23), 4),
        ("1.24-", ">= 1.24", (1, 24), (1, 37), 14),
        ("1.26-1.28", "1.26-1.28", (1, 26), (1, 28), 3),
        ("1.20", "1.20", (1, 20), (1, 20), 1),
    ],
)
def test_a_range_of_versions(text: str, told: str, first: tuple[int, int], last: tuple[int, int], count: int) -> None:
    versions = Versions.model_validate(text)

    assert (str(versions), versions.first, versions.last, len(versions.minors)) == (told, first, last, count)
    assert Version(*last, 17) in versions
    assert Version(1, 38) not in versions


@pytest.mark.parametrize(
    "wrong",
    [
        {"standing": "agrees"},
        {"standing": "agrees", "cases": CASE},
        {"standing": "agrees-under-a-condition", "claim": "ok", "cases": CASE},
        {"standing": "agrees-under-a-condition", "claim": "ok", "cases": CASE, "condition": "c"},
        {"standing": "contradicts", "claim": "ok", "cases": {**CASE, "rules": ["R1"]}},
        {"standing": "contradicts", "claim": "ok", "cases": CASE, "why": "w"},
        {"standing": "cannot-be-derived"},
        {"standing": "disputed", "why": "w"},
    ],
)
def test_a_standing_without_what_it_needs_is_refused(wrong: dict[str, Any] | dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Claim.model_validate({"quote": "ok", **wrong})


def test_a_row_that_does_not_fill_its_columns_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"row \['a'\] has 2 cells, want 3"):
        Table.model_validate(
            {"id": "t", "title": "t", "columns": ["x", "y", "z"], "rows": [{"head": ["a"], "cells": ["b"]}]}
        )


def test_a_world_nobody_declared_is_refused() -> None:
    claim = {"quote": "ok", "claim": "ok", "standing": "agrees", "cases": CASE}
    table = {"id": "t", "title": "t", "statements": [claim]}
    with pytest.raises(ValidationError, match=r"t\.s1: got the world 'w'"):
        Page.model_validate({"name": "p", "title": "p", "source": "s", "tables": [table]})


def test_columns_become_parts_of_ids() -> None:
    assert [slug(text) for text in ("VPC IPVS", "<1.24", ">=1.24")] == ["vpc-ipvs", "before-1-24", "from-1-24"]

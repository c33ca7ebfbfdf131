"""No cell of the vendors' documents is missing: the counts are those of the documents, written out by hand."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from probes.vendor_claims import load
from probes.vendor_claims.model import Standing
from tests.unit.support.paths import ROOT

if TYPE_CHECKING:
    from probes.vendor_claims.model import Claim

# table: (rows, claims in its cells, statements)
COUNTS = {
    "000-A": (3, 6, 5),
    "000-B": (3, 6, 0),
    "000-C": (0, 0, 1),
    "000-D": (5, 9, 0),
    "000-E": (8, 14, 1),
    "001-clusters": (3, 7, 0),
    "001-claims": (0, 0, 5),
    "003-1": (13, 46, 0),
    "003-1-elb": (2, 8, 4),
    "003-fixes": (3, 3, 4),
    "003-2": (2, 2, 0),
    "003-3": (2, 2, 0),
    "004-steps": (7, 6, 0),
    "004-claims": (0, 0, 7),
    "004-problems": (0, 0, 2),
    "002-7": (3, 3, 0),
    "002-7-routes": (6, 0, 3),
    "002-8": (6, 0, 2),
    "cilium-policies": (4, 8, 3),
    "cilium-sources": (0, 0, 7),
    "cilium-dsr-dispatch": (2, 6, 0),
    "cilium-frontends": (0, 0, 9),
    "cilium-limits": (0, 0, 3),
    "cilium-regressions": (0, 0, 4),
    "cilium-managed": (0, 0, 5),
    "calico-e2e": (14, 14, 0),
    "calico-policies": (0, 0, 9),
    "calico-options": (0, 0, 4),
    "metallb-l2": (2, 4, 0),
    "metallb-bgp": (2, 4, 0),
    "nlb-sources": (4, 4, 3),
    "kube-vip-arp": (3, 5, 3),
    "servicelb-addresses": (2, 5, 0),
    "servicelb-pod": (0, 0, 5),
    "gke-parameters": (5, 5, 0),
    "gke-inside": (0, 0, 4),
    "azure-sources": (2, 4, 0),
    "azure-floating": (0, 0, 4),
    "azure-ranges": (0, 0, 3),
    "calico-e2e-kube-proxy": (14, 28, 0),
    "kube-router-policies": (2, 3, 5),
    "kube-router-hairpin": (0, 0, 3),
    "kube-router-addresses": (0, 0, 6),
    "antrea-policies": (4, 10, 1),
    "antrea-hairpin": (4, 9, 0),
    "antrea-options": (0, 0, 10),
    "ovn-external-policy": (4, 8, 3),
    "ovn-internal-policy": (2, 6, 2),
    "ovn-sources": (0, 0, 2),
}

# our standing to every claim, row by row
STANDINGS = {
    "000-A": "A A A A A A A* A A A A",
    "000-B": "A* A* A* A* A X",
    "000-C": "A",
    "000-D": "A A A A A A A A* A*",
    "000-E": "A A A X A A A* A A A A A A* A* A",
    "001-clusters": "A A* A* A* A* A* ?",
    "001-claims": "? A X A ?",
    "003-1": "A A A A  A* A* A A  A A A A  A* A* A A  A* A* A* A*  A* A* A A  A A  A* A*  ? ?  A A A A  A* A A* A  "
    "A* A* A* A*  A A A A",
    "003-1-elb": "A* A* A* A* A* A* A* A* A* A* A ?",
    "003-fixes": "A A A A ? A ?",
    "003-2": "A* A*",
    "003-3": "A A",
    "004-steps": "A A A A A A",
    "004-problems": "? ?",
    "002-7-routes": "A A A",
    "004-claims": "A ? X X X A A",
    "002-7": "A A A",
    "002-8": "A* ?",
    "cilium-policies": "D D D D D D D D D D D",
    "cilium-sources": "D D D D D D D",
    "cilium-dsr-dispatch": "D D D D D D",
    "cilium-frontends": "D D D D D D D D D",
    "cilium-limits": "D D D",
    "cilium-regressions": "D D D D",
    "cilium-managed": "D D D D D",
    "calico-e2e": "D D D D D D D D D D D D D D",
    "calico-policies": "D D D D D D D D D",
    "calico-options": "D D D D",
    "metallb-l2": "A A A A",
    "metallb-bgp": "A A A A",
    "nlb-sources": "A* A ? ? A A A",
    "kube-vip-arp": "A A A A A A ? ?",
    "servicelb-addresses": "A A A A A*",
    "servicelb-pod": "? ? ? ? ?",
    "gke-parameters": "A A A A A",
    "gke-inside": "? ? ? ?",
    "azure-sources": "A A A A",
    "azure-floating": "A A* A* ?",
    "azure-ranges": "A A A",
    "calico-e2e-kube-proxy": "A A  A A  A A  A A  A A  A A  A A  X A  A A  A A  A A  A A  A A  A A",
    "kube-router-policies": "D D D D D D D D",
    "kube-router-hairpin": "D D D",
    "kube-router-addresses": "D D D D D D",
    "antrea-policies": "D D D D D D D D D D D",
    "antrea-hairpin": "D D D D D D D D D",
    "antrea-options": "D D D D D D D D D D",
    "ovn-external-policy": "D D D D D D D D D D D",
    "ovn-internal-policy": "D D D D D D D D",
    "ovn-sources": "D D",
}
LETTERS = {
    "A": Standing.AGREES,
    "A*": Standing.CONDITION,
    "X": Standing.CONTRADICTS,
    "?": Standing.UNDERIVABLE,
    "D": Standing.DOCUMENTED,
}
TABLES = {table.id: table for page in load.pages() for table in page.tables}
CLAIMS = [pytest.param(claim, id=f"{page.name}-{name}") for page in load.pages() for name, claim in page.claims()]


def test_every_table_is_there_and_no_other() -> None:
    assert TABLES.keys() == COUNTS.keys()


@pytest.mark.parametrize("name", COUNTS)
def test_no_row_cell_or_statement_is_missing(name: str) -> None:
    table = TABLES[name]
    claims = sum(not isinstance(cell, str) for row in table.rows for cell in row.cells)

    assert (len(table.rows), claims, len(table.statements)) == COUNTS[name]


@pytest.mark.parametrize("name", COUNTS)
def test_the_standing_to_each_claim_is_as_found(name: str) -> None:
    standings = [claim.standing for _, claim in TABLES[name].claims()]

    assert standings == [LETTERS[letter] for letter in STANDINGS[name].split()]


def test_ids_are_unique() -> None:
    ids = Counter(name for page in load.pages() for name, _ in page.claims())

    assert ids.total() == sum(cells + statements for _, cells, statements in COUNTS.values())
    assert max(ids.values()) == 1


def test_the_documentation_has_the_number_of_claims_and_tables_of_each_page() -> None:
    text = (ROOT / "docs" / "documented.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| ((?:`[a-z-]+`(?:, )?)+) \| .* \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    counted = {page.name: (sum(1 for _ in page.claims()), len(page.tables)) for page in load.pages()}

    assert {name for names, *_ in listed for name in re.findall(r"[a-z-]+", names)} == counted.keys()
    for names, claims, tables in listed:
        pages = [counted[name] for name in re.findall(r"[a-z-]+", names)]
        assert (sum(one for one, _ in pages), sum(one for _, one in pages)) == (int(claims), int(tables))
    assert f"{sum(one for one, _ in counted.values())} claims in {len(COUNTS)} tables" in text


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_that_a_test_checks_names_one_that_is_there(claim: Claim) -> None:
    path, _, function = claim.checked_by.partition("::")

    assert not path or f"def {function}(" in (ROOT / path).read_text(encoding="utf-8")


def test_a_claim_without_any_check_says_why() -> None:
    unchecked = [claim for page in load.pages() for _, claim in page.claims() if not (claim.cases or claim.checked_by)]

    assert all(claim.why for claim in unchecked)

"""Where a vendor documents something else than the contract promises: computed, and listed in docs/documented.md."""

from __future__ import annotations

import pytest

from probes.vendor_claims import departures, load
from probes.vendor_claims.model import Claim, Standing
from probes.vendor_claims.publication import ClaimSource

SOURCE = ClaimSource(of="text", at="a section")


def claim(answer: str, *rows: str, standing: str = "documented") -> Claim:
    contents = {"quote": "q", "claim": answer, "standing": standing, "why": "w", "source": SOURCE, "contract": rows}
    return Claim.model_validate(contents)


@pytest.mark.parametrize(
    ("answer", "row", "departs"),
    [
        ("ok", "lb-inside-cluster-semantics", False),
        ("fails", "lb-inside-cluster-semantics", True),
        ("refused", "lb-inside-cluster-semantics", True),
        ("sporadic", "clusterip-endpoint-reaches-itself", True),
        ("ok", "internal-local-pod-without-endpoint", True),
        ("timeout", "internal-local-pod-without-endpoint", False),
        ("fails", "clusterip-without-endpoints-refuses-pods", False),
        ("timeout", "clusterip-without-endpoints-refuses-pods", True),
        ("ok from kept", "clusterip-pod-source-kept", False),
        ("ok from changed", "clusterip-pod-source-kept", True),
        ("ok from changed", "clusterip-pod-reaches-ready", False),
        ("ok by local", "clusterip-unaffected-by-external-policy", True),
        ("ok by local", "internal-local-pod-beside-endpoint", False),
        ("fails", "cluster-policy-outside-source", False),  # nothing is promised
    ],
)
def test_a_claim_departs_from_a_promise_that_it_contradicts(answer: str, row: str, departs: bool) -> None:
    assert [one.id for one in departures.departures(claim(answer, row))] == [row] * departs


def test_a_claim_without_an_answer_or_that_the_rules_contradict_departs_from_nothing() -> None:
    row = "lb-inside-cluster-semantics"

    assert departures.departures(claim("fails", row).model_copy(update={"claim": None})) == ()
    assert departures.departures(claim("fails", row, standing=Standing.CONTRADICTS)) == ()


def test_a_departure_names_the_row_and_its_level() -> None:
    rows = ("lb-inside-cluster-semantics", "clusterip-endpoint-reaches-itself")

    found = [departures.describe(one) for one in departures.departures(claim("fails", *rows))]

    assert found == ["breaks row 35 (must)", "is unusual in row 3 (should)"]


def test_the_page_lists_every_departure() -> None:
    text = departures.PAGE.read_text(encoding="utf-8")
    claims = {(page.name, name): one for page in load.pages() for name, one in page.claims()}

    assert departures.insert(text) == text, "run `python -m probes.vendor_claims.departures`"
    listed = {(page, name) for (page, name) in claims if f"| {page} `{name}` |" in text}
    assert listed == {key for key, one in claims.items() if departures.departures(one)}
    assert all(f"breaks row {number} (must)" in text for number in (35, 37, 45, 50, 61, 68, 78, 96, 98))

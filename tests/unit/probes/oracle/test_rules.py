"""The catalogue is whole, and docs/rules.md is what it prints."""

from __future__ import annotations

import json

from probes.oracle.catalogue import CATALOGUE, CONFIRMED, markdown, versions
from tests.confirmed import by_recordings
from tests.unit.support.paths import ROOT

PAGE = ROOT / "docs" / "rules.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == markdown(), "run: python -m probes.oracle.catalogue > docs/rules.md"


def test_what_the_recordings_confirm_is_up_to_date() -> None:
    """Of the files it was made from: one that is dropped in beside them is tested, but confirms nothing yet."""
    told = json.loads(CONFIRMED.read_text())
    made = by_recordings(told["files"])
    assert {key: told[key] for key in ("files", "recordings", "spoken")} == made, "run: python -m tests.confirmed"


def test_ids_are_unique_and_every_rule_has_its_sentence_and_source() -> None:
    assert len({rule.id for rule in CATALOGUE}) == len(CATALOGUE)
    for rule in CATALOGUE:
        assert rule.sentence.endswith("."), rule.id
        assert rule.citation, rule.id


def test_version_ranges_read_as_they_should() -> None:
    told = {rule.id: versions(rule) for rule in CATALOGUE}
    assert [told[name] for name in ("R3.1", "R6.1", "R6.4", "R6.5", "R2.1", "R7.7", "R8.5", "R5.1")] == [
        "<= 1.20",
        "1.22-1.23",
        "1.24",
        ">= 1.25",
        "all",
        "1.22.0-1.22.9, 1.23.0-1.23.6",
        "1.26-1.28.6, 1.29.0-1.29.1",
        "<= 1.33.5",
    ]

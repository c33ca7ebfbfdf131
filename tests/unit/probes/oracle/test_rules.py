"""The catalogue is complete and readable, and docs/rules.md is what it prints."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from probes.oracle import catalogue
from probes.oracle.catalogue import CATALOGUE, CONFIRMED, markdown, modes_of, versions
from tests.confirmed import by_recordings
from tests.unit.support.paths import ROOT

if TYPE_CHECKING:
    from probes.oracle.rule import Rule

DOCS = ROOT / "docs"
PAGE = DOCS / "rules.md"
LONGEST_SENTENCE = 22  # words
NOT_STANDING_ALONE = re.compile(r"\b(any other|else|otherwise|likewise|alike|nobody|somebody|whoever)\b", re.IGNORECASE)
PERSONIFYING = re.compile(
    r"\b(told|tells?|says?|said|hears?|heard|wants?|owe[sd]?|kept|asks?|asked|dies)\b", re.IGNORECASE
)
UNREADABLE_SOURCE = re.compile(r"datapath-rules|design\.md|documented-tables|\bfacts/")
MODE_NAMES = {"iptables": "iptables mode", "ipvs": "IPVS mode", "nftables": "nftables mode"}


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == markdown(), "run: python -m probes.oracle.catalogue > docs/rules.md"


@pytest.mark.slow
def test_what_the_recordings_confirm_is_up_to_date() -> None:
    """Compare only the files it was made from. A file added later is tested, but confirms nothing yet."""
    evidence = json.loads(CONFIRMED.read_text())
    made = by_recordings(evidence["files"])
    assert {key: evidence[key] for key in ("files", "recordings", "undistinguished")} == made, (
        "run: python -m tests.confirmed"
    )


def test_ids_are_unique_and_every_rule_has_its_sentence_and_source() -> None:
    assert len({rule.id for rule in CATALOGUE}) == len(CATALOGUE)
    for rule in CATALOGUE:
        assert rule.sentence.endswith("."), rule.id
        assert rule.citation, rule.id


@pytest.mark.parametrize("rule", CATALOGUE, ids=lambda rule: rule.id)
def test_a_sentence_can_be_printed_alone(rule: Rule[Any]) -> None:
    for sentence in re.split(r"(?<=\.)\s+", rule.sentence):
        assert len(sentence.split()) <= LONGEST_SENTENCE, sentence
    assert not NOT_STANDING_ALONE.search(rule.sentence)
    assert not PERSONIFYING.search(rule.sentence)
    assert "- " not in rule.sentence, "a word was broken at its hyphen"


@pytest.mark.parametrize("rule", CATALOGUE, ids=lambda rule: rule.id)
def test_a_sentence_names_its_mode_if_only_one_mode_has_the_rule(rule: Rule[Any]) -> None:
    modes = modes_of(rule)
    named = {mode for mode, name in MODE_NAMES.items() if name in rule.sentence}
    assert named == ({str(mode) for mode in modes} if len(modes) == 1 else set())


def test_every_source_can_be_opened_by_a_reader_of_the_repository() -> None:
    headings = {
        line.lstrip("# ") for line in (DOCS / "observations.md").read_text().splitlines() if line.startswith("#")
    }
    for rule in CATALOGUE:
        assert not UNREADABLE_SOURCE.search(rule.citation), rule.id
        cited = re.findall(r'docs/observations\.md "([^"]+)"', rule.citation)
        assert len(cited) == rule.citation.count("docs/observations.md"), (
            f"{rule.id} cites an entry without its heading"
        )
        assert set(cited) <= headings, rule.id


def test_version_ranges_read_as_they_should() -> None:
    ranges = {rule.id: versions(rule) for rule in CATALOGUE}
    assert [ranges[name] for name in ("R3.1", "R6.1", "R6.4", "R6.5", "R2.1", "R7.7", "R8.5", "R5.1")] == [
        "<= 1.20",
        "1.22-1.23",
        "1.24",
        ">= 1.25",
        "all",
        "1.22.0-1.22.9, 1.23.0-1.23.6",
        "1.26-1.28.6, 1.29.0-1.29.1",
        "<= 1.33.5",
    ]


def test_two_rules_of_one_id_are_refused_by_name() -> None:
    first, second = CATALOGUE[:2]

    with pytest.raises(ValueError, match=f"rule id {first.id}: got two rules, .* Choose an id"):
        catalogue._unique([first, replace(second, id=first.id)])

"""docs/architecture.md follows a cell through the code, and docs/vocabulary.md has each word once."""

from __future__ import annotations

import ast
import re
from collections import Counter

from probes.oracle.predict import expect
from probes.plan.plan import plan
from tests.unit.support.paths import ROOT
from topologies.cluster_state.snapshot import declared
from topologies.loading.load import load

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
VOCABULARY = (ROOT / "docs" / "vocabulary.md").read_text(encoding="utf-8")
STEP = re.compile(r"^\| \d+ \| .+ \| `([\w/.]+)` \| `([\w.]+)` \|$", re.MULTILINE)
CELL = re.search(r"The cell is `(\S+)` of `(\S+)`", PAGE)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def defines(path: str, name: str) -> bool:
    """Return whether a module defines a function or class; a method is named `Class.method`."""
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    for part in name.split("."):
        found = [node for node in body if isinstance(node, DEFINITIONS) and node.name == part]
        if not found:
            return False
        body = found[0].body
    return True


def test_every_step_of_the_walk_names_a_function_of_its_file() -> None:
    steps = STEP.findall(PAGE)

    assert len(steps) > 20
    assert [step for step in steps if not defines(*step)] == []


def test_the_walk_names_the_rules_that_decide_its_cell() -> None:
    assert CELL is not None
    topology = load(CELL[2])
    cell = next(cell for cell in plan(topology).cells if cell.id == CELL[1])
    rows = re.findall(r"^\| .+ \| `probes/oracle/[\w/.]+` \| (R[\d.]+) \|", PAGE, re.MULTILINE)

    assert rows == list(expect(topology, declared(topology), cell).rules)


def test_every_word_of_the_vocabulary_is_there_once() -> None:
    words = [word for cell in re.findall(r"^\| ([^|`-]+?) \| ", VOCABULARY, re.MULTILINE) for word in cell.split(", ")]
    counts = Counter(words)
    del counts["word"]  # the head of each table

    assert len(counts) > 50
    assert [word for word, count in counts.items() if count > 1] == []

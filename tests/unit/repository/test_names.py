"""A class name stands for one thing in the whole product."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.unit.support.paths import ROOT

PACKAGES = ("hairpin", "topologies", "probes", "reports", "suites", "bench")


def find_class_names() -> dict[str, list[str]]:
    """Return the files that define each class name."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(path.relative_to(ROOT)))
    return found


DEFINED_TWICE = {name: files for name, files in find_class_names().items() if len(files) > 1}
OFFENDERS = "; ".join(f"{name}: {', '.join(files)}" for name, files in sorted(DEFINED_TWICE.items()))


def test_no_class_name_is_defined_twice() -> None:
    assert not DEFINED_TWICE, OFFENDERS


def test_classes_are_found() -> None:
    assert find_class_names()["Cell"] == ["probes/plan/cell.py"]

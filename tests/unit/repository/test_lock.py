"""`requirements.lock` installs on any later day, with pip resolving (the README's way) and without (`make setup`)."""

from __future__ import annotations

from importlib.metadata import distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.unit.support.paths import ROOT

LOCKED = [
    Requirement(line.removesuffix("\\"))
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    if not line.startswith((" ", "#"))
]
EXTRAS = {canonicalize_name(locked.name): locked.extras for locked in LOCKED}


def find_requirements(name: str) -> list[Requirement]:
    requirements = [Requirement(line) for line in distribution(name).requires or []]
    return [needed for needed in requirements if needed.marker is None or needed.marker.evaluate({"extra": ""})]


def test_every_line_is_one_version() -> None:
    assert [str(locked) for locked in LOCKED if [each.operator for each in locked.specifier] != ["=="]] == []


def test_a_requirement_with_extras_is_locked_with_them() -> None:
    # pip with hashes takes the newest coverage[toml] for a candidate where only coverage is pinned, and refuses it.
    needed = [each for locked in LOCKED for each in find_requirements(locked.name)]

    assert [str(each) for each in needed if not each.extras <= EXTRAS[canonicalize_name(each.name)]] == []


def test_nothing_needed_is_missing() -> None:
    needed = {canonicalize_name(each.name) for locked in LOCKED for each in find_requirements(locked.name)}

    assert needed - EXTRAS.keys() == set()

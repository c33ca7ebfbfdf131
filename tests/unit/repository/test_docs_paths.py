"""Every file, module, link and command that the docs name exists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from hairpin.main import FORMER, VERBS
from tests.unit.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))
FOLDERS = ("hairpin", "topologies", "probes", "reports", "suites", "bench", "tests", "docs", ".ci")
WORD = re.compile(r"(?<![\w./<-])([\w.][\w./*-]*)")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
TARGETS = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def code_of(page: Path) -> str:
    """Return the inline code and the code blocks of a page."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return "\n".join(
        blocks + re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    )


def named_paths(code: str) -> set[str]:
    """Return the paths of this repository in a piece of code: those that begin with one of its folders, and modules."""
    words = {word.rstrip(".") for word in WORD.findall(code)}
    return {word for word in words if word.endswith(".py") or ("/" in word and word.partition("/")[0] in FOLDERS)}


def exists(path: str) -> bool:
    """Return whether a path leads to a file; one without a folder may be anywhere in a package."""
    if "/" in path:
        return any(ROOT.glob(path.rstrip("/")))
    return any(next((ROOT / folder).rglob(path), None) for folder in FOLDERS)


def is_runnable(module: str) -> bool:
    """Return whether `python -m` can run a module; those of other projects are not looked for."""
    path = ROOT / module.replace(".", "/")
    ours = module.partition(".")[0] in FOLDERS
    return not ours or path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_exists(page: Path) -> None:
    assert [path for path in sorted(named_paths(code_of(page))) if not exists(path)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not link[0].startswith("http")]
    broken = [
        (path, anchor)
        for path, anchor in links
        if not (there := page.parent / path if path else page).exists()
        or (anchor and there.suffix == ".md" and anchor not in anchors(there))
    ]

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists(page: Path) -> None:
    code = code_of(page)
    modules = [name for name in re.findall(r"python -m ([\w.]+)", code) if not is_runnable(name)]
    targets = set(re.findall(r"^(?:HAIRPIN_SLOW=1 )?make ([a-z][a-z0-9-]*)", code, re.MULTILINE)) - TARGETS
    verbs = set(re.findall(r"^(?:\$ )?hairpin ([a-z]+)", code, re.MULTILINE)) - {*VERBS, *FORMER}

    assert (modules, targets, verbs) == ([], set(), set())


def test_a_missing_file_is_found() -> None:
    paths = named_paths("probes/plan/plan.py probes/none.py none.py mine.yaml out/last pkg/proxy/a.go docs/*.md")

    assert paths == {"probes/plan/plan.py", "probes/none.py", "none.py", "docs/*.md"}
    assert sorted(path for path in paths if not exists(path)) == ["none.py", "probes/none.py"]


def test_a_package_without_a_main_module_is_not_runnable() -> None:
    assert [is_runnable(name) for name in ("hairpin", "tests.prose", "probes", "tests.none")] == [
        True,
        True,
        False,
        False,
    ]

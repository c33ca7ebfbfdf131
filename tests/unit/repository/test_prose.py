"""The check of our prose: what it finds, and what it must not take for prose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import prose
from tests.unit.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

BAD = (
    "The log tells why.",
    "Whoever is told hears it.",
    "kube-proxy says that it is in IPVS mode.",
    "The server speaks HTTP.",
    "It waits for every refusal that kernels still owe.",
    "The module keeps silent.",
    "Nobody wants it any more.",
    "Give it what you want.",
    "Both are alike.",
    "If it shows otherwise, the cell fails.",
    "It is done here, or declared otherwise.",
    "It has no reader, nor a writer.",
    "All but for one.",
    "The packet is sent home.",
)
GOOD = (
    "The log names the cause.",
    "--samples: got -3, want a number above 0. Give another number.",
    "Otherwise, the command ends with exit code 1.",
    "Silent cells are probed again once per round.",
    "The file is in the home directory.",
)


@pytest.mark.parametrize("text", BAD)
def test_a_banned_word_is_found(text: str) -> None:
    assert list(prose.find_banned(text))


@pytest.mark.parametrize("text", GOOD)
def test_a_plain_sentence_passes(text: str) -> None:
    assert not list(prose.find_banned(text))


def test_a_page_is_checked_without_its_code_and_quotations() -> None:
    quoted = 'The key `says` is "told by the vendor", see [a](docs/told.md).\n> It says so.'
    page = f"A.\n```\nit tells\n```\n{quoted}\n\nIt tells.\n"

    assert list(map(str, prose.check_page("docs/a.md", page))) == [
        f"docs/a.md:8: tells ({prose.VERBS})",
    ]


def test_docstrings_comments_and_messages_are_prose_and_identifiers_are_not() -> None:
    source = '''"""It tells."""
told = {"said": says}  # heard before
message = f"{told} wants {said}"
"""The
value that is told."""
'''

    found = [(one.line, one.word) for one in sorted(prose.check_module("a.py", source))]

    assert found == [(1, "tells"), (2, "heard"), (3, "wants"), (5, "told")]


def test_the_want_of_an_error_may_follow_a_value_in_an_f_string() -> None:
    source = 'message = f"{option}: got {value!r}, want one of {names}"\n'

    assert not list(prose.check_module("a.py", source))


def test_a_long_commit_subject_is_found() -> None:
    log = f"1a2b3c4 {'a' * 72}\n5d6e7f8 {'b' * 73}\n"

    assert prose.long_subjects(log) == [f"commit 5d6e7f8: 73 characters, want at most 72: {'b' * 73}"]


def test_without_history_no_subject_is_checked(tmp_path: Path) -> None:
    assert prose.read_log(tmp_path) is None


def test_the_check_reads_every_page_and_package() -> None:
    files = {page for pattern in prose.PAGES for page in ROOT.glob(pattern)}

    assert ROOT / "README.md" in files
    assert ROOT / "docs" / "rules.md" in files
    assert all(list((ROOT / package).rglob("*.py")) for package in prose.PACKAGES)

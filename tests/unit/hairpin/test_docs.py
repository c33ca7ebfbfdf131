"""docs/predict-diff.md shows what the commands print. `python -m tests.unit.hairpin.test_docs` writes it again."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex

import pytest

from hairpin.main import main
from reports.analysis.diff import MEANINGS, Kind
from tests.unit.support.paths import ROOT

FILE = ROOT / "docs" / "predict-diff.md"
PAGE = FILE.read_text(encoding="utf-8")
EXAMPLE = re.compile(r"```\n\$ hairpin (.+)\n((?:.*\n)*?)```")
WIDTH = "110"


def printed(command: str) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        main(shlex.split(command))
    return "".join(f"{line.rstrip()}\n" for line in output.getvalue().rstrip().splitlines())


@pytest.mark.slow
@pytest.mark.parametrize(("command", "shown"), EXAMPLE.findall(PAGE))
def test_every_example_prints_what_the_page_shows(command: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", WIDTH)

    assert shown == printed(command), "write the page again: python -m tests.unit.hairpin.test_docs"


def test_the_page_names_every_kind_of_change_with_its_meaning() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (.+?) \|$", PAGE, re.MULTILINE))

    assert rows == {kind.value: MEANINGS[kind] for kind in Kind}


if __name__ == "__main__":
    os.environ["COLUMNS"] = WIDTH
    FILE.write_text(EXAMPLE.sub(lambda one: f"```\n$ hairpin {one[1]}\n{printed(one[1])}```", PAGE), encoding="utf-8")

"""The pages of predict, diff and qualify show what they print. `python -m tests.unit.hairpin.test_docs` writes them."""

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

FILES = [ROOT / "docs" / f"{name}.md" for name in ("predict-diff", "qualify", "release-stories")]
PAGE, *OTHERS = [file.read_text(encoding="utf-8") for file in FILES]
EXAMPLE = re.compile(r"```\n\$ hairpin (.+)\n((?:.*\n)*?)```")
TIMES = re.compile(r"\nwall time: .*(?:\n.+)*\n")  # they differ each time
WIDTH = "110"


def printed(command: str) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        main(shlex.split(command))
    text = TIMES.sub("", output.getvalue())
    return "".join(f"{line.rstrip()}\n" for line in text.rstrip().splitlines())


@pytest.mark.slow
@pytest.mark.parametrize(("command", "shown"), [found for page in (PAGE, *OTHERS) for found in EXAMPLE.findall(page)])
def test_every_example_prints_what_the_page_shows(command: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", WIDTH)

    assert shown == printed(command), "write the page again: python -m tests.unit.hairpin.test_docs"


def test_the_page_names_every_kind_of_change_with_its_meaning() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (.+?) \|$", PAGE, re.MULTILINE))

    assert rows == {kind.value: MEANINGS[kind] for kind in Kind}


if __name__ == "__main__":
    os.environ["COLUMNS"] = WIDTH
    for file, page in zip(FILES, (PAGE, *OTHERS), strict=True):
        file.write_text(EXAMPLE.sub(lambda one: f"```\n$ hairpin {one[1]}\n{printed(one[1])}```", page), "utf-8")

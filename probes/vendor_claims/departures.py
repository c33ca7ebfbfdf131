"""Find where a vendor documents something else than the API's contract promises, and list it in docs/documented.md.

`python -m probes.vendor_claims.departures` writes the list into the page, between the marks. Decides nothing about a
run: a run judges the rows of the contract by what it observes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from probes.contract.load import row
from probes.contract.sources import Level
from probes.judging.promise import BackendSet, SourceKind
from probes.observation import Outcome
from probes.vendor_claims.answer import LOCAL, Reach
from probes.vendor_claims.load import pages
from probes.vendor_claims.model import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.contract.model import ContractRow
    from probes.judging.promise import Promise
    from probes.vendor_claims.answer import ClaimedAnswer
    from probes.vendor_claims.model import Claim

PAGE = Path(__file__).parents[2] / "docs" / "documented.md"
BEGIN, END = (
    "<!-- departures: begin, written by `python -m probes.vendor_claims.departures` -->",
    "<!-- departures: end -->",
)
OUTCOMES = {
    Reach.OK: frozenset({Outcome.OK}),
    Reach.FAILS: frozenset(Outcome) - {Outcome.OK},
    Reach.REFUSED: frozenset({Outcome.REFUSED}),
    Reach.TIMEOUT: frozenset({Outcome.TIMEOUT}),
}
"""The outcomes that a claimed reachability allows. `sporadic` is not here: it requires two."""
WORDS = {Level.MUST: "breaks", Level.SHOULD: "is unusual in"}


def departures(claim: Claim) -> tuple[ContractRow, ...]:
    """Return the rows of the contract that this claim contradicts, as the vendor states it.

    A claim that the rules contradict departs from nothing: the vendor's text is wrong.
    """
    if claim.claim is None or claim.standing is Standing.CONTRADICTS:
        return ()
    answer = claim.claim
    named = (row(name) for name in claim.contract)
    return tuple(one for one in named if one.expected and _differs(answer, one.expected))


def describe(one: ContractRow) -> str:
    """Return a departure in words: `breaks row 35 (must)`, `is unusual in row 3 (should)`."""
    return f"{WORDS[one.level]} row {one.number} ({one.level})"


def _differs(answer: ClaimedAnswer, promise: Promise) -> bool:
    if answer.reach is Reach.SPORADIC:
        return True
    if answer.reach and not OUTCOMES[answer.reach] & promise.outcomes:
        return True
    if promise.source is SourceKind.KEPT and answer.source not in (None, "kept"):
        return True
    return promise.backends is BackendSet.ALL and answer.backend == LOCAL


def table() -> str:
    """Return the list of departures as a table in Markdown, by page and claim."""
    head = "| page and claim | what the vendor documents | departure | releases |\n|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(columns)} |\n" for columns in _rows())


def _rows() -> Iterator[tuple[str, str, str, str]]:
    for page in pages():
        for name, claim in page.claims():
            if found := departures(claim):
                quote = " ".join(claim.quote.split()).replace("|", "\\|")
                memory = " *From memory.*" if claim.from_memory else ""
                what = ", ".join(describe(one) for one in found)
                yield f"{page.name} `{name}`", f"{quote} (`{claim.claim}`){memory}", what, claim.releases or "all"


def insert(text: str) -> str:
    """Return the page's text with the present table between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n{END}{after}"


def main() -> int:
    """Write the table into the page; 0."""
    PAGE.write_text(insert(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{PAGE}: written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

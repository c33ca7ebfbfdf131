from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from probes.observation import Outcome
from probes.vendor_claims.answer import ClaimedAnswer, Ending

KEPT = Ending(Outcome.OK, frozenset({"kept", "node", "primary(n1)"}), "web-a")
POD = Ending(Outcome.OK, frozenset({"kept", "10.244.1.10"}), "web-b")
VTEP = Ending(Outcome.OK, frozenset({"vtep(n1)", "node"}), "web-a")
REFUSED, TIMEOUT = Ending(Outcome.REFUSED), Ending(Outcome.TIMEOUT)


@pytest.mark.parametrize(
    ("text", "endings", "holds"),
    [
        ("ok", [KEPT, VTEP], True),
        ("ok", [KEPT, TIMEOUT], False),
        ("ok from kept", [KEPT, POD], True),
        ("ok from kept", [KEPT, VTEP], False),
        ("ok from changed", [VTEP], True),
        ("ok from changed", [KEPT], False),
        ("ok from node", [KEPT, VTEP], True),
        ("ok from node", [POD], False),
        ("from vtep(n1)", [VTEP, TIMEOUT], True),
        ("from kept", [TIMEOUT], False),
        ("ok by web-a", [KEPT], True),
        ("ok by web-a|web-b", [KEPT, POD], True),
        ("ok by web-b", [KEPT], False),
        ("fails", [REFUSED, TIMEOUT], True),
        ("fails", [REFUSED, KEPT], False),
        ("refused", [REFUSED], True),
        ("refused", [REFUSED, TIMEOUT], False),
        ("timeout", [TIMEOUT], True),
        ("sporadic", [KEPT, TIMEOUT], True),
        ("sporadic", [KEPT], False),
        ("sporadic", [TIMEOUT], False),
        ("fails", [], False),
    ],
)
def test_an_answer_holds_where_every_ending_is_as_promised(text: str, endings: list[Any], holds: bool) -> None:
    answer = ClaimedAnswer.model_validate(text)

    assert str(answer) == text
    assert answer.holds(endings) is holds


@pytest.mark.parametrize("text", ["", "works", "ok kept", "from", "ok from kept from vtep(n1)"])
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        ClaimedAnswer.model_validate(text)

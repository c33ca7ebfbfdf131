"""A node leaves the lab balancer's pool for what it answers, or after three checks without an answer."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from topologies.lab.load_balancer.controller import Checks

CHECK = (IPv4Address("198.18.1.11"), 32000)


@pytest.mark.parametrize(
    ("answers", "states"),
    [
        ([True, None, None, True], [True, True, True, True]),
        ([True, None, None, None, True], [True, True, True, False, True]),
        ([True, None, None, True, None], [True, True, True, True, True]),
        ([True, False, None], [True, False, False]),
        ([None, None, None, None], [False] * 4),
        ([None, True], [False, True]),
    ],
)
def test_a_late_check_changes_nothing_until_the_third(answers: list[bool | None], states: list[bool]) -> None:
    checks = Checks()

    assert [checks.state(CHECK, answer) for answer in answers] == states

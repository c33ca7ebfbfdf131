"""Predict a cell for every choice of the unknown facts that its rules read, and join the results. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from probes.oracle.expectation import Alternative, Expectation, Path
from probes.oracle.modes.chains import UnsupportedMode
from topologies.common.errors import HairpinError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from probes.oracle.expectation import Assumption
    from probes.oracle.unknown_facts import FactChoices, Left

T = TypeVar("T")
MOST = 1024  # choices that are predicted for one cell
DIGITS = 9  # of a share, when two results are compared
NAMED = 6  # facts that a sentence names


class TooManyChoicesError(HairpinError):
    """A cell's rules leave more combinations of values than can be predicted. The message names unknown facts."""


def fork(choices: FactChoices, run: Callable[[], T]) -> list[tuple[Left, T]]:
    """Return the result of `run` for every choice of the facts that it reads, with that choice.

    A choice that no kube-proxy can have, such as nftables mode in 1.20, is left out.

    Raises:
        UnsupportedMode: No choice is left.
        TooManyChoicesError: There are more than MOST choices.

    """
    found: list[tuple[Left, T]] = []
    choices.known.clear()
    pending: list[Left] = [{}]
    impossible: UnsupportedMode | None = None
    while pending:
        choices.start(pending.pop())
        try:
            found.append((choices.left, run()))
        except UnsupportedMode as error:
            impossible = error
        pending += reversed(choices.others)
        if len(found) > MOST:
            named = _name(_name_facts(choices.left))
            many = f"more than {MOST} combinations of values are possible, with {named}"
            message = f"nothing can be expected: {many}. Declare some of these facts."
            raise TooManyChoicesError(message)
    if not found and impossible:
        raise impossible
    return found


def predict_alternatives(choices: FactChoices, run: Callable[[], Expectation]) -> Expectation:
    """Return the expectation of a cell whose facts are partly unknown."""
    try:
        return join_alternatives(fork(choices, run))
    except TooManyChoicesError as error:
        return Expectation((), (), str(error))


def join_alternatives(found: Iterable[tuple[Left, Expectation]]) -> Expectation:
    """Return one expectation: the result if all choices lead to the same one, else one with alternatives."""
    results: dict[object, Expectation] = {}
    assumptions: dict[object, list[Assumption]] = {}
    for left, one in found:
        key = identify_result(one)
        known = results.setdefault(key, one)
        results[key] = replace(known, rules=_join(known.rules, one.rules))
        assumptions.setdefault(key, []).append(tuple(sorted(left.items())))
    made = [Alternative(one, tuple(assumptions[key])) for key, one in results.items()]
    return made[0].expectation if len(made) == 1 else _unite(made)


def _unite(made: Sequence[Alternative]) -> Expectation:
    possible = [one.expectation for one in made]
    paths = merge_paths(replace(path, share=path.share / len(possible)) for one in possible for path in one.paths)
    rules = _join(*(one.rules for one in possible))
    named = _name(deciding_facts(made))
    because = f"{len(made)} results are possible, with {named}; one of them: {possible[0].because}"
    return Expectation(paths, rules, because, all(one.sticky for one in possible), tuple(made))


def _name(facts: Sequence[str]) -> str:
    more = f" and {len(facts) - NAMED} more" if len(facts) > NAMED else ""
    return f"{', '.join(facts[:NAMED])}{more} unknown"


def deciding_facts(alternatives: Iterable[Alternative]) -> list[str]:
    """Return the unknown facts that the assumptions of these alternatives name."""
    return _name_facts(path for one in alternatives for assumption in one.assumptions for path, _ in assumption)


def _name_facts(paths: Iterable[str]) -> list[str]:
    """Return the facts of these paths, each once, in alphabetical order."""
    return sorted(set(map(name_fact, paths)))


def name_fact(path: str) -> str:
    """Return the path of a fact without the address that an assumption is about: `PATH with ADDRESS`."""
    return path.partition(" ")[0]


def identify_result(one: Expectation) -> object:
    """Return what an observation can distinguish."""
    ways = frozenset(
        (path.outcome, path.sources, path.backend, path.by_icmp, round(path.share, DIGITS)) for path in one.paths
    )
    return ways, one.sticky


def _join(*rules: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rule for some in rules for rule in some))


def merge_paths(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Merge paths with the same observable result and add their shares."""
    merged: dict[tuple[object, ...], Path] = {}
    for path in paths:
        key = (path.outcome, path.sources, path.backend, path.by_icmp)
        known = merged.get(key)
        rules = tuple(dict.fromkeys((*known.rules, *path.rules))) if known else path.rules
        merged[key] = replace(path, share=path.share + (known.share if known else 0), rules=rules)
    return tuple(merged.values())

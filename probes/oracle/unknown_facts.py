"""Unknown facts while a cell is predicted: which values are left, and what a rule reads of them.

A rule reads a field of the environment. If the field comes from an unknown fact, the read divides the values that are
left by what the field would be, and continues with the first part. The other parts are predicted later (`fork`).
One choice holds for the whole cell, so the reads of several rules never contradict each other.

A step of the prediction (`share`) divides the values by its result only: the following steps do not fork over the facts
that a step reads, but over what it decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self, TypeVar

from probes.oracle.assignments import ALL, AssignmentSets
from probes.oracle.environment import READS, Environment
from topologies.common.errors import HairpinError
from topologies.schema import facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from probes.oracle.upstream import VersionRange
    from topologies.schema.facts import Candidates
    from topologies.schema.topology import Topology

T = TypeVar("T")
VERSION = "version"
MODE = "mode"
MOST = 1024  # results of one cell, or of one part of it
NAMED = 6  # facts that a sentence names
FAILURES = (HairpinError, LookupError)
"""What a part may raise for values with which no packet gets to it. It counts only if a packet does."""


Merge = Callable[[Sequence[tuple[T, int]]], T]


class TooManyChoicesError(HairpinError):
    """Unknown facts lead to more results than can be predicted. The message names unknown facts."""


@dataclass(slots=True, eq=False)
class FactChoices:
    """The values of unknown facts that are left for one prediction. Each read narrows them."""

    candidates: Mapping[str, Candidates]
    """All values that each unknown fact may have, by its path."""
    sets: AssignmentSets = field(default_factory=AssignmentSets)
    left: int = ALL
    """The set of values that are left, in `sets`."""
    others: list[int] = field(default_factory=list)
    """The sets of values that the reads did not follow."""
    splits: dict[tuple[int, str, Callable[[Any], Any]], tuple[Any, list[int]]] = field(default_factory=dict)
    """What earlier reads returned, by the values that were left, the path and what was read of it."""
    possible: dict[tuple[int, str, Callable[[Any], bool]], bool] = field(default_factory=dict)
    """What earlier questions to `may` returned."""
    parts: dict[object, list[tuple[Any, int]]] = field(default_factory=dict)
    """The results of parts of one cell's prediction, each with the values that lead to it."""

    def read(self, path: str, derive: Callable[[Any], T]) -> T:
        """Return what a fact gives, and keep only the values that give it.

        Args:
            path: The fact's path.
            derive: Returns what a value gives. It is a constant: what it returned before is remembered.

        """
        key = self.left, path, derive
        if (found := self.splits.get(key)) is None:
            found = self.splits[key] = self._split(path, self.candidates[path], derive)
        value, sets = found
        self._follow(sets)
        return value  # type: ignore[no-any-return] # what the same `derive` returned

    def choose(self, path: str, candidates: Candidates, derive: Callable[[Any], T]) -> T:
        """Do the same for a path whose candidates depend on the place that reads it, or for any function."""
        value, sets = self._split(path, candidates, derive)
        self._follow(sets)
        return value

    def _split(self, path: str, candidates: Candidates, derive: Callable[[Any], T]) -> tuple[T, list[int]]:
        """Return what the first value that is left gives, and the sets of values that give the same, this one first."""
        variable = self.sets.find_variable(path, candidates)
        groups: dict[T, list[int]] = {}
        for index in self.sets.list_values(self.left, variable):
            groups.setdefault(derive(candidates[index]), []).append(index)
        sets = [self.sets.narrow(self.left, variable, group) for group in groups.values()]
        return next(iter(groups)), sets if len(sets) > 1 else [self.left]

    def share(self, key: object, run: Callable[[], T], identify: Callable[[T], object], merge: Merge[T]) -> T:
        """Return one result of a part of the prediction, and keep only the values that lead to it.

        The part is predicted once for all values. It must depend on the key and on the facts that `run` reads, and on
        nothing else.

        Args:
            key: What distinguishes the part from others of the same cell.
            run: Predicts the part.
            identify: Returns what two results have in common if the following steps cannot distinguish them.
            merge: Makes one of such results.

        """
        if (found := self.parts.get(key)) is None:
            found = self.parts[key] = self._predict_part(run, identify, merge)
        possible = [(result, left) for result, values in found if (left := self.sets.intersect(self.left, values))]
        self._follow([left for _, left in possible])
        result = possible[0][0]
        if isinstance(result, Exception):
            raise result.with_traceback(None)
        return result  # type: ignore[no-any-return] # what `run` of the same key returned

    def may(self, path: str, accept: Callable[[Any], bool]) -> bool:
        """Return whether a value that is left is accepted. Nothing is narrowed. `accept` is as for `read`."""
        key = self.left, path, accept
        if (found := self.possible.get(key)) is None:
            candidates = self.candidates[path]
            left = self.sets.list_values(self.left, self.sets.find_variable(path, candidates))
            found = self.possible[key] = any(accept(candidates[index]) for index in left)
        return found

    def fork(self, run: Callable[[], T]) -> Iterator[tuple[T | Exception, int]]:
        """Yield what `run` returns or raises for every choice of the facts that it reads, with the values of each.

        Raises:
            TooManyChoicesError: There are more than MOST choices.

        """
        pending, found = [ALL], 0
        while pending:
            self.left, self.others = pending.pop(), []
            result = _catch(run)
            pending += reversed(self.others)
            yield result, self.left
            if (found := found + 1) > MOST:
                raise TooManyChoicesError(self._describe_limit())

    def _follow(self, sets: Sequence[int]) -> None:
        """Keep the first of some sets of values, and leave the others for later."""
        self.left = sets[0]
        if len(sets) > 1:
            self.others += sets[1:]

    def _predict_part(
        self, run: Callable[[], T], identify: Callable[[T], object], merge: Merge[T]
    ) -> list[tuple[T | Exception, int]]:
        """Return the results of a part for all values, each once."""
        before = self.left, self.others
        failed: list[tuple[T | Exception, int]] = []
        found: dict[object, list[tuple[T, int]]] = {}
        for result, left in self.fork(run):
            if isinstance(result, Exception):
                failed.append((result, left))
            else:
                found.setdefault(identify(result), []).append((result, left))
        self.left, self.others = before
        return [(merge(one), self.sets.unite_all(left for _, left in one)) for one in found.values()] + failed

    def _describe_limit(self) -> str:
        named = name_facts(self.sets.list_variables(self.left))
        many = f"more than {MOST} combinations of values are possible, with {named}"
        return f"nothing can be expected: {many}. Declare some of these facts."


def _catch(run: Callable[[], T]) -> T | Exception:
    try:
        return run()
    except FAILURES as error:
        return error


def name_facts(paths: Iterable[str]) -> str:
    """Return `kernel.rp_filter, proxy.mode unknown` for the facts of these paths."""
    facts_read = list_facts(paths)
    more = f" and {len(facts_read) - NAMED} more" if len(facts_read) > NAMED else ""
    return f"{', '.join(facts_read[:NAMED])}{more} unknown"


def list_facts(paths: Iterable[str]) -> list[str]:
    """Return the facts of these paths, each once, in alphabetical order."""
    return sorted(set(map(name_fact, paths)))


def name_fact(path: str) -> str:
    """Return the path of a fact without the address that an assumption is about: `PATH with ADDRESS`."""
    return path.partition(" ")[0]


class UncertainEnvironment(Environment):
    """The environment of a node of which some facts are unknown."""

    __slots__ = ("choices", "paths")
    choices: FactChoices
    paths: Mapping[str, str]
    """The path of the unknown fact that a field comes from."""

    @classmethod
    def around(cls, known: Environment, choices: FactChoices, paths: Mapping[str, str]) -> Self:
        """Return an environment with the known fields of another one. The slots of the others stay empty."""
        made = object.__new__(cls)
        values = {one.name: getattr(known, one.name) for one in fields(known) if one.name not in paths}
        for name, value in {**values, "choices": choices, "paths": paths}.items():
            object.__setattr__(made, name, value)
        return made

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the type of whatever field it is
        """Read a field with an empty slot: it comes from an unknown fact, and the read narrows the choices."""
        return self.choices.read(self.paths[name], READS[name].derive)

    def ask(self, name: str, question: Callable[[Any], T]) -> T:
        """Return the answer to a question about a field. Values with the same answer stay together."""
        if (path := self.paths.get(name)) is None:
            return super().ask(name, question)
        if name == VERSION:
            return self.choices.read(path, question)  # these questions are methods of constants
        derive = READS[name].derive
        return self.choices.choose(path, self.choices.candidates[path], lambda value: question(derive(value)))

    def may_run(self, versions: VersionRange) -> bool:
        """Return whether a version that is left is in a range."""
        path = self.paths.get(VERSION)
        if path is None or not versions.bounded:
            return super().may_run(versions)
        return self.choices.may(path, versions.includes)

    def is_supported(self) -> bool:
        """Return whether the rules describe the version; candidates are such versions only."""
        return VERSION in self.paths or super().is_supported()

    def __str__(self) -> str:
        """Return `kube-proxy 1.20.2 iptables`, with `unknown` for what is not known."""
        if {VERSION, MODE} <= self.paths.keys():
            return "kube-proxy of unknown version and mode"
        release, mode = (facts.UNKNOWN if name in self.paths else getattr(self, name) for name in (VERSION, MODE))
        return f"kube-proxy {release} {mode}"


def find_choices(topology: Topology) -> FactChoices | None:
    """Return the candidates of a topology's unknown facts, or None if it has none."""
    found = {path: facts.candidates(topology, path) for path, _ in facts.list_unknown(topology)}
    if not found:
        return None
    made = FactChoices(found)
    for path in reversed(found):  # the diagrams are smaller with versions and modes last: 22 % less time
        made.sets.find_variable(path, found[path])
    return made


def with_unknown(
    topology: Topology, environments: Mapping[str, Environment], choices: FactChoices
) -> dict[str, Environment]:
    """Return the environments with their unknown facts."""
    return {name: _with_unknown(topology, name, one, choices) for name, one in environments.items()}


def _with_unknown(topology: Topology, node: str, known: Environment, choices: FactChoices) -> Environment:
    paths = {name: path for name, read in READS.items() if (path := facts.unknown_at(topology, node, read.path))}
    return UncertainEnvironment.around(known, choices, paths) if paths else known

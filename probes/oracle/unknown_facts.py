"""Unknown facts while a cell is predicted: which values are left, and what a rule reads of them.

A rule reads a field of the environment. If the field comes from an unknown fact, the read divides the values that are
left by what the field would be, and goes on with the first part. The other parts are predicted later (`forking.py`).
One choice holds for the whole cell, so the reads of several rules never contradict each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self, TypeVar

from probes.oracle.environment import READS, Environment
from topologies.schema import facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from probes.oracle.upstream import VersionRange
    from topologies.schema.facts import Candidates
    from topologies.schema.topology import Topology

T = TypeVar("T")
Left = dict[str, "Candidates"]
VERSION = "version"
MODE = "mode"


@dataclass(slots=True, eq=False)
class FactChoices:
    """The values of unknown facts that are left for one prediction. Each read narrows them."""

    candidates: Mapping[str, Candidates]
    """All values that each unknown fact may have, by its path."""
    left: Left = field(default_factory=dict)
    """The values that are left of each fact that was read."""
    others: list[Left] = field(default_factory=list)
    """The choices that the reads did not follow."""
    touched: set[str] = field(default_factory=set)
    """The facts that were read since the last `remember` began."""
    known: dict[object, dict[tuple[str, ...], dict[object, Any]]] = field(default_factory=dict)
    """Results of parts of one cell's predictions: by part, by the facts that it read, by the values left of them."""

    def start(self, left: Left) -> None:
        """Begin a prediction with these choices."""
        self.left, self.others, self.touched = dict(left), [], set()

    def read(self, path: str, derive: Callable[[Any], T]) -> T:
        """Return what a fact gives, and keep only the values that give it."""
        return self.choose(path, self.candidates[path], derive)

    def choose(self, path: str, candidates: Candidates, derive: Callable[[Any], T]) -> T:
        """Do the same for a path whose candidates depend on the place that reads it."""
        left = self.left.get(path, candidates)
        self.touched.add(path)
        if len(left) == 1:
            return derive(left[0])
        groups: dict[T, list[object]] = {}
        for candidate in left:
            groups.setdefault(derive(candidate), []).append(candidate)
        (value, first), *rest = groups.items()
        if rest:
            self.others += [{**self.left, path: tuple(group)} for _, group in rest]
            self.left[path] = tuple(first)
        return value

    def remember(self, key: object, run: Callable[[], T]) -> T:
        """Return the result of a part of the prediction, from an earlier choice if its facts have the same values.

        The result must depend on the key and on the facts that `run` reads, and on nothing else.
        """
        known = self.known.setdefault(key, {})
        for paths, results in known.items():
            held = self._values(paths)
            if held in results:
                self.touched.update(paths)
                return results[held]  # type: ignore[no-any-return] # what `run` of the same key returned
        before, self.touched = self.touched, set()
        result = run()
        paths = tuple(sorted(self.touched))
        known.setdefault(paths, {})[self._values(paths)] = result
        self.touched |= before
        return result

    def _values(self, paths: Iterable[str]) -> tuple[Candidates | None, ...]:
        """Return the values that are left of these facts; None if a fact may have any of its values."""
        return tuple(map(self.left.get, paths))

    def may(self, path: str, accept: Callable[[Any], bool]) -> bool:
        """Return whether a value that is left is accepted. Nothing is narrowed."""
        found = any(map(accept, self.left.get(path, self.candidates[path])))
        if not found:
            self.touched.add(path)
        return found


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
        derive = READS[name].derive
        return self.choices.read(path, lambda value: question(derive(value)))

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
    return FactChoices(found) if found else None


def with_unknown(
    topology: Topology, environments: Mapping[str, Environment], choices: FactChoices
) -> dict[str, Environment]:
    """Return the environments with their unknown facts."""
    return {name: _with_unknown(topology, name, one, choices) for name, one in environments.items()}


def _with_unknown(topology: Topology, node: str, known: Environment, choices: FactChoices) -> Environment:
    paths = {name: path for name, read in READS.items() if (path := facts.unknown_at(topology, node, read.path))}
    return UncertainEnvironment.around(known, choices, paths) if paths else known
